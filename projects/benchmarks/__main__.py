"""The benchmarks: ``python -m projects.benchmarks COMMAND``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from dark_codec.cli import run_tool

COMMANDS = dict(
    codec='decoding and encoding beside MMPose',
    transformers="transformers' processors, with use_dark and without",
    onnx='a decoder in an ONNX graph, beside its network',
    pipeline='training data: targets of the workers, or of the device',
    profile='where the time of a test loop goes',
    dump='size of a dump of heatmaps, and what reading it costs',
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command."""
    command, *rest = list(sys.argv[1:] if argv is None else argv) or ['--help']
    if command not in COMMANDS:
        print('usage: python -m projects.benchmarks COMMAND [--help]\n')
        for name, text in COMMANDS.items():
            print(f'  {name:<13} {text}')
        sys.exit(0 if command in ('-h', '--help') else 2)
    if command in ('codec', 'transformers'):
        from projects.benchmarks import codec

        codec.main(command, rest)
        return
    module = import_module(f'projects.benchmarks.benchmark_{command}')
    module.main(rest)


if __name__ == '__main__':
    run_tool(main)
