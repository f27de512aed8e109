"""Covariance of a heatmap round its peak.

For a map shaped as a Gaussian of covariance C that was smoothed with a kernel
of covariance S, the log's second derivatives are -(C + S)^-1 everywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .refine import Derivatives

# Of the largest correlation: the rounding of float32, also after a change to
# input px, leaves the covariance positive semi-definite
CORRELATION_LIMIT = 1 - 1e-6


def spread(
    d: Derivatives, kernel_x: Tensor | float, kernel_y: Tensor | float
) -> Tensor:
    """Return the covariance of the map itself: -D''^-1 less the kernel's.

    Args:
        d (Derivatives): Of the log of M smoothed maps, at their peaks.
        kernel_x (Tensor | float): Second moment of the smoothing along x in
            px^2, (M,) or one for all.
        kernel_y (Tensor | float): The same along y.

    Returns:
        Tensor: Covariances in px^2, (M, 2, 2), x first, float32. Positive
        semi-definite: a variance that noise has made negative is 0.
    """
    determinant = d.dxx * d.dyy - d.dxy * d.dxy
    xx = -d.dyy / determinant - kernel_x
    yy = -d.dxx / determinant - kernel_y
    xy = d.dxy / determinant
    # The eigenvalues are mean +- radius; the larger one's projector is
    # (C - smaller * 1) / (2 radius).
    mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    radius = (half * half + xy * xy).sqrt()
    larger, smaller = (
        (mean + radius).clamp(min=0),
        (mean - radius).clamp(min=0),
    )
    middle = 0.5 * (larger + smaller)
    # how much of the anisotropy is left after the clamping
    scale = 0.5 * (larger - smaller) / radius.clamp(min=1e-12)
    xx = (middle + scale * half).clamp(min=0)
    yy = (middle - scale * half).clamp(min=0)
    limit = xx.sqrt() * yy.sqrt() * CORRELATION_LIMIT
    xy = torch.minimum(torch.maximum(scale * xy, -limit), limit)
    return _symmetric(xx, xy, yy)


def unknown_where(covariance: Tensor, known: Tensor) -> Tensor:
    """Set infinite variances, without correlation, where not solved.

    Args:
        covariance (Tensor): Shape (M, 2, 2).
        known (Tensor): Mask, (M,).

    Returns:
        Tensor: Shape (M, 2, 2), without NaN.
    """
    xx = torch.where(known, covariance[:, 0, 0], math.inf)
    xy = torch.where(known, covariance[:, 0, 1], 0.0)
    yy = torch.where(known, covariance[:, 1, 1], math.inf)
    return _symmetric(xx, xy, yy)


def _symmetric(xx: Tensor, xy: Tensor, yy: Tensor) -> Tensor:
    """Build matrices (M, 2, 2) from three (M,)."""
    return torch.stack([xx, xy, xy, yy], 1).unflatten(1, (2, 2))
