"""From a peak to a sub-pixel position: Eq. 1 and Eq. 3-9 of the paper."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._backend import (
    Array,
    arange_like,
    at_least,
    cut_patches,
    flat_maps,
    float32,
    namespace,
    pairs,
    pick,
    select,
    table_like,
    take,
    weighted_sums,
    zeros_like,
)
from .modulate import STENCIL_RADIUS
from .peaks import Peaks, gather_windows

SHIFTS = ('sign', 'second')

# Relative to the stencil's centre: log(0) must not arise, and what is lower
# than this beside a peak is no Gaussian's flank (float32 has 7 digits).
LOWEST = 1e-10
# In 1/px^2; a Gaussian of this curvature has a sigma of 100 px. Flatter tops
# are rounding noise.
MIN_CURVATURE = 1e-4


def quarter_shift(
    heatmaps: Array, peaks: Peaks, variant: str = 'sign'
) -> Array:
    """A quarter of a pixel towards the higher neighbours: Eq. 1.

    Args:
        heatmaps (Array): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.
        variant (str): ``'sign'`` steps by 0.25 px along each axis towards
            the higher of the two neighbours, as HRNet and MMPose do.
            ``'second'`` is Eq. 1 to the letter: 0.25 px from the highest
            towards the second-highest pixel of the whole map.

    Returns:
        Array: Offsets (x, y) from the peak in heatmap px, (M, 2), float32.
        A peak on the border is not shifted across that axis, since one of
        its neighbours is unknown.

    Raises:
        ValueError: If ``variant`` is unknown.
    """
    if variant == 'sign':
        return _sign_shift(heatmaps, peaks)
    if variant == 'second':
        return _second_shift(heatmaps, peaks)
    raise ValueError(f'variant must be one of {list(SHIFTS)}, got {variant!r}')


def _sign_shift(heatmaps: Array, peaks: Peaks) -> Array:
    height, width = heatmaps.shape[1:]
    x, y = peaks.x, peaks.y
    # on the border both neighbours are the peak itself, and the sign is 0
    step_x = ((x > 0) & (x < width - 1)) * 1
    step_y = ((y > 0) & (y < height - 1)) * width
    centre = y * width + x
    ahead = [centre + step_x, centre + step_y]
    behind = [centre - step_x, centre - step_y]
    neighbours = take(
        flat_maps(heatmaps),
        namespace(centre).stack(ahead + behind, 1),
    )
    higher, lower = neighbours[:, :2], neighbours[:, 2:]
    # not sign(higher - lower): the difference of infinities is NaN
    return 0.25 * (float32(higher > lower) - float32(higher < lower))


def _second_shift(heatmaps: Array, peaks: Peaks) -> Array:
    xp = namespace(heatmaps)
    height, width = heatmaps.shape[1:]
    rows, columns = (arange_like(n, heatmaps) for n in (height, width))

    def others(y: Array) -> Array:
        """A row of each map, without the peak if it is there, (M, W)."""
        row = cut_patches(heatmaps, y * 0, y, width, 1)[:, 0]
        is_peak = (columns == peaks.x[:, None]) & (y == peaks.y)[:, None]
        return xp.where(is_peak, -math.inf, row)

    # by rows: to copy the maps without their peaks takes four times as long
    highest = xp.where(
        rows == peaks.y[:, None],
        xp.amax(others(peaks.y), 1)[:, None],
        xp.amax(heatmaps, 2),
    )
    y = highest.argmax(1)
    row = others(y)
    x = row.argmax(1)
    towards = pairs(x - peaks.x, y - peaks.y)
    shift = towards * (0.25 / at_least(_length(towards), 1.0))
    # nothing is second where all else is -inf
    exists = xp.isfinite(pick(row, x))
    return select(exists, shift, 0.0)


def _length(vectors: Array) -> Array:
    x, y = vectors[:, :1], vectors[:, 1:]
    return namespace(vectors).sqrt(x * x + y * y)


def raw_stencil(heatmaps: Array, peaks: Peaks) -> tuple[Array, Array]:
    """The 5 x 5 px round each peak as they are, without modulation.

    Args:
        heatmaps (Array): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.

    Returns:
        tuple[Array, Array]: The stencils (M, 5, 5), float32, and a mask
        (M,): where it is False the peak is nearer than 2 px to the border,
        and its stencil is of no use. (To expand the series a little inside
        is exact on clean Gaussians, but with 1 % of noise the flank's log is
        worth less than a quarter shift.)
    """
    size = 2 * STENCIL_RADIUS + 1
    if min(heatmaps.shape[1:]) < size:
        stencil = zeros_like(heatmaps, (heatmaps.shape[0], size, size))
        return stencil, peaks.valid & False
    stencil, column, row = gather_windows(
        heatmaps, peaks.x, peaks.y, STENCIL_RADIUS
    )
    return stencil, (column == STENCIL_RADIUS) & (row == STENCIL_RADIUS)


class Derivatives(NamedTuple):
    """First and second derivatives of M log-maps, in 1/px and 1/px^2."""

    dx: Array
    dy: Array
    dxx: Array
    dxy: Array
    dyy: Array


def log_derivatives(stencil: Array) -> Derivatives:
    """D' and D'' of Eq. 6-8: the log's finite differences.

    As DarkPose takes them: first derivatives over +-1 px, pure second
    derivatives over +-2 px.

    Args:
        stencil (Array): The map at 5 x 5 px, (M, 5, 5), rows first.

    Returns:
        Derivatives: At the stencil's centre; NaN where it is not positive or
        another value is not finite.
    """
    xp = namespace(stencil)
    values = flat_maps(stencil)
    centre = values[:, 12:13]
    # the limit below would hide -inf
    total = weighted_sums(values, table_like(values, _ones))
    usable = (centre > 0) & xp.isfinite(total)
    ratio = values / select(usable, centre, math.nan)
    logs = xp.log(at_least(ratio, LOWEST))
    differences = weighted_sums(logs, table_like(logs, difference_weights))
    return Derivatives(*(differences[:, i] for i in range(5)))


def _ones() -> np.ndarray:
    """Weights of a sum, which BLAS takes faster than numpy: (25, 1)."""
    return np.ones((25, 1), np.float32)


def difference_weights() -> np.ndarray:
    """Weights of the 25 values for each derivative, (25, 5)."""
    weights = np.zeros((5, 5, 5), np.float32)  # row, column, derivative
    weights[2, [3, 1], 0] = 0.5, -0.5
    weights[[3, 1], 2, 1] = 0.5, -0.5
    weights[2, [4, 2, 0], 2] = 0.25, -0.5, 0.25
    weights[[3, 1, 3, 1], [3, 1, 1, 3], 3] = 0.25, 0.25, -0.25, -0.25
    weights[[4, 2, 0], 2, 4] = 0.25, -0.5, 0.25
    return weights.reshape(25, 5)


def newton_step(d: Derivatives) -> tuple[Array, Array]:
    """To the maximum of the parabola through a point: -D''^-1 D', Eq. 9.

    Args:
        d (Derivatives): At M points.

    Returns:
        tuple[Array, Array]: Steps (x, y) in px, (M, 2), not limited in any
        way, and a mask (M,): where it is False the parabola has no maximum
        (D'' is not negative definite, or not finite), and the step is 0.
    """
    xp = namespace(d.dx)
    determinant = d.dxx * d.dyy - d.dxy * d.dxy
    x = (d.dxy * d.dy - d.dyy * d.dx) / determinant
    y = (d.dxy * d.dx - d.dxx * d.dy) / determinant
    # comparisons with NaN are False
    solved = (
        (d.dxx < -MIN_CURVATURE)
        & (d.dyy < -MIN_CURVATURE)
        & (determinant > MIN_CURVATURE**2)
        & xp.isfinite(determinant + x + y)
    )
    return select(solved, pairs(x, y), 0.0), solved


def limit_step(step: Array, radius: float) -> Array:
    """Shorten steps (M, 2) to a trust region of this radius, both in px."""
    return step * (radius / at_least(_length(step), radius))
