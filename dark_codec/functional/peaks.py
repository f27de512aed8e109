"""Where a heatmap is highest."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ._host import argmax, gather_patches


class Peaks(NamedTuple):
    """The maxima of M heatmaps.

    Attributes:
        x (Tensor): Column of the maximum, (M,), int64.
        y (Tensor): Row of the maximum, (M,), int64.
        score (Tensor): Value there, (M,), float32; 0 where not valid.
        valid (Tensor): Whether the maximum says where the keypoint is, (M,),
            bool: False for maps without a positive value, constant maps, and
            maps that hold NaN or +inf, in float32.
    """

    x: Tensor
    y: Tensor
    score: Tensor
    valid: Tensor


def find_peaks(heatmaps: Tensor) -> Peaks:
    """Find the maximum of each heatmap, the first in row-major order.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.

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
    flat = heatmaps.flatten(1)
    index = argmax(flat)
    value = flat.gather(1, index[:, None])[:, 0]
    # The arg max of NaN is NaN's position, so the value tells of NaN, too.
    # A constant map has its first maximum at 0 and is nowhere below it.
    constant = (index == 0) & (flat.amin(1) == value)
    # float64 may be finite or positive where the score, float32, is not
    score = value.to(torch.float32)
    valid = score.isfinite() & (score > 0) & ~constant
    score = torch.where(valid, score, 0.0)
    width = heatmaps.shape[2]
    y = torch.div(index, width, rounding_mode='floor')
    return Peaks(index - y * width, y, score, valid)


def gather_windows(
    heatmaps: Tensor, x: Tensor, y: Tensor, radius: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a window round a pixel out of each heatmap.

    Windows near the border are moved into the map, not padded.

    Args:
        heatmaps (Tensor): Shape (M, H, W).
        x (Tensor): Columns in heatmap px, (M,), int64.
        y (Tensor): Rows in heatmap px, (M,), int64.
        radius (int): Windows span 2 * radius + 1 px, less in smaller maps.

    Returns:
        tuple[Tensor, Tensor, Tensor]: The windows (M, h, w), float32, and
        column and row of the pixel inside its window, (M,), int64.
    """
    height, width = heatmaps.shape[1:]
    window_h, window_w = (
        min(2 * radius + 1, size) for size in (height, width)
    )
    left = (x - radius).clamp(0, width - window_w)
    top = (y - radius).clamp(0, height - window_h)
    windows = gather_patches(heatmaps, left, top, window_w, window_h)
    return windows, x - left, y - top
