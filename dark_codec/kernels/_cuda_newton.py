"""Triton: Newton steps and covariances from the derivatives of a log-map.

:mod:`dark_codec.functional.refine` and
:mod:`dark_codec.functional.covariance` for one map.
"""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

from ..functional.covariance import CORRELATION_LIMIT
from ..functional.refine import MIN_CURVATURE

_INF = tl.constexpr(float('inf'))
_CORRELATION_LIMIT = tl.constexpr(CORRELATION_LIMIT)
_MIN_CURVATURE = tl.constexpr(MIN_CURVATURE)


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
