"""How far a heatmap spreads round its peak.

For a map shaped as a Gaussian of covariance C that was smoothed with a kernel
of covariance S, the log's second derivatives are -(C + S)^-1 everywhere.
"""

from __future__ import annotations

import math

from ._backend import Array, at_least, namespace
from .refine import Derivatives


def spread(
    d: Derivatives, kernel_x: Array | float, kernel_y: Array | float
) -> Array:
    """Covariance of the map itself: -D''^-1 less the kernel's.

    Args:
        d (Derivatives): Of the log of M smoothed maps, at their peaks.
        kernel_x (Array | float): Second moment of the smoothing along x in
            px^2, (M,) or one for all.
        kernel_y (Array | float): The same along y.

    Returns:
        Array: Covariances in px^2, (M, 2, 2), x first, float32. Positive
        semi-definite: a variance that noise has made negative is 0.
    """
    xp = namespace(d.dx)
    determinant = d.dxx * d.dyy - d.dxy * d.dxy
    xx = -d.dyy / determinant - kernel_x
    yy = -d.dxx / determinant - kernel_y
    xy = d.dxy / determinant
    # The eigenvalues are mean +- radius; the larger one's projector is
    # (C - smaller * 1) / (2 radius).
    mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    radius = xp.sqrt(half * half + xy * xy)
    larger, smaller = at_least(mean + radius, 0), at_least(mean - radius, 0)
    middle = 0.5 * (larger + smaller)
    # how much of the anisotropy is left after the clamping
    scale = 0.5 * (larger - smaller) / at_least(radius, 1e-12)
    half, xy = scale * half, scale * xy
    return _symmetric(middle + half, xy, middle - half)


def unknown_where(covariance: Array, known: Array) -> Array:
    """Infinite variances, without correlation, where nothing is known.

    Args:
        covariance (Array): Shape (M, 2, 2).
        known (Array): Mask, (M,).

    Returns:
        Array: Shape (M, 2, 2), without NaN.
    """
    xp = namespace(covariance)
    xx = xp.where(known, covariance[:, 0, 0], math.inf)
    xy = xp.where(known, covariance[:, 0, 1], 0.0)
    yy = xp.where(known, covariance[:, 1, 1], math.inf)
    return _symmetric(xx, xy, yy)


def _symmetric(xx: Array, xy: Array, yy: Array) -> Array:
    """(M, 2, 2) from three (M,)."""
    stack = namespace(xx).stack
    return stack([stack([xx, xy], 1), stack([xy, yy], 1)], 1)
