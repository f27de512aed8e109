"""Where the time of a test loop goes, with DARKCodec and with MMPose's DARK.

Runs the test loop of a config with its DARKCodec and with
``MSRAHeatmap(unbiased=True)``, in turns, in one process. Without a checkpoint
the weights are random: the decoders then meet noise in place of peaks, with
which ours is slower. A GPU's work counts for the stage that asked for it;
``--cfg-options test_cfg.fp16=True`` tests in mixed precision. What the data
loader's workers do is not seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import Runner

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import (
    UserError,
    load_config,
    prepare,
)
from projects.benchmarks.cases import KERNELS
from projects.benchmarks.methods import MSRAHeatmap
from tools._arguments import add_common_arguments

WAITING = 'waiting for data'


class Stopwatch:
    """Adds up the seconds of stages, each without the stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside for a stage."""
        self._inside.append(0.0)
        start = _now()
        try:
            yield
        finally:
            total = _now() - start
            self.seconds[name] += total - self._inside.pop()
            if self._inside:
                self._inside[-1] += total

    def attach(self, name: str, owner: Any, method: str) -> None:
        """Count a method for a stage."""
        call = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.stage(name):
                return call(*args, **kwargs)

        setattr(owner, method, timed)


class TimedLoader:
    """A data loader whose every batch is waited for on a stopwatch."""

    def __init__(self, loader: Any, watch: Stopwatch) -> None:
        self._loader = loader
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator:
        with self._watch.stage(WAITING):
            batches = iter(self._loader)
        while True:
            with self._watch.stage(WAITING):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _now() -> float:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


def attach(runner: Runner) -> tuple[Stopwatch, list[str]]:
    """Put a stopwatch on a test loop; return it, and its stages in order."""
    watch, loop, model = Stopwatch(), runner.test_loop, runner.model
    stages = {
        'data preprocessor': (model.data_preprocessor, 'forward'),
        'backbone and neck': (model, 'extract_feat'),
        'head forward': (model.head, 'forward'),
        'decoding': (model.head, 'decode'),
        'rest of predict': (model, 'predict'),
        'metric process': (loop.evaluator, 'process'),
        'metric evaluation': (loop.evaluator, 'evaluate'),
        'rest of the loop': (loop, 'run'),
    }
    for name, place in stages.items():
        watch.attach(name, *place)
    loop.dataloader = TimedLoader(loop.dataloader, watch)
    return watch, [WAITING, *stages]


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
    runner = build(args)
    ours = runner.model.head.decoder
    theirs = MSRAHeatmap(
        ours.input_size,
        ours.heatmap_size,
        ours.sigma,
        unbiased=True,
        blur_kernel_size=KERNELS.get(ours.sigma, 11),
    )
    runner.test()  # warms up, and loads the checkpoint
    watch, stages = attach(runner)
    runs: dict[str, list[dict]] = dict(DARKCodec=[], MSRAHeatmap=[])
    for _ in range(args.turns):
        for name, codec in zip(runs, (ours, theirs)):
            runner.model.head.decoder = codec
            watch.seconds.clear()
            runner.test()
            runs[name].append(dict(watch.seconds))
    results = {
        name: {
            stage: statistics.median(run.get(stage, 0.0) for run in of_codec)
            for stage in stages
        }
        for name, of_codec in runs.items()
    }
    weights = args.checkpoint or 'random'
    print(f'\nmedian of {args.turns} turns; weights: {weights}\n')
    header, rows = ['stage'], [[stage] for stage in stages]
    for name, seconds in results.items():
        header += [f'{name} s', '%']
        total = sum(seconds.values())
        for row in rows:
            spent = seconds[row[0]]
            row += [f'{spent:.4f}', f'{100 * spent / total:.2f}']
    print(markdown(header, rows))
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        found = dict(machine=describe_machine(), seconds=results)
        args.out.write_text(json.dumps(found, indent=1))
