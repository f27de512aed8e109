"""Smoothing with the visible gain, of 5 x 5 px or of a whole map: Eq. 10-11.

The same weights as in :mod:`dark_codec.functional.modulate`; sums are taken
in another order.
"""

from __future__ import annotations

import numpy as np

from ._cpu_compile import part, part_of_sums
from ._cpu_maps import u

STENCIL = u(5)
_ROUNDING = np.float32(1e-5)  # as in above_lowest
_BAND = u(8)  # rows to smooth at a time: they stay in the first cache


@part_of_sums
def smooth_stencil(values, x, y, width, height, kernel, gain_x, gain_y, rows, s):
    """Smooth the 5 x 5 px round a peak.

    Args:
        values (float32[:]): The map, row by row.
        x, y (int): Its highest pixel.
        width, height (int): Its size.
        kernel (float32[:]): Taps, an odd number.
        gain_x, gain_y (float32[:]): Visible gain at the positions from -2 to
            2 px behind the map.
        rows (float32[:, :]): Room for 5 rows of len(kernel) + 4 px.
        s (float32[:, :]): Gets the smoothed values, rows first.
    """
    taps = u(kernel.size)
    reach = taps // u(2) + u(2)
    left = x - reach if x >= reach else u(0)
    top = y - reach if y >= reach else u(0)
    right, bottom = min(width, x + reach + u(1)), min(height, y + reach + u(1))
    across = right - left
    shift_x, shift_y = left + reach - x, top + reach - y
    rows[:] = 0
    for line in range(top, bottom):
        t = line - top + shift_y
        start = line * width + left
        for j in range(STENCIL):
            if t >= j and t - j < taps:
                weight = kernel[t - j]
                for i in range(across):
                    rows[j, shift_x + i] += weight * values[start + i]
    for j in range(STENCIL):
        for i in range(STENCIL):
            total = np.float32(0)
            for t in range(taps):
                total += kernel[t] * rows[j, i + t]
            s[j, i] = total * (gain_y[y + j] * gain_x[x + i])


@part
def subtract_lowest(s, lowest):
    """Subtract the map's lowest value, Eq. 11.

    What is above it by rounding only becomes 0, and so does NaN.
    """
    for j in range(STENCIL):
        for i in range(STENCIL):
            difference = s[j, i] - lowest
            above = difference > _ROUNDING * abs(s[j, i])
            s[j, i] = difference if above else np.float32(0)


@part_of_sums
def _add_pairs(out, values, at, step, first, kernel, size):
    """Add taps ``first`` to ``first + 2`` on both sides of the middle."""
    middle = u(kernel.size) // u(2)
    a, b, c = first * step, (first + u(1)) * step, (first + u(2)) * step
    weight_a = kernel[middle + first]
    weight_b = kernel[middle + first + u(1)]
    weight_c = kernel[middle + first + u(2)]
    for i in range(size):
        here = at + i
        out[i] += (
            weight_a * (values[here - a] + values[here + a])
            + weight_b * (values[here - b] + values[here + b])
            + weight_c * (values[here - c] + values[here + c])
        )


@part_of_sums
def _add_pair(out, values, at, step, first, kernel, size):
    weight = kernel[u(kernel.size) // u(2) + first]
    a = first * step
    for i in range(size):
        out[i] += weight * (values[at + i - a] + values[at + i + a])


@part_of_sums
def _filter(out, values, at, step, kernel, size):
    """out[i] = sum of kernel[t] * values[at + i + t * step], t from -reach.

    Kernels are symmetric: half of the products suffice.
    """
    reach = u(kernel.size) // u(2)
    weight = kernel[reach]
    for i in range(size):
        out[i] = weight * values[at + i]
    tap = u(1)
    while tap + u(2) <= reach:
        _add_pairs(out, values, at, step, tap, kernel, size)
        tap += u(3)
    while tap <= reach:
        _add_pair(out, values, at, step, tap, kernel, size)
        tap += u(1)


@part
def room_to_smooth(width, height, kernel):
    """Zeros round a map, and three bands of rows: see lowest_smoothed."""
    reach = u(kernel.size) // u(2)
    pitch = width + reach
    border = u(2) * reach
    padded = np.zeros((height + border) * pitch + border, np.float32)
    return padded, np.zeros((3, _BAND * pitch + border), np.float32)


@part_of_sums
def lowest_smoothed(values, width, height, kernel, gain_x, gain_y, padded, room):
    """Lowest value of the smoothed map.

    The map is copied between zeros, so that a filter along an axis is one
    loop over many rows at once: one space between rows is the border of both.

    Args:
        values (float32[:]): The map, row by row.
        width, height (int): Its size.
        kernel, gain_x, gain_y: As in :func:`smooth_stencil`.
        padded (float32[:]): Zeros, but for the pixels of earlier maps.
        room (float32[:, :]): Room for three bands of rows.
    """
    reach = u(kernel.size) // u(2)
    pitch = width + reach
    for y in range(height):
        to = reach + (reach + y) * pitch
        for x in range(width):
            padded[to + x] = values[y * width + x]
    along_y, along_x, least = room[0], room[1], room[2]
    least[:] = np.inf
    for top in range(u(0), height, _BAND):
        lines = min(_BAND, height - top)
        size = lines * pitch
        _filter(
            along_y[reach:],
            padded,
            reach + (reach + top) * pitch,
            pitch,
            kernel,
            size,
        )
        _filter(along_x, along_y, reach, u(1), kernel, size)
        for line in range(lines):
            gain = gain_y[top + line + u(2)]
            start = line * pitch
            for x in range(start, start + width):
                value = gain * along_x[x]
                least[x] = value if value < least[x] else least[x]
    lowest = np.float32(np.inf)
    for line in range(min(_BAND, height)):
        for x in range(width):
            value = least[line * pitch + x] * gain_x[x + u(2)]
            lowest = value if value < lowest else lowest
    return lowest
