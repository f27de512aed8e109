"""Derivatives of a stencil, the step and the covariance of one map: Eq. 6-9.

See :mod:`dark_codec.functional.refine` and ``covariance``.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

import math

import numpy as np

from ..functional.covariance import CORRELATION_LIMIT
from ..functional.refine import LOWEST, MIN_CURVATURE
from ._cpu_compile import part
from ._cpu_smooth import SIDE

_LOWEST = np.float32(LOWEST)
_LEAST_CURVATURE = np.float32(MIN_CURVATURE)
_HALF, _QUARTER = np.float32(0.5), np.float32(0.25)
_NAN = np.float32(math.nan)
_CORRELATION_LIMIT = np.float32(CORRELATION_LIMIT)


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
    right, left = _log(stencil[2, 3], centre), _log(stencil[2, 1], centre)
    below, above = _log(stencil[3, 2], centre), _log(stencil[1, 2], centre)
    along = _log(stencil[3, 3], centre) + _log(stencil[1, 1], centre)
    across = _log(stencil[3, 1], centre) + _log(stencil[1, 3], centre)
    sides_x = _log(stencil[2, 4], centre) + _log(stencil[2, 0], centre)
    sides_y = _log(stencil[4, 2], centre) + _log(stencil[0, 2], centre)
    return (
        _HALF * (right - left),
        _HALF * (below - above),
        _QUARTER * sides_x,
        _QUARTER * (along - across),
        _QUARTER * sides_y,
    )


@part
def _log(value, centre):
    ratio = value / centre
    return np.float32(math.log(ratio if ratio > _LOWEST else _LOWEST))


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


@part
def write_unknown(row):
    """Write an unknown covariance: infinite variances, no correlation."""
    if row.size == 4:
        return
    row[4] = row[7] = np.inf
    row[5] = row[6] = 0
