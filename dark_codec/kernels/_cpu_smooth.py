"""Smoothing with the visible gain, of 5 x 5 px or of a whole map: Eq. 10-11.

Does what :mod:`dark_codec.functional.modulate` does, for one map; sums are
taken in another order.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..functional.modulate import ROUNDING, STENCIL_RADIUS
from ._cpu_compile import part, part_of_sums
from ._cpu_maps import cut_window, u
from ._cpu_sums import LANES, sum_rows

SIDE = u(5)  # of a stencil
REACH = u(STENCIL_RADIUS)
_ROUND = np.float32(ROUNDING)
# Rows to smooth at a time: they stay in the first cache
_BAND = u(8)


class Smoothing(NamedTuple):
    """How maps of one size are smoothed.

    Attributes:
        kernel (float32[:]): Taps, symmetric, of odd number.
        gain_x (float32[:]): Visible gain at the columns from -2 to width + 1.
        gain_y (float32[:]): Visible gain at the rows from -2 to height + 1.
    """

    kernel: Any
    gain_x: Any
    gain_y: Any


@part
def raw_stencil(values, peak, size, stencil):
    """Copy the 5 x 5 px around a peak; args as of :func:`smooth_stencil`.

    Returns:
        bool: Whether all of them are in the map.
    """
    x, y = peak
    width, height = size
    if x < REACH or y < REACH or x + REACH >= width or y + REACH >= height:
        return False
    for j in range(SIDE):
        start = (y + j - REACH) * width + x - REACH
        for i in range(SIDE):
            stencil[j, i] = values[start + i]
    return True


@part
def room_for_stencil(kernel):
    """Allocate what smoothing a stencil needs: window, rows, stencil.

    The rows are longer by a vector, so that the last can be read as one.
    """
    side = kernel.size + 4
    pitch = (side + LANES - 1) // LANES * LANES
    window = np.zeros((side, pitch), np.float32)
    rows = np.zeros(5 * pitch + LANES, np.float32)
    return window, rows, np.zeros((5, LANES), np.float32)


@part
def smooth_stencil(values, peak, size, smoothing, room):
    """Smooth the 5 x 5 px around a peak, along y and then along x.

    Args:
        values (float32[:]): The map, row by row.
        peak (tuple[int, int]): Column and row of its maximum.
        size (tuple[int, int]): Width and height.
        smoothing (Smoothing): The kernel and its gain.
        room (tuple): From :func:`room_for_stencil`. The last of it gets the
            smoothed values, rows first.
    """
    window, rows, stencil = room
    kernel, gain_x, gain_y = smoothing
    cut_window(values, peak, size, window)
    pitch = window.shape[1]
    for i in range(0, pitch, LANES):
        sum_rows(window, i, pitch, pitch, kernel, rows, i, pitch)
    sum_rows(rows, 0, pitch, 1, kernel, stencil, 0, LANES)
    x, y = peak
    for j in range(SIDE):
        for i in range(SIDE):
            stencil[j, i] *= gain_y[y + j] * gain_x[x + i]


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
def room_to_smooth(width, height, kernel):
    """Allocate a map with a border of zeros, and three bands of rows."""
    border = u(kernel.size) // u(2) * u(2)
    pitch = width + border // u(2)
    padded = np.zeros((height + border) * pitch + border, np.float32)
    return padded, np.zeros((3, _BAND * pitch + border), np.float32)


@part_of_sums
def lowest_smoothed(values, size, smoothing, padded, bands):
    """Lowest value of the smoothed map.

    The map is copied into a border of zeros, so that an axis is filtered by
    one loop over many rows: the zeros at the end of a row are the border of
    the next row, too. A band of rows is filtered along y, then along x, and
    only its lowest values are kept.

    Args:
        values (float32[:]): The map, row by row.
        size (tuple[int, int]): Width and height.
        smoothing (Smoothing): The kernel and its gain.
        padded (float32[:]): From :func:`room_to_smooth`; only the pixels of
            the map are overwritten, the border stays 0.
        bands (float32[:, :]): Three bands of rows, from there too.
    """
    width, height = size
    kernel, gain_x, gain_y = smoothing
    reach = u(kernel.size) // u(2)
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
        _filter(inner, padded, start + top * pitch, pitch, kernel)
        for line in range(lines):
            gain = gain_y[top + line + REACH]
            if gain != 1:
                for i in range(line * pitch, line * pitch + width):
                    inner[i] *= gain
        outer = along_x[: lines * pitch]
        _filter(outer, along_y, reach, u(1), kernel)
        for i in range(lines * pitch):
            least[i] = outer[i] if outer[i] < least[i] else least[i]
    lowest = np.float32(np.inf)
    for line in range(min(_BAND, height)):
        for x in range(width):
            value = least[line * pitch + x] * gain_x[x + REACH]
            lowest = value if value < lowest else lowest
    return lowest


@part_of_sums
def _filter(out, values, at, step, kernel):
    """Filter along an axis.

    out[i] becomes the sum over t of kernel[reach + t] * values[at + i +
    t * step]. Kernels are symmetric, so that half of the products suffice.
    """
    reach = u(kernel.size) // u(2)
    if reach < u(3):
        for i in range(u(out.size)):
            out[i] = kernel[reach] * values[at + i]
        tap = u(1)
    else:
        _set_seven(out, values, at, step, kernel[reach:])
        tap = u(4)
    while tap + u(2) <= reach:
        _add_six(out, values, at, step, kernel[reach + tap :], tap)
        tap += u(3)
    while tap <= reach:
        _add_two(out, values, at, step, kernel[reach + tap], tap)
        tap += u(1)


@part_of_sums
def _set_seven(out, values, at, step, weights):
    """Set the middle tap and three on both sides."""
    a, b, c = step, u(2) * step, u(3) * step
    middle = weights[0]
    weight_a, weight_b, weight_c = weights[1], weights[2], weights[3]
    for i in range(u(out.size)):
        here = at + i
        out[i] = middle * values[here] + (
            weight_a * (values[here - a] + values[here + a])
            + weight_b * (values[here - b] + values[here + b])
            + weight_c * (values[here - c] + values[here + c])
        )


@part_of_sums
def _add_two(out, values, at, step, weight, tap):
    """Add one tap on both sides of the middle."""
    a = tap * step
    for i in range(u(out.size)):
        here = at + i
        out[i] += weight * (values[here - a] + values[here + a])


@part_of_sums
def _add_six(out, values, at, step, weights, tap):
    """Add three taps on both sides: ``out`` is read and written once."""
    a, b, c = tap * step, (tap + u(1)) * step, (tap + u(2)) * step
    weight_a, weight_b, weight_c = weights[0], weights[1], weights[2]
    for i in range(u(out.size)):
        here = at + i
        out[i] += (
            weight_a * (values[here - a] + values[here + a])
            + weight_b * (values[here - b] + values[here + b])
            + weight_c * (values[here - c] + values[here + c])
        )
