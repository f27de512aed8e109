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
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.dist import is_main_process

from dark_codec.cli import (
    UserError,
    add_run_arguments,
    explain_downloads,
    load_config,
    prepare,
    run_tool,
)
from dark_codec.dumps.reader import DumpError, HeatmapDump
from dark_codec.dumps.run import (
    DTYPES,
    dump_heatmaps,
    hash_config,
    plan_dump,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Dump the heatmaps that a network predicts'
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
        choices=DTYPES,
        default=DTYPES[0],
        help='of the values (default: %(default)s)',
    )
    parser.add_argument(
        '--shard-size',
        type=int,
        default=256,
        help='samples a file, rounded up to whole batches; an interrupted '
        'run loses at most so many in each process (default: %(default)s)',
    )
    add_run_arguments(parser)
    args = parser.parse_args()
    if args.shard_size < 1:
        parser.error(f'--shard-size must be positive, got {args.shard_size}')
    return args


def main() -> None:
    """Predict and store."""
    args = parse_args()
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
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'--out {args.out}: {error}') from error
    try:
        with explain_downloads(cfg):
            dump_heatmaps(cfg, args.out, info)
    except DumpError as error:
        raise UserError(str(error)) from error
    if is_main_process():
        dump = HeatmapDump(args.out)
        size = sum(shard.path.stat().st_size for shard in dump.shards)
        print(
            f'{args.out} is complete: {len(dump)} samples in '
            f'{len(dump.shards)} shards, {size / 1e6:.1f} MB'
        )


if __name__ == '__main__':
    run_tool(main)
