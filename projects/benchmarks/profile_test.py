"""Find where the time of ``tools/test.py`` goes, with two codecs.

Runs the test loop of a config with its DARKCodec and with MMPose's DARK,
``MSRAHeatmap(unbiased=True)``, in turns, in one process. Without a
checkpoint the weights are random: the decoders then meet noise in place of
peaks, with which ours is slower.

Stages are timed by a clock on the host, which waits for a GPU at each stage's
ends; ``--cfg-options test_cfg.fp16=True`` tests in mixed precision. Apart from
that, it lists what of dark_codec and of the projects (their
networks, too) takes more than 2 % of the loop in this process; what the
data loader's workers do is not seen.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import dark_codec  # noqa: I001  before MMPose: its shims
from mmengine.runner import Runner
from mmpose.registry import KEYPOINT_CODECS

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import (
    UserError,
    add_common_arguments,
    load_config,
    prepare,
    run_tool,
)
from projects.benchmarks.stages import STAGES, Stopwatch, attach

ROOT = Path(__file__).resolve().parents[2]

_PACKAGE = Path(dark_codec.__file__).parent
_BLUR = {1: 3, 2: 11, 3: 17}
_SHARE = 0.02


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Profile a test loop')
    parser.add_argument('config', help='a config file with a DARKCodec')
    parser.add_argument(
        'checkpoint', nargs='?', help='weights (default: random ones)'
    )
    parser.add_argument('--out', type=Path, help='a json file')
    parser.add_argument('--turns', type=int, default=3, help='default: 3')
    add_common_arguments(parser)
    args = parser.parse_args()
    if args.turns < 1:
        parser.error('--turns must be 1 at least')
    return args


def mmpose_codec(codec: dict) -> dict:
    """MMPose's DARK with the sizes of a DARKCodec."""
    sigma = codec['sigma']
    return dict(
        type='MSRAHeatmap',
        input_size=codec['input_size'],
        heatmap_size=codec['heatmap_size'],
        sigma=sigma,
        unbiased=True,
        blur_kernel_size=_BLUR.get(sigma, 11),
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


def own_functions(runner: Runner) -> dict[str, float]:
    """Shares of our functions, as entered from outside our packages."""
    profile = cProfile.Profile()
    profile.runcall(runner.test_loop.run)
    stats: Any = pstats.Stats(profile)
    shares = {}
    for key, (*_, callers) in stats.stats.items():
        if not _is_ours(key[0]):
            continue
        entered = sum(
            timing[3]
            for caller, timing in callers.items()
            if not _is_ours(caller[0])
        )
        share = entered / stats.total_tt
        if share > _SHARE:
            path = os.path.relpath(key[0], _PACKAGE.parent)
            shares[f'{path}:{key[2]}'] = share
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _is_ours(path: str) -> bool:
    """Tell code of the package, but for its tools, and of projects."""
    ours = (f'{_PACKAGE}/', f'{ROOT}/projects/')
    return path.startswith(ours) and not path.startswith(f'{_PACKAGE}/.mim/')


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


def main() -> None:
    """Measure, and print a table."""
    args = parse_args()
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    runner = build(args)
    ours = runner.model.head.decoder
    theirs = KEYPOINT_CODECS.build(mmpose_codec(vars(ours)))
    runner.test()  # warms up, and loads the checkpoint
    watch = attach(runner)
    codecs = {'DARKCodec': ours, 'MSRAHeatmap': theirs}
    results = measure(runner, watch, codecs, args.turns)
    runner.model.head.decoder = ours
    functions = own_functions(runner)
    weights = args.checkpoint or 'random'
    print(f'\nmedian of {args.turns} turns; weights: {weights}\n')
    print_table(results)
    print('\nours, over 2 % of the loop, by cProfile:')
    for name, share in functions.items():
        print(f'  {name} {100 * share:.1f} %')
    if args.out is not None:
        found = dict(
            machine=describe_machine(), seconds=results, functions=functions
        )
        args.out.write_text(json.dumps(found, indent=1))


if __name__ == '__main__':
    run_tool(main)
