"""Time and memory of calls that are compared."""

from __future__ import annotations

import random
import statistics
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch.utils.benchmark import Timer

TURN_SECONDS = 0.005
MOST_CALLS = 100


class Timing(NamedTuple):
    """Seconds per call: median and quartiles over the turns."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        """Milliseconds: median [quartiles]."""
        median, low, high = (f'{1000 * seconds:.3g}' for seconds in self)
        return f'{median} [{low}, {high}]'


def summary(values: list[float]) -> Timing:
    """Return the median and the quartiles of at least two values."""
    low, median, high = statistics.quantiles(values, n=4, method='inclusive')
    return Timing(median, low, high)


def time_in_turns(
    calls: Mapping[str, Callable[[], Any]], turns: int, threads: int = 1
) -> dict[str, Timing]:
    """Measure calls side by side.

    They take turns, in an order that is drawn anew for each round, so that
    whatever else the machine does meets all of them. A turn is as many calls
    as fill a few milliseconds, after two that warm the caches up.

    Args:
        calls (Mapping[str, Callable]): By name.
        turns (int): How often each has its turn, at least 2.
        threads (int): Threads of torch. Defaults to 1.
    """
    timers = {
        name: Timer('call()', globals=dict(call=call), num_threads=threads)
        for name, call in calls.items()
    }
    numbers = {}
    for name, timer in timers.items():
        seconds = min(timer.timeit(1).mean for _ in range(2))
        numbers[name] = max(1, min(MOST_CALLS, int(TURN_SECONDS / seconds)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    order, rng = list(calls), random.Random(0)
    for _ in range(turns):
        rng.shuffle(order)
        for name in order:
            times[name].append(timers[name].timeit(numbers[name]).mean)
    return {name: summary(seconds) for name, seconds in times.items()}


def extra_memory(call: Callable[[], Any], device: str) -> int:
    """Bytes that a call needs beside what it is given.

    On CUDA, the most that torch holds at one time. On the CPU, the most that
    Python and numpy hold (OpenCV's results are numpy's memory, its buffers
    are not counted), and all that torch's operators allocate.
    """
    call()
    if device != 'cpu':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return torch.cuda.max_memory_allocated() - before
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    call()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    with torch.profiler.profile(profile_memory=True) as profile:
        call()
    allocated = [event.self_cpu_memory_usage for event in profile.events()]
    return peak + sum(size for size in allocated if size > 0)
