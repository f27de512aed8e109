"""Find where the time of ``tools/test.py`` goes, with two codecs.

Runs the test loop of a config with its DARKCodec and with MMPose's DARK,
``MSRAHeatmap(unbiased=True)``, in turns, in one process. Without a
checkpoint the weights are random: the decoders then meet noise in place of
peaks, with which ours is slower.

Stages are timed by a clock on the host, which waits for a GPU at each stage's
ends; ``--cfg-options test_cfg.fp16=True`` tests in mixed precision. What the
data loader's workers do is not seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.runner import Runner

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.markdown import markdown
from dark_codec.cli import (
    UserError,
    add_common_arguments,
    load_config,
    prepare,
)
from projects.benchmarks.cases import KERNELS
from projects.benchmarks.methods import MSRAHeatmap
from projects.benchmarks.stages import STAGES, Stopwatch, attach


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        'python -m projects.benchmarks profile',
        description='Profile a test loop',
    )
    parser.add_argument('config', help='a config file with a DARKCodec')
    parser.add_argument(
        'checkpoint', nargs='?', help='weights (default: random ones)'
    )
    parser.add_argument('--out', type=Path, help='a json file')
    parser.add_argument('--turns', type=int, default=3, help='default: 3')
    add_common_arguments(parser)
    args = parser.parse_args(argv)
    if args.turns < 1:
        parser.error('--turns must be 1 at least')
    return args


def mmpose_codec(codec: dict) -> dict:
    """MMPose's DARK with the sizes of a DARKCodec."""
    sigma = codec['sigma']
    return dict(
        input_size=codec['input_size'],
        heatmap_size=codec['heatmap_size'],
        sigma=sigma,
        unbiased=True,
        blur_kernel_size=KERNELS.get(sigma, 11),
    )


def measure(
    runner: Runner, watch: Stopwatch, codecs: dict[str, Any], turns: int
) -> dict[str, dict[str, float]]:
    """Median seconds of each stage, by codec; the codecs take turns."""
    runs: dict[str, list[dict]] = {name: [] for name in codecs}
    for _ in range(turns):
        for name, codec in codecs.items():
            runner.model.head.decoder = codec
            watch.seconds.clear()
            runner.test()
            runs[name].append(dict(watch.seconds))
    return {
        name: {
            stage: statistics.median(run.get(stage, 0.0) for run in of_codec)
            for stage in STAGES
        }
        for name, of_codec in runs.items()
    }


def print_table(results: dict[str, dict[str, float]]) -> None:
    """Seconds and percent of the whole, by stage and codec."""
    header = ['stage']
    for name in results:
        header += [f'{name} s', '%']
    rows = []
    for stage in STAGES:
        row = [stage]
        for found in results.values():
            percent = 100 * found[stage] / sum(found.values())
            row += [f'{found[stage]:.4f}', f'{percent:.2f}']
        rows.append(row)
    print(markdown(header, rows))


def build(args: argparse.Namespace) -> Runner:
    """Make the runner as tools/test.py does."""
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    prepare(cfg, ('test',))
    if cfg.get('codec', {}).get('type') != 'DARKCodec':
        raise UserError('the config has no codec of type DARKCodec')
    return Runner.from_cfg(cfg)


def main(argv: Sequence[str]) -> None:
    """Measure, and print a table."""
    args = parse_args(argv)
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    runner = build(args)
    ours = runner.model.head.decoder
    theirs = MSRAHeatmap(**mmpose_codec(vars(ours)))
    runner.test()  # warms up, and loads the checkpoint
    watch = attach(runner)
    codecs = {'DARKCodec': ours, 'MSRAHeatmap': theirs}
    results = measure(runner, watch, codecs, args.turns)
    weights = args.checkpoint or 'random'
    print(f'\nmedian of {args.turns} turns; weights: {weights}\n')
    print_table(results)
    if args.out is not None:
        found = dict(machine=describe_machine(), seconds=results)
        args.out.write_text(json.dumps(found, indent=1))
