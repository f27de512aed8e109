"""The benchmarks: ``python -m projects.benchmarks COMMAND``.

On a busy machine the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from dark_codec.analysis.machine import devices
from dark_codec.cli import run_tool
from tools._arguments import add_cfg_options, add_run_arguments

COMMANDS = dict(
    codec='decoding and encoding beside MMPose',
    transformers="transformers' processors, with use_dark and without",
    onnx='a decoder in an ONNX graph, beside its network',
    pipeline='training data: targets of the workers, or of the device',
    profile='where the time of a test loop goes',
    dump='size of a dump of heatmaps, and what reading it costs',
)


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of an argument: a number, not below the least."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f'{text} is below {least}')
        return int(text)

    return number


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    program = argparse.ArgumentParser(
        'python -m projects.benchmarks', description=__doc__
    )
    subparsers = program.add_subparsers(
        dest='command', required=True, metavar='COMMAND'
    )
    parsers = {
        name: subparsers.add_parser(
            name,
            help=text,
            description=text,
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        for name, text in COMMANDS.items()
    }
    sizes = dict(type=at_least(1), nargs='+', metavar='B', help='samples')
    for name in ('codec', 'transformers'):
        add = parsers[name].add_argument
        add('--out', type=Path, default='work_dirs/benchmarks', help='folder')
        add('--device', choices=devices(), default='cpu', help='of the maps')
        add('--threads', type=at_least(1), default=1, help='torch and OpenCV')
        add('--quick', action='store_true', help='one size, no first calls')
        add('--turns', type=at_least(2), default=21, help='of each method')
        add('--batch-sizes', default=[1, 16, 64], **sizes)
    for name in ('onnx', 'pipeline', 'profile'):
        add = parsers[name].add_argument
        add('config', help='a file with a DARKCodec')
        add('--out', type=Path, help='a json file')
        least = 1 if name == 'profile' else 2
        add('--turns', type=at_least(least), default=7, help='of each')
    add_cfg_options(parsers['onnx'])
    parsers['onnx'].add_argument('--batch-sizes', default=[1, 8], **sizes)
    add_cfg_options(parsers['pipeline'])
    add = parsers['pipeline'].add_argument
    add('--batches', type=at_least(1), default=40, help='per turn')
    add_run_arguments(parsers['profile'])
    add = parsers['profile'].add_argument
    add('checkpoint', nargs='?', help='weights; random if there is none')
    add = parsers['dump'].add_argument
    add('--out', type=Path, required=True, help='folder of the dump')
    add('--people', type=at_least(1), default=104_125, help='samples')
    return program.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command; write what it returns as json."""
    args = parse_args(argv)
    name = 'codec' if args.command == 'transformers' else args.command
    # each imports what only it needs
    module = import_module(f'projects.benchmarks.benchmark_{name}')
    results = module.run(args)
    if results and args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    run_tool(main)
