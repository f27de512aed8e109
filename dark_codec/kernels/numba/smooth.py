"""Smoothing with the visible gain, of 5 x 5 px or of a whole map: Eq. 10-11.

Does what :mod:`dark_codec.functional.modulate` does, for one map; sums are
taken in another order. An axis is filtered by one loop over many rows: the
rows follow each other, and sums that reach from one row into the next are
left unused, or meet zeros there.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...functional.modulate import ROUNDING, STENCIL_RADIUS
from .compile import part, part_of_sums
from .maps import cut_window, u

SIDE = u(5)  # of a stencil
REACH = u(STENCIL_RADIUS)
_ROUND = np.float32(ROUNDING)
# Rows to smooth at a time: they stay in the first cache
_BAND = u(8)


class Smoothing(NamedTuple):
    """How maps of one size are smoothed.

    Attributes:
        taps (float32[:]): The kernel, symmetric, of odd number.
        gain_x (float32[:]): Visible gain at the columns from -2 to width + 1.
        gain_y (float32[:]): Visible gain at the rows from -2 to height + 1.
    """

    taps: Any
    gain_x: Any
    gain_y: Any


@part
def room_for_stencil(taps):
    """Allocate what :func:`smooth_stencil` needs.

    Returns:
        tuple: A window as it lies in memory, and as a square; its rows
        smoothed along y; and the stencil. There is room for sums in whole
        vectors.
    """
    side = taps.size + 4
    rows = _whole(5 * side)
    memory = np.zeros(rows + taps.size * side, np.float32)
    return (
        memory,
        memory[: side * side].reshape(side, side),
        np.zeros(rows + taps.size, np.float32),
        np.zeros((5, 5), np.float32),
    )


@part
def _whole(size):
    """Round up to whole vectors of 8."""
    return (size + 7) // 8 * 8


@part
def raw_stencil(here, stencil):
    """Copy the 5 x 5 px around a peak, and return whether all are inside."""
    return cut_window(here, stencil) == (u(0), SIDE, u(0), SIDE)


@part
def smooth_stencil(here, smoothing, room):
    """Smooth the 5 x 5 px around a peak, along y and then along x.

    Args:
        here (Map): The map.
        smoothing (Smoothing): The kernel and its gain.
        room (tuple): From :func:`room_for_stencil`. The last of it gets the
            smoothed values, rows first.
    """
    memory, window, rows, stencil = room
    taps, gain_x, gain_y = smoothing
    _, _, _, x, y = here
    side, reach = u(window.shape[0]), u(taps.size) // u(2)
    cut_window(here, window)
    sums = u(_whole(SIDE * side))
    _filter(rows[:sums], memory, reach * side, side, taps)
    # over the window, which is not needed any more
    _filter(memory[:sums], rows, reach, u(1), taps)
    for j in range(SIDE):
        for i in range(SIDE):
            gain = gain_y[y + j] * gain_x[x + i]
            stencil[j, i] = memory[j * side + i] * gain


@part
def subtract_lowest(stencil, lowest):
    """Subtract the map's lowest value, Eq. 11.

    Differences of the size of rounding errors become 0, and so does NaN.
    """
    for j in range(SIDE):
        for i in range(SIDE):
            value = stencil[j, i]
            difference = value - lowest
            above = difference > _ROUND * abs(value)
            stencil[j, i] = difference if above else np.float32(0)


@part
def room_to_smooth(width, height, taps):
    """Allocate a map with a border of zeros, and three bands of rows."""
    border = u(taps.size) // u(2) * u(2)
    pitch = width + border // u(2)
    padded = np.zeros((height + border) * pitch + border, np.float32)
    return padded, np.zeros((3, _BAND * pitch + border), np.float32)


@part_of_sums
def lowest_smoothed(here, smoothing, room):
    """Lowest value of the smoothed map.

    The map is copied into a border of zeros; those at the end of a row are
    the border of the next row, too. A band of rows is filtered along y, then
    along x, and only its lowest values are kept.

    Args:
        here (Map): The map.
        smoothing (Smoothing): The kernel and its gain.
        room (tuple): From :func:`room_to_smooth`. Only the pixels of the
            padded map are overwritten, its border stays 0.
    """
    values, width, height, _, _ = here
    padded, bands = room
    taps, gain_x, gain_y = smoothing
    reach = u(taps.size) // u(2)
    pitch = width + reach
    start = reach + reach * pitch
    for y in range(height):
        for x in range(width):
            padded[start + y * pitch + x] = values[y * width + x]
    along_y, along_x, least = bands[0], bands[1], bands[2]
    least[:] = np.inf
    for top in range(u(0), height, _BAND):
        lines = min(_BAND, height - top)
        inner = along_y[reach : reach + lines * pitch]
        _filter(inner, padded, start + top * pitch, pitch, taps)
        for line in range(lines):
            gain = gain_y[top + line + REACH]
            if gain != 1:
                for i in range(line * pitch, line * pitch + width):
                    inner[i] *= gain
        outer = along_x[: lines * pitch]
        _filter(outer, along_y, reach, u(1), taps)
        for i in range(lines * pitch):
            least[i] = outer[i] if outer[i] < least[i] else least[i]
    lowest = np.float32(np.inf)
    for line in range(min(_BAND, height)):
        for x in range(width):
            value = least[line * pitch + x] * gain_x[x + REACH]
            lowest = value if value < lowest else lowest
    return lowest


@part_of_sums
def _filter(out, values, at, step, taps):
    """Filter along an axis.

    out[i] becomes the sum over t of taps[reach + t] * values[at + i +
    t * step]. Kernels are symmetric, so that half of the products suffice.
    """
    reach = u(taps.size) // u(2)
    middle = taps[reach]
    for i in range(u(out.size)):
        out[i] = middle * values[at + i]
    tap = u(1)
    while tap + u(2) <= reach:
        rest = taps[reach + tap :]
        _add_pairs(out, values, at, step, tap, (rest[0], rest[1], rest[2]))
        tap += u(3)
    while tap <= reach:
        _add_pairs(out, values, at, step, tap, (taps[reach + tap],))
        tap += u(1)


@part_of_sums
def _add_pairs(out, values, at, step, tap, weights):
    """Add taps on both sides of the middle; LLVM unrolls the inner loop."""
    for i in range(u(out.size)):
        total = out[i]
        for k in range(len(weights)):
            a = (tap + u(k)) * step
            total += weights[k] * (values[at + i - a] + values[at + i + a])
        out[i] = total
