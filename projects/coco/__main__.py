"""Check dark_codec on COCO val2017 with MMPose's published weights.

Fetches what is missing, runs each network once with and once without flip
test, and decodes what it predicts in every way. Nothing is trained. An
interrupted run continues when it is started again. With several GPUs:
``torchrun --nproc_per_node=8 -m projects.coco --launcher pytorch``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

NETWORKS = (
    'td-hm_hrnet-w32_8xb64-210e_coco-256x192',
    'td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192',
    'td-hm_res50_8xb64-210e_coco-256x192',
    'td-hm_res50_dark-8xb64-210e_coco-256x192',
)
WAIT = 24 * 3600  # seconds that processes wait for the one that fetches


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m projects.coco',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default, meaning in (
        ('data', 'data/coco', "folder of COCO's annotations/ and val2017/"),
        ('weights', 'checkpoints', 'folder of the weights'),
        ('out', 'work_dirs/coco', 'folder for dumps and report'),
    ):
        parser.add_argument(
            f'--{name}',
            type=Path,
            default=Path(default),
            help=f'{meaning} (default: %(default)s)',
        )
    parser.add_argument(
        '--networks',
        nargs='+',
        default=NETWORKS,
        metavar='NAME',
        help="names in MMPose's metafiles (default: HRNet-W32 and ResNet-50 "
        'at 256x192, plain and DARK)',
    )
    parser.add_argument(
        '--metafiles', type=Path, help="others than MMPose's: a file or folder"
    )
    parser.add_argument(
        '--images', type=int, help='take so many images only, for a CPU'
    )
    parser.add_argument(
        '--detections',
        type=Path,
        help="detected boxes, such as MMPose's COCO_val2017_detections_AP_H_"
        '56_person.json, with which the published numbers were measured '
        '(default: the annotated boxes, which give a higher AP)',
    )
    parser.add_argument(
        '--draws', type=int, default=500, help='resamples (default: 500)'
    )
    parser.add_argument('--mirror', help='fetch from here, paths as there')
    parser.add_argument(
        '--launcher', choices=['none', 'pytorch'], default='none'
    )
    args = parser.parse_args(argv)
    for name in ('images', 'draws'):
        if (number := getattr(args, name)) is not None and number < 1:
            parser.error(f'--{name} must be positive, got {number}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Fetch, predict, and write the report."""
    args = parse_args(argv)
    # late: --help needs none of them
    import torch
    from mmengine.config import Config
    from mmengine.dist import (
        broadcast_object_list,
        init_dist,
        is_distributed,
        is_main_process,
    )

    from dark_codec.cli import UserError, check_folder
    from dark_codec.openmmlab.compat import prepare_distributed
    from projects.coco.networks import METAFILES, find_networks
    from projects.coco.run import get_files, predict, report

    dist_cfg = dict(backend='nccl', timeout=WAIT)
    env_cfg = dict(dist_cfg=dist_cfg)
    prepare_distributed(
        Config(dict(launcher=args.launcher, env_cfg=env_cfg, model={}))
    )
    if args.launcher != 'none' and not is_distributed():
        init_dist(args.launcher, **dist_cfg)
    networks = find_networks(args.networks, args.metafiles or METAFILES)
    for name in ('data', 'weights', 'out'):
        check_folder(f'--{name}', str(getattr(args, name)))
    if args.detections is not None and not args.detections.is_file():
        raise UserError(f'--detections {args.detections} does not exist')
    people = [get_files(args, networks) if is_main_process() else None]
    broadcast_object_list(people)
    dumps = predict(args, networks, people[0])
    if not is_main_process():
        return
    if is_distributed():  # metrics would wait for the other processes
        torch.distributed.destroy_process_group()
    report(args, networks, people[0], dumps)


if __name__ == '__main__':
    parse_args(None)  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
