"""Maxima of heatmaps, and windows round them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Peaks(NamedTuple):
    """The maxima of M heatmaps.

    Attributes:
        x (Tensor): Column of the maximum, (M,), int64.
        y (Tensor): Row of the maximum, (M,), int64.
        score (Tensor): Value there, (M,), float32; 0 where not valid.
        valid (Tensor): Whether the maximum locates the keypoint, (M,),
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
    width = heatmaps.shape[2]
    flat = heatmaps.flatten(1)
    index = flat.argmax(1)
    # the argmax of a map with NaN points at NaN: so the value tells
    value = flat.gather(1, index[:, None])[:, 0]
    constant = flat.amin(1) == value
    # float64 may be finite or positive where the score is not
    value = value.to(torch.float32)
    valid = (value > 0) & (value < math.inf) & ~constant
    y = index // width
    score = torch.where(valid, value, 0.0)
    return Peaks(index - y * width, y, score, valid)


class Windows(NamedTuple):
    """Squares of L x L px round a pixel of each of M heatmaps.

    Attributes:
        values (Tensor): Shape (M, L, L), rows first, float32; 0 outside of
            the map.
        inside_x (Tensor): Which columns the map has, (M, L), bool.
        inside_y (Tensor): Which rows the map has, (M, L), bool.
    """

    values: Tensor
    inside_x: Tensor
    inside_y: Tensor


def gather_windows(
    heatmaps: Tensor, x: Tensor, y: Tensor, radius: int
) -> Windows:
    """Cut a window round a pixel out of each heatmap.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        x (Tensor): Columns in heatmap px, (M,), int64.
        y (Tensor): Rows in heatmap px, (M,), int64.
        radius (int): Windows span 2 * radius + 1 px.

    Returns:
        Windows: The pixel is in their middle, also beside the border.
    """
    height, width = heatmaps.shape[1:]
    reach = torch.arange(-radius, radius + 1, device=heatmaps.device)
    columns, rows = x[:, None] + reach, y[:, None] + reach
    inside_x = (columns >= 0) & (columns < width)
    inside_y = (rows >= 0) & (rows < height)
    columns, rows = columns.clamp(0, width - 1), rows.clamp(0, height - 1)
    index = rows[:, :, None] * width + columns[:, None, :]
    values = heatmaps.flatten(1).gather(1, index.flatten(1))
    values = values.to(torch.float32).view(index.shape)
    inside = inside_y[:, :, None] & inside_x[:, None, :]
    # not a product: outside stands what the border holds, which may be inf
    return Windows(torch.where(inside, values, 0.0), inside_x, inside_y)
