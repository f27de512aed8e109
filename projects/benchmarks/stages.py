"""Seconds of a test loop by stage, each without the stages inside it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from mmengine.runner import Runner

STAGES = (
    'waiting for data',
    'data preprocessor',
    'backbone and neck',
    'head forward',
    'decoding',
    'rest of predict',
    'metric process',
    'metric evaluation',
    'rest of the loop',
)


def _now() -> float:
    """Return seconds, after a GPU's work: the next stage would pay for it."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter()


class Stopwatch:
    """Adds up the own seconds of nested stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def wrap(self, stage: str, call: Callable) -> Callable:
        """Make `call` count for `stage`."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inner.append(0.0)
            start = _now()
            try:
                return call(*args, **kwargs)
            finally:
                total = _now() - start
                self.seconds[stage] += total - self._inner.pop()
                if self._inner:
                    self._inner[-1] += total

        return timed


class _TimedLoader:
    """A data loader whose every batch is waited for on a stopwatch."""

    def __init__(self, loader: Any, watch: Stopwatch) -> None:
        self._loader = loader
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator:
        start = self._watch.wrap(STAGES[0], iter)
        step = self._watch.wrap(STAGES[0], next)
        batches = start(self._loader)
        end = object()
        while (batch := step(batches, end)) is not end:
            yield batch


def attach(runner: Runner) -> Stopwatch:
    """Put a stopwatch on the test loop of a runner."""
    watch = Stopwatch()
    loop, model = runner.test_loop, runner.model
    places = (
        (model.data_preprocessor, 'forward', 'data preprocessor'),
        (model, 'extract_feat', 'backbone and neck'),
        (model.head, 'forward', 'head forward'),
        (model.head, 'decode', 'decoding'),
        (model, 'predict', 'rest of predict'),
        (loop.evaluator, 'process', 'metric process'),
        (loop.evaluator, 'evaluate', 'metric evaluation'),
        (loop, 'run', 'rest of the loop'),
    )
    for owner, name, stage in places:
        setattr(owner, name, watch.wrap(stage, getattr(owner, name)))
    loop.dataloader = _TimedLoader(loop.dataloader, watch)
    return watch
