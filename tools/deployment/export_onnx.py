"""Export a model with its decoder, or the decoder alone, to ONNX.

The graph takes any number of crops and gives keypoints in input px and
scores. Before it is kept it is run in onnxruntime, and compared with
PyTorch. docs/deploy.md tells how to use it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

# The first whose exporter gives dynamic dimensions their names
# (https://github.com/pytorch/pytorch/pull/146321)
OLDEST_TORCH = '2.7'
PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Export a model with its decoder to ONNX'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        help='checkpoint file; not with --decoder-only',
    )
    parser.add_argument('--out', required=True, help='an .onnx file')
    parser.add_argument(
        '--decoder',
        metavar='NAME',
        help="a registered decoder in place of the config's",
    )
    parser.add_argument(
        '--flip', action='store_true', help='make a flip test in the graph'
    )
    parser.add_argument(
        '--heatmaps',
        action='store_true',
        help='a third output: the heatmaps that the keypoints come from',
    )
    parser.add_argument(
        '--uint8',
        action='store_true',
        help='crops are uint8, as loaded, and normalised in the graph',
    )
    parser.add_argument(
        '--decoder-only',
        action='store_true',
        help='export the decoder alone, which takes heatmaps',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    args = parser.parse_args(argv)
    if not args.decoder_only and args.checkpoint is None:
        parser.error('a checkpoint is needed, except with --decoder-only')
    for name in ('checkpoint', 'flip', 'heatmaps', 'uint8'):
        if args.decoder_only and getattr(args, name):
            name = name if name == 'checkpoint' else f'--{name}'
            parser.error(f'--decoder-only has no network: leave out {name}')
    return args


def check_versions() -> None:
    """Refuse where torch is too old, or a package is missing."""
    import torch
    from mmengine.utils import digit_version

    from dark_codec.cli import UserError

    if digit_version(torch.__version__) < digit_version(OLDEST_TORCH):
        raise UserError(
            f'the export needs torch {OLDEST_TORCH} or newer, this is '
            f'{torch.__version__}; the exported file needs no torch at all'
        )
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UserError(
            f'missing: pip install {" ".join(missing)}; '
            'requirements/tests.txt has versions that work'
        )


def main(argv: Sequence[str] | None = None) -> None:
    """Export, check, and say what was written."""
    args = parse_args(argv)
    # late: --help needs none of it
    from dark_codec.cli import (
        UserError,
        check_output,
        read_config,
    )

    check_versions()
    # needs the packages that have just been looked for
    from dark_codec.cli import export

    cfg = read_config(args.config, args.cfg_options)
    check_output('--out', args.out, ('.onnx',))
    settings = export.codec_settings(cfg, args.decoder)
    codec = export.build_codec(settings)
    if args.decoder_only:
        module, names = export.build_decoder(cfg, codec)
    else:
        if codec.correct_flip_shift and not args.flip:
            raise UserError(
                'codec.correct_flip_shift is for heatmaps of a flip test: '
                'add --flip, or --cfg-options codec.correct_flip_shift=False'
            )
        module, names = export.build_estimator(
            cfg, args.checkpoint, args.flip, args.uint8
        )
    out = Path(args.out)
    differences = export.export_checked(module, names, out, args.heatmaps)
    found = ', '.join(
        f'{name} {value:.1e}'
        + (' input px' if name == 'keypoints' else ' of the highest')
        for name, value in differences.items()
    )
    print(
        f'Wrote {out}, {out.stat().st_size / 1e6:.1f} MB; the largest '
        f'differences from PyTorch: {found}'
    )


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
