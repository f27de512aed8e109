"""The Taylor step on the log of a map, Eq. 6-9, and its covariance.

Does what :mod:`dark_codec.functional.refine` and
:mod:`dark_codec.functional.covariance` do, for one map.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

import math

import numpy as np

from ...functional.covariance import CORRELATION_LIMIT
from ...functional.refine import LOWEST, MIN_CURVATURE
from .compile import part
from .smooth import SIDE

_CORRELATION_LIMIT = np.float32(CORRELATION_LIMIT)
_LOWEST = np.float32(LOWEST)
_LEAST_CURVATURE = np.float32(MIN_CURVATURE)
_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)
_NAN = np.float32(math.nan)


@part
def taylor_step(stencil, variance, trust_radius, row):
    """Step from the peak of a map to the maximum of the log's parabola.

    Args:
        stencil (float32[:, :]): The 5 x 5 px around the peak, rows first.
        variance (float): Of the kernel that smoothed them, in px^2.
        trust_radius (float): The longest step, in px.
        row (float32[:]): Gets the covariance, if it has a place for it.

    Returns:
        tuple[tuple[float, float], bool]: Step (x, y) in px, and whether there
        is one.
    """
    derivatives = log_derivatives(stencil)
    step, solved = newton_step(derivatives)
    if solved:
        write_spread(row, derivatives, variance, variance)
        step = limit_step(step, trust_radius)
    return step, solved


@part
def log_derivatives(stencil):
    """D' and D'' of Eq. 6-8: dx, dy, dxx, dxy, dyy.

    They are NaN where the centre is not positive or a value is not finite.
    First derivatives are taken over +-1 px, pure second derivatives over
    +-2 px, as DarkPose does, of the log of the ratio to the centre, which is
    0 at the centre.
    """
    total = np.float32(0)
    for j in range(SIDE):
        for i in range(SIDE):
            total += stencil[j, i]
    centre = stencil[2, 2]
    if not (centre > 0 and math.isfinite(total)):
        return _NAN, _NAN, _NAN, _NAN, _NAN
    right, left = _ratio(stencil[2, 3], centre), _ratio(stencil[2, 1], centre)
    below, above = _ratio(stencil[3, 2], centre), _ratio(stencil[1, 2], centre)
    along = _ratio(stencil[3, 3], centre) * _ratio(stencil[1, 1], centre)
    across = _ratio(stencil[3, 1], centre) * _ratio(stencil[1, 3], centre)
    sides_x = _ratio(stencil[2, 4], centre) * _ratio(stencil[2, 0], centre)
    sides_y = _ratio(stencil[4, 2], centre) * _ratio(stencil[0, 2], centre)
    # sums of logs are logs of products, of which fewer have to be taken
    return (
        _HALF * np.float32(math.log(right / left)),
        _HALF * np.float32(math.log(below / above)),
        _QUARTER * np.float32(math.log(sides_x)),
        _QUARTER * np.float32(math.log(along / across)),
        _QUARTER * np.float32(math.log(sides_y)),
    )


@part
def _ratio(value, centre):
    return max(value / centre, _LOWEST)


@part
def newton_step(d):
    """Step to the maximum of the parabola: -D''^-1 D', Eq. 9.

    Returns:
        tuple[tuple[float, float], bool]: Step (x, y) in px, and whether there
        is one.
    """
    dx, dy, dxx, dxy, dyy = d
    determinant = dxx * dyy - dxy * dxy
    x = (dxy * dy - dyy * dx) / determinant
    y = (dxy * dx - dxx * dy) / determinant
    # comparisons with NaN are False
    solved = (
        dxx < -_LEAST_CURVATURE
        and dyy < -_LEAST_CURVATURE
        and determinant > _LEAST_CURVATURE * _LEAST_CURVATURE
        and math.isfinite(determinant + x + y)
    )
    return (x, y), solved


@part
def limit_step(step, radius):
    """Shorten a step (x, y) to a trust region of this radius."""
    x, y = step
    length = np.float32(math.sqrt(x * x + y * y))
    if length > radius:
        scale = radius / length
        return x * scale, y * scale
    return step


@part
def write_spread(row, d, kernel_x, kernel_y):
    """Write the covariance of the map itself, -D''^-1 less the kernel's.

    Rows of tables without covariances have no place for it.
    """
    if row.size == 4:
        return
    _, _, dxx, dxy, dyy = d
    determinant = dxx * dyy - dxy * dxy
    xx = -dyy / determinant - kernel_x
    yy = -dxx / determinant - kernel_y
    xy = dxy / determinant
    # eigenvalues mean +- radius, made positive
    mean, half = _HALF * (xx + yy), _HALF * (xx - yy)
    radius = np.float32(math.sqrt(half * half + xy * xy))
    larger = max(mean + radius, np.float32(0))
    smaller = max(mean - radius, np.float32(0))
    middle = _HALF * (larger + smaller)
    scale = _HALF * (larger - smaller) / max(radius, np.float32(1e-12))
    xx = max(middle + scale * half, np.float32(0))
    yy = max(middle - scale * half, np.float32(0))
    limit = np.float32(math.sqrt(xx) * math.sqrt(yy)) * _CORRELATION_LIMIT
    row[4], row[7] = xx, yy
    row[5] = row[6] = min(max(scale * xy, -limit), limit)
