"""Loops over the pixels of one map: reading it, and where it is highest."""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

import numpy as np

from ._cpu_compile import part

# What the memory of heatmaps holds
FLOAT32, FLOAT16, BFLOAT16 = range(3)

# numba leaves out the code for negative indices where they are unsigned
u = np.uintp

_INFINITE = np.int32(0x7F800000)  # bits of +inf; above it lie NaN
_MINUS_INFINITE = np.uint32(0xFF800000)
# Blocks of this length are searched at once, and the first that holds the
# maximum in steps of the other
_BLOCK, _FEW = u(512), u(64)
_LEAST = np.int32(-(2**31))
_SMALLEST_HALF = np.float32(2.0**-24)


@part
def read_map(floats, halves, kind, start, strides, size, out):
    """Copy one map to contiguous float32.

    Args:
        floats (float32[:]): Memory of the heatmaps if ``kind`` is FLOAT32.
        halves (int16[:]): That of others.
        kind (int): FLOAT32, FLOAT16 or BFLOAT16.
        start (int): Where the map begins.
        strides (tuple[int, int]): From row to row and from pixel to pixel.
        size (tuple[int, int]): Width and height.
        out (float32[:]): The map, row by row.
    """
    bits = out.view(np.int32)
    width, height = size
    step = u(strides[1])
    for y in range(height):
        row, to = u(start) + y * u(strides[0]), y * width
        if kind == FLOAT32:
            for x in range(width):
                out[to + x] = floats[row + x * step]
        elif kind == BFLOAT16:
            for x in range(width):
                bits[to + x] = np.int32(halves[row + x * step]) << 16
        else:
            for x in range(width):
                half = np.int32(halves[row + x * step])
                sign = half & ~np.int32(0x7FFFFFFF)
                magnitude = (half & 0x7FFF) << 13
                # the exponent's offset is 15 here and 127 there
                wide = magnitude + np.int32(112 << 23)
                if magnitude >= np.int32(0x7C00 << 13):
                    wide = magnitude | _INFINITE
                bits[to + x] = sign | wide
            for x in range(width):
                half = np.int32(halves[row + x * step])
                if half & 0x7C00 == 0:  # subnormal
                    value = np.float32(half & 0x3FF) * _SMALLEST_HALF
                    out[to + x] = value if half >= 0 else -value


@part
def _extremes(bits, first, end):
    """Largest of a range of bits, as int32 and as uint32."""
    highest, nan = _LEAST, np.uint32(0)
    for i in range(first, end):
        highest = max(highest, bits[i])
        nan = max(nan, np.uint32(bits[i]))
    return highest, nan


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
def first_place(bits, place, value):
    """Index of the first occurrence of a value, which must occur."""
    size = u(bits.size)
    while place + _FEW <= size and not _holds(bits, place, value):
        place += _FEW
    while bits[place] != value:
        place += u(1)
    return place


@part
def _holds(bits, first, value):
    """Whether a value is among the next _FEW bits."""
    found = np.int32(0)
    for i in range(_FEW):
        found |= np.int32(bits[first + i] == value)
    return found != 0


@part
def find_peak(values):
    """First maximum of a map, and whether the map is valid.

    Does what :func:`dark_codec.functional.find_peaks` does, on the bits of
    the floats, for LLVM vectorises a maximum of integers and not of floats.
    The bits of positive floats are in the order of the floats. Those of
    negative floats are lower as int32 (a map without positive ones is not
    valid). Those of NaN are higher than those of infinity: as int32 if the
    sign is positive, as uint32 if it is negative, which is what x86 makes.

    Args:
        values (float32[:]): The map, row by row.

    Returns:
        tuple[int, bool]: Index of the maximum, and if the map is valid.
    """
    bits = values.view(np.int32)
    place, best, worst = highest_of(bits, u(0), u(bits.size))
    if best <= 0 or best >= _INFINITE or worst > _MINUS_INFINITE:
        return u(0), False
    place = first_place(bits, place, best)
    return place, place > 0 or not _is_constant(bits)


@part
def _is_constant(bits):
    for i in range(u(bits.size)):
        if bits[i] != bits[0]:
            return False
    return True


@part
def cut_window(values, peak, size, window):
    """Copy the pixels around a peak.

    Args:
        values (float32[:]): The map, row by row.
        peak (tuple[int, int]): Column and row of its maximum.
        size (tuple[int, int]): Width and height.
        window (float32[:, :]): Gets the pixels, the peak in the middle,
            and 0 outside of the map. It has an odd number of rows and at
            least as many columns; those beyond hold 0 and keep it.

    Returns:
        tuple[int, int, int, int]: First column and end of the columns that
        are inside of the map, and the same of the rows.
    """
    x, y = peak
    width, height = size
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
