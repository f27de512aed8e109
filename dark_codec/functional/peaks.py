"""Where a heatmap is highest."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._backend import (
    Array,
    cut_patches,
    flat_maps,
    float32,
    is_constant,
    pick,
    select,
    within,
)


class Peaks(NamedTuple):
    """The maxima of M heatmaps.

    Attributes:
        x (Array): Column of the maximum, (M,), int64.
        y (Array): Row of the maximum, (M,), int64.
        score (Array): Value there, (M,), float32; 0 where not valid.
        valid (Array): Whether the maximum says where the keypoint is, (M,),
            bool: False for maps without a positive value, constant maps, and
            maps that hold NaN or +inf, in float32.
    """

    x: Array
    y: Array
    score: Array
    valid: Array


def find_peaks(heatmaps: Array) -> Peaks:
    """Find the maximum of each heatmap, the first in row-major order.

    Args:
        heatmaps (Array): Shape (M, H, W), any floating dtype.

    Returns:
        Peaks: x and y in heatmap px.

    Examples:
        >>> import torch
        >>> heatmaps = torch.zeros(1, 4, 5)
        >>> heatmaps[0, 2, 3] = 0.5
        >>> peaks = find_peaks(heatmaps)
        >>> peaks.x, peaks.y, peaks.score
        (tensor([3]), tensor([2]), tensor([0.5000]))
    """
    width = heatmaps.shape[2]
    flat = flat_maps(heatmaps)
    index = flat.argmax(1)
    # the arg max of a map with NaN is NaN's position: the value tells of it
    value = pick(flat, index)
    constant = is_constant(flat, value, index)
    # float64 may be finite or positive where the score is not
    value = float32(value)
    valid = (value > 0) & (value < math.inf) & ~constant
    y = index // width
    return Peaks(index - y * width, y, select(valid, value, 0.0), valid)


def gather_windows(
    heatmaps: Array, x: Array, y: Array, radius: int
) -> tuple[Array, Array, Array]:
    """Cut a window round a pixel out of each heatmap.

    Windows near the border are moved into the map, not padded.

    Args:
        heatmaps (Array): Shape (M, H, W).
        x (Array): Columns in heatmap px, (M,), int64.
        y (Array): Rows in heatmap px, (M,), int64.
        radius (int): Windows span 2 * radius + 1 px, less in smaller maps.

    Returns:
        tuple[Array, Array, Array]: The windows (M, h, w), float32, and
        column and row of the pixel inside its window, (M,), int64.
    """
    height, width = heatmaps.shape[1:]
    window_h, window_w = (
        min(2 * radius + 1, size) for size in (height, width)
    )
    left = within(x - radius, 0, width - window_w)
    top = within(y - radius, 0, height - window_h)
    windows = cut_patches(heatmaps, left, top, window_w, window_h)
    return windows, x - left, y - top


def map_middle(width: int, height: int) -> np.ndarray:
    """The middle (x, y) of a map or window in its px, (2,), float32."""
    return np.array([(width - 1) / 2, (height - 1) / 2], np.float32)
