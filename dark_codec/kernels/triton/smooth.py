"""Triton: smoothing with the visible part of a kernel, Eq. 10-11.

:mod:`dark_codec.functional.modulate` for one map. ``constants`` holds, one
after the other, the taps, and for each axis the gain of what is smoothed at
the positions -2 ... length + 1: those of the stencil may lie outside.
"""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

from ...functional.modulate import ROUNDING, STENCIL_RADIUS
from .maps import value_or

_INF = tl.constexpr(float('inf'))
_ROUND = tl.constexpr(ROUNDING)
_MARGIN = tl.constexpr(STENCIL_RADIUS)


@triton.jit
def _taps_at(constants, pixels, position, visible, TAPS: tl.constexpr):
    """Weights of pixels of an axis in what is smoothed at a position."""
    tap = pixels - position + TAPS // 2
    used = visible & (tap >= 0) & (tap < TAPS)
    return tl.load(constants + tap, mask=used, other=0.0)


@triton.jit
def smoothed_stencil(
    heatmap,
    constants,
    x,
    y,
    TAPS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """The smoothed map at the 5 x 5 px round the peak, Eq. 10.

    The window that this needs is read ROWS rows at a time, for each of the
    five rows of the result again: after the first time it is in the cache.

    Returns:
        tl.tensor: (8, 8), rows first, of which 5 x 5 are the stencil; the
        others are 0.
    """
    height, width = heatmap.height, heatmap.width
    REACH: tl.constexpr = TAPS // 2 + _MARGIN
    gain_y = constants + TAPS + _MARGIN
    gain_x = gain_y + height + 2 * _MARGIN
    column = x - REACH + tl.arange(0, COLUMNS)
    column_in = (column >= 0) & (column < width) & (column <= x + REACH)
    n = tl.arange(0, 8)
    rows = tl.zeros((8, COLUMNS), tl.float32)
    for j in tl.static_range(5):
        at_y = y + (j - _MARGIN)
        smooth = tl.zeros((COLUMNS,), tl.float32)
        for first in range(0, 2 * REACH + 1, ROWS):
            row = y - REACH + first + tl.arange(0, ROWS)
            row_in = (row >= 0) & (row < height) & (row <= y + REACH)
            taps_y = _taps_at(constants, row, at_y, row_in, TAPS)
            inside = row_in[:, None] & column_in[None, :]
            window = value_or(
                heatmap, inside, column[None, :], row[:, None], 0.0
            )
            smooth += tl.sum(taps_y[:, None] * window, 0)
        smooth *= tl.load(gain_y + at_y)
        rows = tl.where((n == j)[:, None], smooth[None, :], rows)
    stencil = tl.zeros((8, 8), tl.float32)
    for k in tl.static_range(5):
        at_x = x + (k - _MARGIN)
        taps_x = _taps_at(constants, column, at_x, column_in, TAPS)
        values = tl.sum(rows * taps_x[None, :], 1) * tl.load(gain_x + at_x)
        stencil = tl.where((n == k)[None, :], values[:, None], stencil)
    return stencil


@triton.jit
def lowest_smoothed(
    heatmap,
    constants,
    scratch,
    band,
    WIDE: tl.constexpr,
    TAPS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Minimum of the whole smoothed map, for Eq. 11.

    The map is smoothed in bands of rows: along y from the map into
    ``scratch``, whose ``band`` rows stay in the cache, and from there along
    x. This takes 4 * TAPS * H * W floating-point operations and half as many
    loads from the cache; the map is read from memory once more.
    """
    height, width = heatmap.height, heatmap.width
    RADIUS: tl.constexpr = TAPS // 2
    gain_y = constants + TAPS + _MARGIN
    gain_x = gain_y + height + 2 * _MARGIN
    lane = tl.arange(0, BLOCK)
    if WIDE:
        lane = lane.to(tl.int64)
    lowest = tl.full((BLOCK,), _INF, tl.float32)
    for top in range(0, height, band):
        pixels = tl.minimum(band, height - top) * width
        for start in range(0, pixels, BLOCK):
            i = start + lane
            inside = i < pixels
            x, y = i % width, top + i // width
            smooth = tl.zeros((BLOCK,), tl.float32)
            for tap in range(TAPS):
                row = y + (tap - RADIUS)
                row_in = inside & (row >= 0) & (row < height)
                value = value_or(heatmap, row_in, x, row, 0.0)
                smooth += tl.load(constants + tap) * value
            smooth *= tl.load(gain_y + y, mask=inside, other=0.0)
            tl.store(scratch + i, smooth, mask=inside)
        # other threads of this program wrote what is read now
        tl.debug_barrier()
        for start in range(0, pixels, BLOCK):
            i = start + lane
            inside = i < pixels
            x = i % width
            smooth = tl.zeros((BLOCK,), tl.float32)
            for tap in range(TAPS):
                column = x + (tap - RADIUS)
                value = tl.load(
                    scratch + i + (tap - RADIUS),
                    mask=inside & (column >= 0) & (column < width),
                    other=0.0,
                )
                smooth += tl.load(constants + tap) * value
            smooth *= tl.load(gain_x + x, mask=inside, other=0.0)
            lowest = tl.minimum(lowest, tl.where(inside, smooth, _INF))
        # before the next band overwrites this one
        tl.debug_barrier()
    return tl.min(lowest, 0)


@triton.jit
def above_lowest(stencil, lowest):
    """Subtract the lowest value; differences by rounding only become 0."""
    difference = stencil - lowest
    return tl.where(difference > tl.abs(stencil) * _ROUND, difference, 0.0)
