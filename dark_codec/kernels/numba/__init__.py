"""Fused decoding on the CPU, compiled by numba.

One pass a map, without the GIL. Importing this module imports numba, which
takes half a second; a kernel is compiled when it decodes first, for some
seconds, and kept on disk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...functional.fit import window_radius
from ...functional.modulate import STENCIL_RADIUS, kernel_variance
from ..recipe import Recipe
from .kernel import Model, kernel_of
from .maps import BFLOAT16, FLOAT16, FLOAT32

_KINDS = {
    torch.float32: FLOAT32,
    torch.float16: FLOAT16,
    torch.bfloat16: BFLOAT16,
}
_NO_FLOATS, _NO_HALVES = np.empty(0, np.float32), np.empty(0, np.int16)

# What a thread must have to do: to wake it takes a tenth of that
_GRAIN = 100_000  # ns


class _Plan(NamedTuple):
    """How to decode maps of one size.

    Attributes:
        kernel (Callable): What decodes a range of them.
        model (tuple): A :class:`.kernel.Model`, unnamed.
        cost (float): About how long a map takes, in ns.
    """

    kernel: Callable[..., None]
    model: tuple
    cost: float


def decode(heatmaps: Tensor, recipe: Recipe) -> Tensor:
    """Decode heatmaps in host memory.

    Args:
        heatmaps (Tensor): Shape (B, K, H, W), float32, float16 or bfloat16,
            of any strides, detached.
        recipe (Recipe): The decoder.

    Returns:
        Tensor: Shape (B * K, 4), float32: x and y in heatmap px, score, and
        1 where the decoder's own rule applied, 0 elsewhere; with covariance
        (B * K, 8): also xx, xy, yx and yy in heatmap px^2.

    Raises:
        ValueError: If the heatmaps have no pixels.
    """
    heatmaps = heatmaps.resolve_neg()
    shape = tuple(heatmaps.shape)
    count = shape[0] * shape[1]
    # not torch.empty, whose type and device are the user's defaults
    table = heatmaps.new_empty(
        count, 8 if recipe.covariance else 4, dtype=torch.float32
    )
    if count == 0:
        return table
    plan = _plan(recipe, shape[2], shape[3])
    decode_range = partial(
        plan.kernel, _memory(heatmaps), table.numpy(), plan.model
    )
    threads = min(
        torch.get_num_threads(), count, int(count * plan.cost / _GRAIN)
    )
    if threads < 2:
        decode_range(0, count)
    else:
        _decode_threaded(decode_range, count, threads)
    return table


def _decode_threaded(
    decode_range: Callable[[int, int], None], count: int, threads: int
) -> None:
    """Decode ranges of maps side by side, the last one in this thread."""
    ends = [count * i // threads for i in range(threads + 1)]
    pool = _pool(torch.get_num_threads(), os.getpid())
    others = [
        pool.submit(decode_range, start, end)
        for start, end in zip(ends[:-2], ends[1:-1])
    ]
    decode_range(ends[-2], ends[-1])
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Threads beside the calling one; a forked process needs its own."""
    return ThreadPoolExecutor(threads - 1, 'dark_codec')


def _memory(heatmaps: Tensor) -> tuple:
    """All between the first and the last pixel: a `Heatmaps`, unnamed."""
    shape, strides = tuple(heatmaps.shape), heatmaps.stride()
    if heatmaps.is_contiguous():
        memory = heatmaps.view(-1)
    else:
        span = 1 + sum((n - 1) * step for n, step in zip(shape, strides))
        memory = heatmaps.as_strided((span,), (1,))
    kind = _KINDS[heatmaps.dtype]
    if kind == FLOAT32:
        return memory.numpy(), _NO_HALVES, kind, shape, strides
    halves = memory.view(torch.int16).numpy()
    return _NO_FLOATS, halves, kind, shape, strides


@lru_cache(maxsize=64)
def _plan(recipe: Recipe, height: int, width: int) -> _Plan:
    if height * width == 0:
        raise ValueError(
            f'heatmaps must have pixels, got {height} rows of {width}'
        )
    cost = 500 + 0.15 * height * width
    taps: tuple[float, ...] = ()
    gain_x = gain_y = _NO_FLOATS
    sigma = recipe.sigma
    if recipe.method == 'fit':
        reach = window_radius(sigma)
        taps = tuple(
            math.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)
        )
        cost += 5 * len(taps) ** 2
    elif recipe.kernel is not None:
        taps = recipe.kernel
        gain_x = _visible_gain(taps, width)
        gain_y = _visible_gain(taps, height)
        sigma = kernel_variance(taps) ** 0.5
        if recipe.minmax:
            cost += 0.1 * len(taps) * height * width
    model = Model(
        np.array(taps, np.float32),
        gain_x,
        gain_y,
        recipe.minmax and recipe.kernel is not None,
        np.float32(sigma),
        np.float32(recipe.trust_radius),
    )
    return _Plan(kernel_of(recipe.method), tuple(model), cost)


def _visible_gain(kernel: tuple[float, ...], length: int) -> np.ndarray:
    """Norm of a kernel over that of its part inside of [0, length).

    Returns:
        np.ndarray: At all positions of a stencil, (length + 4,), float32.
        Where the kernel sees nothing there is nothing to multiply.
    """
    radius = len(kernel) // 2
    positions = np.arange(-STENCIL_RADIUS, length + STENCIL_RADIUS)
    reach = positions[:, None] + np.arange(-radius, radius + 1)
    energy = np.square(kernel)
    visible = (energy * ((reach >= 0) & (reach < length))).sum(1)
    gain = np.sqrt(energy.sum() / np.where(visible > 0, visible, 1))
    return gain.astype(np.float32)
