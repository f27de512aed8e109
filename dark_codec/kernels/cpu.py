"""Fused decoding on the CPU, compiled by numba.

One pass a map, and what is compiled once is kept on disk. numba itself is
imported when the first heatmaps are decoded: that takes half a second.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .recipe import Recipe

_NOTHING = {
    torch.float32: np.empty(0, np.int16),
    torch.float16: np.empty(0, np.float32),
    torch.bfloat16: np.empty(0, np.float32),
}
_KINDS = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}


def decode(heatmaps: Tensor, recipe: Recipe) -> Tensor:
    """Decode heatmaps in host memory.

    Args:
        heatmaps (Tensor): Shape (B, K, H, W), float32, float16 or bfloat16,
            of any strides, detached.
        recipe (Recipe): The decoder.

    Returns:
        Tensor: Shape (B * K, 4), float32: x and y in heatmap px, score, and
        1 where the decoder's own rule applied; with covariance (B * K, 8):
        also xx, xy, yx and yy in heatmap px^2.
    """
    shape = tuple(heatmaps.shape)
    count = shape[0] * shape[1]
    table = torch.empty(count, 8 if recipe.covariance else 4)
    if count == 0:
        return table
    floats, halves = _memory(heatmaps)
    kernel, settings = _kernel(recipe, shape[2], shape[3])
    kernel(
        floats,
        halves,
        _KINDS[heatmaps.dtype],
        shape,
        heatmaps.stride(),
        0,
        count,
        table.numpy(),
        *settings,
    )
    return table


def _memory(heatmaps: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What lies between a tensor's first and last pixel, float32 and int16."""
    if not heatmaps.is_contiguous():
        steps = zip(heatmaps.shape, heatmaps.stride())
        span = 1 + sum((size - 1) * stride for size, stride in steps)
        heatmaps = heatmaps.as_strided((span,), (1,))
    else:
        heatmaps = heatmaps.view(-1)
    if heatmaps.dtype == torch.float32:
        return heatmaps.numpy(), _NOTHING[torch.float32]
    return _NOTHING[torch.float16], heatmaps.view(torch.int16).numpy()


@lru_cache(maxsize=64)
def _kernel(recipe: Recipe, height: int, width: int) -> tuple[Any, tuple]:
    from . import _cpu_decode

    if recipe.method in ('argmax', 'sign'):
        return _cpu_decode.shift_kernel(), (recipe.method == 'sign',)
    if recipe.method == 'fit':
        reach = math.ceil(3 * recipe.sigma)
        at = np.arange(-reach, reach + 1)
        gaussian = np.exp(-0.5 * (at / recipe.sigma) ** 2)
        return _cpu_decode.fit_kernel(), (
            gaussian.astype(np.float32),
            recipe.sigma,
            recipe.trust_radius,
        )
    taps = recipe.kernel or ()
    variance = 0.0
    if taps:
        at = np.arange(len(taps)) - len(taps) // 2
        variance = float((np.asarray(taps) * at**2).sum())
    return _cpu_decode.taylor_kernel(), (
        np.array(taps, np.float32),
        _visible_gain(taps, width),
        _visible_gain(taps, height),
        recipe.minmax and bool(taps),
        recipe.trust_radius,
        variance,
    )


def _visible_gain(kernel: tuple[float, ...], length: int) -> np.ndarray:
    """Norm of a kernel over that of its part inside [0, length).

    Returns:
        np.ndarray: At the positions from -2 to length + 1, (length + 4,),
        float32. Where the kernel sees nothing there is nothing to multiply.
    """
    radius = len(kernel) // 2
    positions = np.arange(-2, length + 2)
    reach = positions[:, None] + np.arange(-radius, radius + 1)
    energy = np.square(kernel)
    visible = (energy * ((reach >= 0) & (reach < length))).sum(1)
    gain = np.sqrt(energy.sum() / np.where(visible > 0, visible, 1))
    return gain.astype(np.float32)
