"""Convert Leeds Sports Pose and its extension to COCO-style annotations.

See :mod:`dark_codec.openmmlab.datasets.lsp2coco`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description='Convert Leeds Sports Pose to COCO-style annotations.'
    )
    parser.add_argument(
        'lsp', type=Path, help='folder of LSP: joints.mat and images/'
    )
    parser.add_argument(
        '--lspet', type=Path, help='folder of LSP Extended, likewise'
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the json files'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert what the command line names."""
    args = parse_args(argv)
    # late: --help needs none of it
    from dark_codec.openmmlab.datasets.lsp2coco import (
        LayoutError,
        convert_lsp,
        convert_lspet,
    )

    args.out.mkdir(parents=True, exist_ok=True)
    try:
        convert_lsp(args.lsp, args.out)
        if args.lspet is not None:
            convert_lspet(args.lspet, args.out)
    except LayoutError as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()
