"""Triton: the Taylor step from the derivatives of a log-map, Eq. 6-9.

:mod:`dark_codec.functional.refine` and
:mod:`dark_codec.functional.covariance` for one map.
"""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

from ...functional.covariance import CORRELATION_LIMIT
from ...functional.modulate import STENCIL_RADIUS
from ...functional.refine import LOWEST, MIN_CURVATURE

_INF = tl.constexpr(float('inf'))
_CORRELATION_LIMIT = tl.constexpr(CORRELATION_LIMIT)
_LOWEST = tl.constexpr(LOWEST)
_MARGIN = tl.constexpr(STENCIL_RADIUS)
_MIN_CURVATURE = tl.constexpr(MIN_CURVATURE)


@triton.jit
def _second_difference(position):
    weight = tl.where(position == 0, -0.5, 0.0)
    return tl.where(tl.abs(position) == 2, 0.25, weight)


@triton.jit
def log_derivatives(stencil):
    """D' and D'' of Eq. 6-8: finite differences of the log, as DarkPose's.

    Takes what :func:`.smooth.smoothed_stencil` gives.

    Returns:
        tuple: dx, dy, dxx, dxy, dyy, and whether they are of use: the centre
        is positive and all values are finite.
    """
    column = tl.arange(0, 8)[None, :] - _MARGIN
    row = tl.arange(0, 8)[:, None] - _MARGIN
    inside = (row <= _MARGIN) & (column <= _MARGIN)
    centre = tl.sum(tl.where((row == 0) & (column == 0), stencil, 0.0))
    # the limit below would hide -inf
    usable = (centre > 0) & (tl.abs(tl.sum(stencil)) < _INF)
    ratio = stencil / tl.where(usable, centre, 1.0)
    logs = tl.where(inside, tl.log(tl.maximum(ratio, _LOWEST)), 0.0)
    # first derivatives over +-1 px, pure second derivatives over +-2 px
    first_x = tl.where(tl.abs(column) == 1, 0.5 * column, 0.0)
    first_y = tl.where(tl.abs(row) == 1, 0.5 * row, 0.0)
    second_x = _second_difference(column)
    second_y = _second_difference(row)
    return (
        tl.sum(tl.where(row == 0, logs * first_x, 0.0)),
        tl.sum(tl.where(column == 0, logs * first_y, 0.0)),
        tl.sum(tl.where(row == 0, logs * second_x, 0.0)),
        tl.sum(logs * first_x * first_y),
        tl.sum(tl.where(column == 0, logs * second_y, 0.0)),
        usable,
    )


@triton.jit
def newton_step(dx, dy, dxx, dxy, dyy):
    """Step to the maximum of the parabola: -D''^-1 D', Eq. 9.

    Returns:
        tuple: The step along x and y in px, 0 where D'' is not negative
        definite or not finite, and whether it is.
    """
    determinant = dxx * dyy - dxy * dxy
    x = (dxy * dy - dyy * dx) / determinant
    y = (dxy * dx - dxx * dy) / determinant
    # comparisons with NaN are False
    solved = (
        (dxx < -_MIN_CURVATURE)
        & (dyy < -_MIN_CURVATURE)
        & (determinant > _MIN_CURVATURE * _MIN_CURVATURE)
        & (tl.abs(determinant + x + y) < _INF)
    )
    return tl.where(solved, x, 0.0), tl.where(solved, y, 0.0), solved


@triton.jit
def limit_step(x, y, radius):
    """Shorten a step to a trust region of this radius, in px."""
    scale = radius / tl.maximum(tl.sqrt(x * x + y * y), radius)
    return x * scale, y * scale


@triton.jit
def spread(dxx, dxy, dyy, kernel_x, kernel_y):
    """Covariance of the map: -D''^-1 less the kernel's, not below 0.

    Returns:
        tuple: xx, xy and yy in px^2; of no use where D'' is not negative
        definite.
    """
    determinant = dxx * dyy - dxy * dxy
    xx = -dyy / determinant - kernel_x
    yy = -dxx / determinant - kernel_y
    xy = dxy / determinant
    # The eigenvalues are mean +- radius; the larger one's projector is
    # (C - smaller * 1) / (2 radius).
    mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    radius = tl.sqrt(half * half + xy * xy)
    larger = tl.maximum(mean + radius, 0.0)
    smaller = tl.maximum(mean - radius, 0.0)
    middle = 0.5 * (larger + smaller)
    # how much of the anisotropy is left after the clamping
    scale = 0.5 * (larger - smaller) / tl.maximum(radius, 1e-12)
    xx = tl.maximum(middle + scale * half, 0.0)
    yy = tl.maximum(middle - scale * half, 0.0)
    limit = tl.sqrt(xx) * tl.sqrt(yy) * _CORRELATION_LIMIT
    return xx, tl.minimum(tl.maximum(scale * xy, -limit), limit), yy
