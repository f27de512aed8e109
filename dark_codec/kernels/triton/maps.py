"""Triton: the pixels of a map, and where it is highest.

Positions are in heatmap px, and all arithmetic is float32, whatever the maps
are.
"""
# mypy: allow-untyped-defs

from typing import Any, NamedTuple

import triton
import triton.language as tl

_INF = tl.constexpr(float('inf'))


class Map(NamedTuple):
    """One map in memory, with any strides in elements.

    Attributes:
        pixels (pointer): The first of them.
        height (int): Number of rows.
        width (int): Number of columns.
        stride_y (int): From row to row.
        stride_x (int): From column to column.
    """

    pixels: Any
    height: Any
    width: Any
    stride_y: Any
    stride_x: Any


@triton.jit
def value_at(heatmap, x, y):
    """Value of a pixel that the map has."""
    place = y * heatmap.stride_y + x * heatmap.stride_x
    return tl.load(heatmap.pixels + place).to(tl.float32)


@triton.jit
def value_or(heatmap, inside, x, y, other):
    """Value of a pixel, or another one where the map has no such pixel."""
    place = y * heatmap.stride_y + x * heatmap.stride_x
    pixel = heatmap.pixels + place
    return tl.load(pixel, mask=inside, other=other).to(tl.float32)


@triton.jit
def find_peak(
    heatmap,
    without,
    DENSE: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Find the first maximum in row-major order, and the minimum.

    Both are those of the pixels other than the one at index ``without``.
    A map is read once, BLOCK pixels at a time. Each lane keeps what it has
    seen, and the lanes are compared at the end only. NaN counts as +inf: a
    map that holds either is not valid.

    Returns:
        tuple: Index of the maximum, its value, and the lowest value.
    """
    lane = tl.arange(0, BLOCK)
    if WIDE:
        lane = lane.to(tl.int64)
    best = tl.full((BLOCK,), -_INF, tl.float32)
    least = tl.full((BLOCK,), _INF, tl.float32)
    index = lane
    width = heatmap.width
    pixels = heatmap.height * width
    for start in range(0, pixels, BLOCK):
        i = start + lane
        inside = i < pixels
        if DENSE:
            at = i
        else:
            at = i // width * heatmap.stride_y + i % width * heatmap.stride_x
        value = tl.load(heatmap.pixels + at, mask=inside, other=-_INF)
        value = value.to(tl.float32)
        value = tl.where(value != value, _INF, value)
        # not by the mask of the load, which would then read pixel by pixel
        counted = inside & (i != without)
        value = tl.where(counted, value, -_INF)
        # not >=: of equal values the first one counts
        index = tl.where(value > best, i, index)
        best = tl.maximum(best, value)
        least = tl.minimum(least, tl.where(counted, value, _INF))
    highest = tl.max(best, 0)
    # lanes interleave: the first of their firsts
    peak = tl.min(tl.where(best == highest, index, pixels), 0)
    return peak, highest, tl.min(least, 0)
