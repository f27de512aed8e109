"""Test a pose model with the arguments of MMPose's tools/test.py."""

import argparse
from collections.abc import Sequence

from _arguments import add_common_arguments


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Test a pose model')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out',
        help='file for the metrics: .json, .yaml, .yml, .pkl or .pickle',
    )
    parser.add_argument(
        '--dump',
        help='file for the predictions: .pkl or .pickle',
    )
    parser.add_argument(
        '--badcase',
        action='store_true',
        help='save, or with --show display, the worst predictions',
    )
    add_common_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Test."""
    args = parse_args(argv)
    # late: --help needs none of it
    from dark_codec.cli.test import test

    test(args)


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
