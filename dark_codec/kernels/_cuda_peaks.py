"""Triton: where a map is highest, and the quarter shift from there.

The kernels repeat :mod:`dark_codec.functional.peaks` and
:mod:`dark_codec.functional.refine` for one map at a time. Positions are in
heatmap px, and all arithmetic is float32, whatever the maps are.
"""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

_INF = tl.constexpr(float('inf'))


@triton.jit
def find_peak(
    heatmap,
    without,
    height,
    width,
    stride_y,
    stride_x,
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
    pixels = height * width
    for start in range(0, pixels, BLOCK):
        i = start + lane
        inside = i < pixels
        if DENSE:
            at = i
        else:
            at = i // width * stride_y + i % width * stride_x
        value = tl.load(heatmap + at, mask=inside, other=-_INF)
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


@triton.jit
def _value(heatmap, x, y, stride_y, stride_x):
    return tl.load(heatmap + y * stride_y + x * stride_x).to(tl.float32)


@triton.jit
def _towards_higher(behind, ahead):
    """A quarter in the direction of the higher of two neighbours, or 0."""
    # not sign(ahead - behind): the difference of infinities is NaN
    return tl.where(ahead > behind, 0.25, tl.where(ahead < behind, -0.25, 0.0))


@triton.jit
def quarter_shift(heatmap, x, y, height, width, stride_y, stride_x):
    """Eq. 1 with the signs of differences, as HRNet computes it.

    Returns:
        tuple: Offset from the peak along x and y.
    """
    # on the border both neighbours are the peak itself, and the sign is 0
    step_x = tl.where((x > 0) & (x < width - 1), 1, 0)
    step_y = tl.where((y > 0) & (y < height - 1), 1, 0)
    return (
        _towards_higher(
            _value(heatmap, x - step_x, y, stride_y, stride_x),
            _value(heatmap, x + step_x, y, stride_y, stride_x),
        ),
        _towards_higher(
            _value(heatmap, x, y - step_y, stride_y, stride_x),
            _value(heatmap, x, y + step_y, stride_y, stride_x),
        ),
    )


@triton.jit
def second_shift(
    heatmap,
    peak,
    height,
    width,
    stride_y,
    stride_x,
    DENSE: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """Eq. 1 to the letter: towards the second-highest pixel of the map.

    Returns:
        tuple: Offset from the peak, whose index is given, along x and y.
    """
    second, value, _ = find_peak(
        heatmap, peak, height, width, stride_y, stride_x, DENSE, WIDE, BLOCK
    )
    x = (second % width - peak % width).to(tl.float32)
    y = (second // width - peak // width).to(tl.float32)
    length = tl.sqrt(x * x + y * y)
    # nothing is second where all else is -inf
    scale = tl.where(value > -_INF, 0.25 / tl.maximum(length, 1.0), 0.0)
    return x * scale, y * scale
