"""Measure time and memory.

Contestants take turns, in an order that is drawn anew for each round, so
that whatever else the machine does meets all of them. A turn is one call
that is not timed, which finds the caches as the others have left them, and
then as many as fill a few milliseconds, timed together.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from projects.benchmarks.contestants import Contestant

_TURN_SECONDS = 0.005
_MOST_CALLS = 100


@dataclass(frozen=True)
class Timing:
    """Seconds per call: median and quartiles over the turns."""

    median: float
    low: float
    high: float
    turns: int
    calls_a_turn: int


def wait_for(device: str) -> None:
    """Until an accelerator has done what it was told."""
    if device != 'cpu':
        getattr(torch, device).synchronize()


def time_in_turns(
    contestants: Sequence[Contestant], device: str, turns: int
) -> dict[str, Timing]:
    """Measure all, side by side.

    Args:
        contestants (Sequence[Contestant]): Who takes part.
        device (str): Where they work.
        turns (int): How often each has its turn, at least 2.
    """
    counts = {c.name: _calls_a_turn(c.call, device) for c in contestants}
    times: dict[str, list[float]] = {c.name: [] for c in contestants}
    order = list(contestants)
    shuffle = random.Random(0).shuffle
    gc.collect()
    gc.disable()
    try:
        for _ in range(turns):
            shuffle(order)
            for contestant in order:
                contestant.call()
                count = counts[contestant.name]
                seconds = _timed(contestant.call, count, device)
                times[contestant.name].append(seconds / count)
    finally:
        gc.enable()
    return {
        name: _summary(seconds, counts[name])
        for name, seconds in times.items()
    }


def _timed(call: Callable[[], Any], count: int, device: str) -> float:
    wait_for(device)
    start = time.perf_counter()
    for _ in range(count):
        call()
    wait_for(device)
    return time.perf_counter() - start


def _calls_a_turn(call: Callable[[], Any], device: str) -> int:
    """After a warm-up."""
    call()
    seconds = min(_timed(call, 1, device) for _ in range(2))
    return max(1, min(_MOST_CALLS, round(_TURN_SECONDS / seconds)))


def _summary(seconds: list[float], calls: int) -> Timing:
    low, median, high = statistics.quantiles(seconds, n=4, method='inclusive')
    return Timing(median, low, high, len(seconds), calls)


class _Allocations(TorchDispatchMode):
    """Sums what torch allocates, of which not all exists at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        known = {_storage(t).data_ptr() for t in _tensors((args, kwargs))}
        for tensor in _tensors(result):
            storage = _storage(tensor)
            if storage.data_ptr() not in known:
                self.total += storage.nbytes()
        return result


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, torch.Tensor)]


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()


def extra_memory(call: Callable[[], Any], device: str) -> int | None:
    """Bytes that a call needs beside what it is given.

    On the CPU, the most that Python and numpy hold at one time (OpenCV's
    results are numpy's memory; its buffers are not counted), and all that
    torch allocates. On CUDA, the most that torch holds at one time. Not
    known on other devices.
    """
    call()
    if device == 'cuda':
        wait_for(device)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    if device != 'cpu':
        return None
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        call()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    with _Allocations() as allocations:
        call()
    return peak + allocations.total
