"""The maps of a batch: their pixels, where they are highest, and windows."""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .compile import part

# What the memory of heatmaps holds
FLOAT32, FLOAT16, BFLOAT16 = range(3)

# numba leaves out the code for negative indices where they are unsigned
u = np.uintp

_INFINITE = np.int32(0x7F800000)  # bits of +inf; above it lie NaN
_MINUS_INFINITE = np.uint32(0xFF800000)
# Blocks of this length are searched at once, and the first that holds the
# maximum in steps of the other
_BLOCK, _STRIP = u(512), u(64)
_LEAST = np.int32(-(2**31))
_SMALLEST_HALF = np.float32(2.0**-24)


class Heatmaps(NamedTuple):
    """The memory of heatmaps (B, K, H, W).

    Attributes:
        floats (float32[:]): All between the first and the last pixel, if
            ``kind`` is FLOAT32; else empty.
        halves (int16[:]): The same, for the other kinds.
        kind (int): FLOAT32, FLOAT16 or BFLOAT16.
        shape (tuple[int, int, int, int]): B, K, H, W.
        strides (tuple[int, int, int, int]): In elements.
    """

    floats: Any
    halves: Any
    kind: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Map(NamedTuple):
    """One map and its peak.

    Attributes:
        values (float32[:]): The pixels, row by row.
        width (int): Number of columns.
        height (int): Number of rows.
        x (int): Column of the maximum.
        y (int): Row of the maximum.
    """

    values: Any
    width: Any
    height: Any
    x: Any
    y: Any


@part
def read_map(heatmaps, number, room):
    """Return the pixels of a map: a view, or else a copy in ``room``."""
    _, keypoints, height, width = heatmaps.shape
    strides = heatmaps.strides
    start = number // keypoints * strides[0] + number % keypoints * strides[1]
    if heatmaps.kind == FLOAT32 and strides[3] == 1 and strides[2] == width:
        return heatmaps.floats[start : start + height * width]
    for y in range(u(height)):
        row = room[y * u(width) : (y + u(1)) * u(width)]
        _read_row(heatmaps, u(start) + y * u(strides[2]), row)
    return room


@part
def _read_row(heatmaps, start, out):
    """Copy a row of pixels, the first of which lies at ``start``."""
    floats, halves, kind, _, strides = heatmaps
    bits, step = out.view(np.int32), u(strides[3])
    if kind == FLOAT32:
        for x in range(u(out.size)):
            out[x] = floats[start + x * step]
    elif kind == BFLOAT16:
        for x in range(u(out.size)):
            bits[x] = np.int32(halves[start + x * step]) << 16
    else:
        for x in range(u(out.size)):
            half = np.int32(halves[start + x * step])
            sign = half & ~np.int32(0x7FFFFFFF)
            magnitude = (half & 0x7FFF) << 13
            # the exponent's offset is 15 here and 127 there
            wide = magnitude + np.int32(112 << 23)
            if magnitude >= np.int32(0x7C00 << 13):
                wide = magnitude | _INFINITE
            bits[x] = sign | wide
        for x in range(u(out.size)):
            half = np.int32(halves[start + x * step])
            if half & 0x7C00 == 0:  # subnormal
                value = np.float32(half & 0x3FF) * _SMALLEST_HALF
                out[x] = value if half >= 0 else -value


@part
def find_peak(values, width, height):
    """First maximum of a map, and whether the map is valid.

    Does what :func:`dark_codec.functional.find_peaks` does, on the bits of
    the floats, for LLVM vectorises a maximum of integers and not of floats.
    The bits of positive floats are in the order of the floats. Those of
    negative floats are lower as int32 (a map without positive ones is not
    valid). Those of NaN are higher than those of infinity: as int32 if the
    sign is positive, as uint32 if it is negative, which is what x86 makes.

    Returns:
        tuple[Map, bool]: The map with its peak, and whether it is valid.
    """
    bits = values.view(np.int32)
    place, best, worst = highest_of(bits, u(0), u(bits.size))
    valid = best > 0 and best < _INFINITE and worst <= _MINUS_INFINITE
    if valid:
        place = first_place(bits, place, best)
        valid = place > 0 or not _is_constant(bits)
    y = place // width
    return Map(values, width, height, place - y * width, y), valid


@part
def _is_constant(bits):
    for i in range(u(bits.size)):
        if bits[i] != bits[0]:
            return False
    return True


@part
def highest_of(bits, first, end):
    """Find the block that holds the maximum of a range of bits as int32.

    Returns:
        tuple[int, int, int]: The start of the first block that holds it, and
        the largest of the bits as int32 and as uint32.
    """
    best, worst, place = _LEAST, np.uint32(0), first
    whole = first + (end - first) // _BLOCK * _BLOCK
    for start in range(first, whole, _BLOCK):
        highest, nan = _extremes(bits, start, start + _BLOCK)
        worst = max(worst, nan)
        if highest > best:
            best, place = highest, start
    highest, nan = _extremes(bits, whole, end)
    if highest > best:
        best, place = highest, whole
    return place, best, max(worst, nan)


@part
def _extremes(bits, first, end):
    """Largest of a range of bits, as int32 and as uint32."""
    highest, nan = _LEAST, np.uint32(0)
    for i in range(first, end):
        highest = max(highest, bits[i])
        nan = max(nan, np.uint32(bits[i]))
    return highest, nan


@part
def first_place(bits, place, value):
    """Index of the first occurrence of a value, which must occur."""
    size = u(bits.size)
    while place + _STRIP <= size and not _holds(bits, place, value):
        place += _STRIP
    while bits[place] != value:
        place += u(1)
    return place


@part
def _holds(bits, first, value):
    """Whether a value is among the bits of a strip."""
    found = np.int32(0)
    for i in range(_STRIP):
        found |= np.int32(bits[first + i] == value)
    return found != 0


@part
def cut_window(here, window):
    """Copy the pixels around the peak of a map.

    Args:
        here (Map): The map.
        window (float32[:, :]): Gets the pixels, the peak in the middle,
            and 0 outside of the map. It has an odd number of rows and at
            least as many columns; those beyond hold 0 and keep it.

    Returns:
        tuple[int, int, int, int]: First column and end of the columns that
        are inside of the map, and the same of the rows.
    """
    values, width, height, x, y = here
    side = u(window.shape[0])
    reach = side // u(2)
    left, top = reach - min(x, reach), reach - min(y, reach)
    right = min(side, width + reach - x)
    bottom = min(side, height + reach - y)
    if right - left < side or bottom - top < side:
        window[:] = 0
    for j in range(top, bottom):
        start = (y + j - reach) * width + x + left - reach
        for i in range(right - left):
            window[j, left + i] = values[start + i]
    return left, right, top, bottom
