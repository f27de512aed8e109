"""Quarter shifts of one map, Eq. 1: see :mod:`dark_codec.functional.refine`.

Both take a :class:`.maps.Map`, and return the shift in x and y.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

import math

import numpy as np

from .compile import part
from .maps import first_place, highest_of, u

_QUARTER = np.float32(0.25)


@part
def sign_shift(here):
    """A quarter of a pixel along each axis towards the higher neighbour."""
    values, width, height, x, y = here
    peak = y * width + x
    shift_x = shift_y = np.float32(0)
    if x > 0 and x + u(1) < width:
        shift_x = _quarter(values[peak - u(1)], values[peak + u(1)])
    if y > 0 and y + u(1) < height:
        shift_y = _quarter(values[peak - width], values[peak + width])
    return shift_x, shift_y


@part
def _quarter(behind, ahead):
    if ahead > behind:
        return _QUARTER
    return -_QUARTER if ahead < behind else np.float32(0)


@part
def second_shift(here):
    """A quarter of a pixel towards the second-highest pixel of the map."""
    values, width, _, x, y = here
    second, exists = _second(values, y * width + x)
    if not exists:
        return np.float32(0), np.float32(0)
    second_y = second // width
    towards_x = np.float32(second - second_y * width) - np.float32(x)
    towards_y = np.float32(second_y) - np.float32(y)
    square = towards_x * towards_x + towards_y * towards_y
    scale = _QUARTER / np.float32(math.sqrt(square))
    return towards_x * scale, towards_y * scale


@part
def _second(values, peak):
    """Index of the first maximum without the peak, and whether it is finite.

    Positive floats are compared by their bits, see find_peak; a map in which
    all others are not positive is searched pixel by pixel.
    """
    bits = values.view(np.int32)
    place, best, _ = highest_of(bits, u(0), peak)
    behind, other, _ = highest_of(bits, peak + u(1), u(bits.size))
    if other > best:
        place, best = behind, other
    if best > 0:
        return first_place(bits, place, best), True
    place, highest = peak, np.float32(-math.inf)
    for i in range(u(values.size)):
        if i != peak and values[i] > highest:
            place, highest = i, values[i]
    return place, place != peak
