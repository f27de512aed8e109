"""Loops over the pixels of one map: reading it, and where it is highest."""

from __future__ import annotations

import numpy as np

from ._cpu_compile import part

# What the memory of heatmaps holds
FLOAT32, FLOAT16, BFLOAT16 = range(3)

# numba leaves out the code for negative indices where they are unsigned
u = np.uintp

_INFINITE = np.int32(0x7F800000)  # bits of +inf; above it lie NaN
_MINUS_INFINITE = np.uint32(0xFF800000)
_BLOCK = u(512)
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
        size (tuple[int, int]): Height and width.
        out (float32[:]): The map, row by row.
    """
    bits = out.view(np.int32)
    height, width = u(size[0]), u(size[1])
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
def _extremes(bits):
    """Largest of some bits as int32, and as uint32."""
    best, worst = np.int32(-(2**31)), np.uint32(0)
    for i in range(bits.size):
        value = bits[i]
        best = max(best, value)
        worst = max(worst, np.uint32(value))
    return best, worst


@part
def find_peak(values):
    """First maximum of a map, and whether it says where a keypoint is.

    As :func:`dark_codec.functional.find_peaks`. LLVM makes vectors of a
    maximum of integers, not of floats: the bits of positive floats are in the
    floats' order. Negative ones lie below them as int32, and a map of
    negative ones is not valid. NaN lie above infinity; those with a sign,
    which x86 makes, do so among the uint32.

    Args:
        values (float32[:]): The map, row by row.

    Returns:
        tuple[int, bool]: Index of the maximum, if the map is valid.
    """
    bits = values.view(np.int32)
    size = u(bits.size)
    best, worst, place = np.int32(-(2**31)), np.uint32(0), u(0)
    for start in range(u(0), size, _BLOCK):
        highest, nan = _extremes(bits[start : min(start + _BLOCK, size)])
        worst = max(worst, nan)
        if highest > best:
            best, place = highest, start
    if best <= 0 or best >= _INFINITE or worst > _MINUS_INFINITE:
        return u(0), False
    while bits[place] != best:
        place += u(1)
    if place == 0:
        other = u(1)
        while other < size and bits[other] == best:
            other += u(1)
        return place, other < size
    return place, True


@part
def sign_shift(values, x, y, width, height):
    """A quarter of a pixel towards the higher neighbours, Eq. 1."""
    shift_x = shift_y = np.float32(0)
    here, row = y * width + x, width
    if x > 0 and x < width - u(1):
        shift_x = _quarter(values[here - u(1)], values[here + u(1)])
    if y > 0 and y < height - u(1):
        shift_y = _quarter(values[here - row], values[here + row])
    return shift_x, shift_y


@part
def _quarter(behind, ahead):
    if ahead > behind:
        return np.float32(0.25)
    return np.float32(-0.25) if ahead < behind else np.float32(0)
