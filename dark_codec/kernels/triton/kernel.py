"""Triton: one program a map, from its pixels to a row of the table."""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

from .fit import fit_gaussian
from .maps import Map, find_peak
from .shift import second_shift, sign_shift
from .smooth import above_lowest, lowest_smoothed, smoothed_stencil
from .taylor import limit_step, log_derivatives, newton_step, spread

_INF = tl.constexpr(float('inf'))


@triton.jit
def decode_map(
    heatmaps,
    table,
    constants,
    scratch,
    keypoints,
    height,
    width,
    stride_batch,
    stride_keypoint,
    stride_y,
    stride_x,
    band,
    sigma,
    trust_radius,
    METHOD: tl.constexpr,
    TAPS: tl.constexpr,
    RAW: tl.constexpr,
    MINMAX: tl.constexpr,
    NARROW: tl.constexpr,
    COVARIANCE: tl.constexpr,
    RADIUS: tl.constexpr,
    DENSE: tl.constexpr,
    WIDE: tl.constexpr,
    BLOCK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Decode one of B * K maps as ``HeatmapDecoder.decode_maps`` does.

    Pointers are ``heatmaps``, with any strides in elements; ``table``, (B * K,
    4) or, with COVARIANCE, (B * K, 8) float32; ``constants``, see
    :mod:`.smooth`; and for MINMAX ``scratch``, ``band`` rows of float32
    for each map. ``sigma`` is the Gaussian's for ``'fit'``, and for
    ``'taylor'`` the square root of the modulation's second moment; it and
    ``trust_radius`` are in px. What is compiled in:

    - METHOD: as in ``Recipe``
    - TAPS: length of the modulation's kernel
    - RAW: whether there is none (it is then the single tap 1)
    - MINMAX, COVARIANCE: as in ``Recipe``
    - NARROW: whether the fit needs a start from the neighbours
    - RADIUS: of the fit's window
    - DENSE: whether the pixels of a map follow each other
    - WIDE: whether a map spans more elements than int32 counts
    - BLOCK: pixels of a map to look at at a time
    - ROWS: rows of a window to look at at a time
    - COLUMNS: at least the width of a window
    """
    m = tl.program_id(0).to(tl.int64)
    first = m // keypoints * stride_batch + m % keypoints * stride_keypoint
    heatmap = Map(heatmaps + first, height, width, stride_y, stride_x)
    peak, highest, least = find_peak(heatmap, -1, DENSE, WIDE, BLOCK)
    y, x = peak // width, peak % width
    # a constant map has a maximum, but not at one place
    valid = (highest > 0) & (highest < _INF) & (least < highest)
    offset_x, offset_y, refined = 0.0, 0.0, valid
    xx, xy, yy = 0.0, 0.0, 0.0
    if METHOD == 'second':
        offset_x, offset_y = second_shift(heatmap, peak, DENSE, WIDE, BLOCK)
    elif METHOD != 'argmax':
        offset_x, offset_y = sign_shift(heatmap, x, y)
    if METHOD == 'taylor':
        stencil = smoothed_stencil(
            heatmap,
            constants,
            x,
            y,
            TAPS,
            ROWS,
            COLUMNS,
        )
        if MINMAX:
            lowest = lowest_smoothed(
                heatmap,
                constants,
                scratch + m * (band * width),
                band,
                WIDE,
                TAPS,
                BLOCK,
            )
            stencil = above_lowest(stencil, lowest)
        dx, dy, dxx, dxy, dyy, usable = log_derivatives(stencil)
        step_x, step_y, solved = newton_step(dx, dy, dxx, dxy, dyy)
        refined = valid & usable & solved
        if RAW:
            # the border cuts into the stencil
            refined &= (x >= 2) & (x < width - 2)
            refined &= (y >= 2) & (y < height - 2)
        step_x, step_y = limit_step(step_x, step_y, trust_radius)
        offset_x = tl.where(refined, step_x, offset_x)
        offset_y = tl.where(refined, step_y, offset_y)
        if COVARIANCE:
            variance = sigma * sigma
            xx, xy, yy = spread(dxx, dxy, dyy, variance, variance)
    if METHOD == 'fit':
        step_x, step_y, solved, xx, xy, yy = fit_gaussian(
            heatmap,
            highest,
            x,
            y,
            sigma,
            trust_radius,
            NARROW,
            COVARIANCE,
            RADIUS,
            ROWS,
            COLUMNS,
        )
        refined = valid & solved
        offset_x = tl.where(refined, step_x, offset_x)
        offset_y = tl.where(refined, step_y, offset_y)
    row = table + m * (8 if COVARIANCE else 4)
    middle_x, middle_y = (width - 1) * 0.5, (height - 1) * 0.5
    tl.store(row, tl.where(valid, x + offset_x, middle_x))
    tl.store(row + 1, tl.where(valid, y + offset_y, middle_y))
    tl.store(row + 2, tl.where(valid, highest, 0.0))
    tl.store(row + 3, tl.where(refined, 1.0, 0.0))
    if COVARIANCE:
        tl.store(row + 4, tl.where(refined, xx, _INF))
        tl.store(row + 5, tl.where(refined, xy, 0.0))
        tl.store(row + 6, tl.where(refined, xy, 0.0))
        tl.store(row + 7, tl.where(refined, yy, _INF))
