"""Run a network over its test set once, and keep what it predicts.

Any top-down model that predicts Gaussian heatmaps, with the flip test of its
config. ``compare_decoders.py`` then decodes the dump in any way, without the
network and the pictures. docs/heatmap_dumps.md has the format.

A run that was interrupted continues when it is started again. With several
processes: ``torchrun --nproc_per_node=2 dump_heatmaps.py ... --launcher
pytorch``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the dump'
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        '--patch',
        dest='kind',
        action='store_const',
        const='patch',
        default='patch',
        help='keep windows round the peaks, which suffice for most decoders '
        '(the default)',
    )
    kind.add_argument(
        '--full',
        dest='kind',
        action='store_const',
        const='full',
        help='keep whole heatmaps, for all decoders',
    )
    parser.add_argument(
        '--dtype',
        choices=('float32', 'float16'),
        default='float32',
        help='of the values (default: %(default)s)',
    )
    parser.add_argument(
        '--shard-size',
        type=int,
        default=256,
        help='samples per file, rounded up to whole batches; an interrupted '
        'run loses at most so many in each process (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir',
        help='folder for logs '
        '(default: work_dir of the config, else work_dirs/<config name>)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes (default: none)',
    )
    # torch.distributed.launch of torch 1 passes it with an underscore
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )
    args = parser.parse_args(argv)
    if args.shard_size < 1:
        parser.error(f'--shard-size must be positive, got {args.shard_size}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Predict and store."""
    args = parse_args(argv)
    # late: --help needs none of them
    from mmengine.dist import is_main_process

    from dark_codec.cli import (
        UserError,
        check_folder,
        explain_downloads,
        load_config,
        prepare,
    )
    from dark_codec.dumps.format import DumpError
    from dark_codec.dumps.reader import HeatmapDump
    from dark_codec.dumps.run import dump_heatmaps, hash_config, plan_dump

    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    config_hash = hash_config(cfg)
    prepare(cfg, ('test',))
    try:
        info = plan_dump(
            cfg, config_hash, args.kind, args.dtype, args.shard_size
        )
    except ValueError as error:
        raise UserError(f'the codec of the config: {error}') from error
    check_folder('--out', str(args.out))
    try:
        with explain_downloads(cfg):
            dump_heatmaps(cfg, args.out, info)
        if is_main_process():
            dump = HeatmapDump(args.out)
            size = sum(shard.path.stat().st_size for shard in dump.shards)
            print(
                f'{args.out} is complete: {len(dump)} samples in '
                f'{len(dump.shards)} shards, {size / 1e6:.1f} MB'
            )
    except DumpError as error:
        raise UserError(str(error)) from error


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
