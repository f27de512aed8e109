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
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.runner import Runner

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import markdown
from dark_codec.cli import UserError, load_config, prepare
from projects.benchmarks.cases import KERNELS
from projects.benchmarks.methods import MSRAHeatmap

WAITING = 'waiting for data'


def _now() -> float:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


class Stopwatch:
    """Adds up the seconds of stages, each without the stages inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._stage, self._since = 'outside', _now()

    def switch(self, stage: str) -> str:
        """Count from now on for a stage; return the one before."""
        before, now = self._stage, _now()
        self.seconds[before] += now - self._since
        self._stage, self._since = stage, now
        return before

    def attach(self, stage: str, owner: Any, method: str) -> None:
        """Count a method for a stage."""
        call = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            before = self.switch(stage)
            result = call(*args, **kwargs)
            self.switch(before)
            return result

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
        before = self._watch.switch(WAITING)
        for batch in self._loader:
            self._watch.switch(before)
            yield batch
            self._watch.switch(WAITING)
        self._watch.switch(before)


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


def build(args: argparse.Namespace) -> Runner:
    """Make the runner as tools/test.py does."""
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    prepare(cfg, ('test',))
    if cfg.get('codec', {}).get('type') != 'DARKCodec':
        raise UserError('the config has no codec of type DARKCodec')
    return Runner.from_cfg(cfg)


def run(args: argparse.Namespace) -> dict:
    """Measure, and print a table."""
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
            runs[name].append(watch.seconds.copy())
    results = {
        name: {
            stage: statistics.median(turn[stage] for turn in turns)
            for stage in stages
        }
        for name, turns in runs.items()
    }
    weights = args.checkpoint or 'random'
    print(f'\nmedian of {args.turns} turns; weights: {weights}\n')
    header = ['stage']
    cells = [stages]
    for name, seconds in results.items():
        header += [f'{name} s', '%']
        total = sum(seconds.values())
        cells.append([f'{x:.4f}' for x in seconds.values()])
        cells.append([f'{100 * x / total:.2f}' for x in seconds.values()])
    print(markdown(header, zip(*cells)))
    return dict(machine=describe_machine(), seconds=results)
