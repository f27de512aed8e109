"""Triton: quarter shifts of one map, Eq. 1.

See :mod:`dark_codec.functional.refine`.
"""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

from .maps import find_peak, value_at

_INF = tl.constexpr(float('inf'))


@triton.jit
def _towards_higher(behind, ahead):
    """A quarter in the direction of the higher of two neighbours, or 0."""
    # not sign(ahead - behind): the difference of infinities is NaN
    return tl.where(ahead > behind, 0.25, tl.where(ahead < behind, -0.25, 0.0))


@triton.jit
def sign_shift(heatmap, x, y):
    """Eq. 1 with the signs of differences, as HRNet computes it.

    Returns:
        tuple: Offset from the peak along x and y.
    """
    # on the border both neighbours are the peak itself, and the sign is 0
    step_x = tl.where((x > 0) & (x < heatmap.width - 1), 1, 0)
    step_y = tl.where((y > 0) & (y < heatmap.height - 1), 1, 0)
    left = value_at(heatmap, x - step_x, y)
    right = value_at(heatmap, x + step_x, y)
    above = value_at(heatmap, x, y - step_y)
    below = value_at(heatmap, x, y + step_y)
    return _towards_higher(left, right), _towards_higher(above, below)


@triton.jit
def second_shift(
    heatmap,
    peak,
    DENSE: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Eq. 1 to the letter: towards the second-highest pixel of the map.

    Returns:
        tuple: Offset from the peak, whose index is given, along x and y.
    """
    second, value, _ = find_peak(heatmap, peak, DENSE, WIDE, BLOCK)
    width = heatmap.width
    x = (second % width - peak % width).to(tl.float32)
    y = (second // width - peak // width).to(tl.float32)
    length = tl.sqrt(x * x + y * y)
    # nothing is second where all else is -inf
    scale = tl.where(value > -_INF, 0.25 / tl.maximum(length, 1.0), 0.0)
    return x * scale, y * scale
