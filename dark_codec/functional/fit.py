"""Maximum-likelihood fit of a Gaussian to a heatmap.

For a Gaussian of known sigma and unknown height in white noise the likelihood
of a centre mu is largest where

    f(mu) = ln <h, g_mu> - 1/2 ln <g_mu, g_mu>

is, with ``g_mu(x) = exp(-|x - mu|^2 / (2 sigma^2))`` on the pixels that are
visible. Inside the map the second term is constant, and f is the log of the
map smoothed with the training sigma, which the Taylor step expands at whole
pixels. Near the border the second term accounts for what the border hides.

All positions here are counted from the peak's pixel.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .covariance import spread
from .peaks import Peaks, Windows, gather_windows
from .refine import LOWEST, Derivatives, limit_step, newton_step

# Newton's method doubles the digits with each step. Clean Gaussians are found
# to 1e-3 px in three steps and to 1e-5 px in four, beside the border too; on
# real maps 3 of 10,000 are then more than 1e-3 px from the limit.
FIT_STEPS = 4
MAX_STEP = 1.0  # px
# Of narrower Gaussians f is concave around its maximum only, not as far off as
# half a pixel: Newton's method needs a start.
NARROW = 1.0  # px


class _Axis(NamedTuple):
    """The Gaussians along one axis of M windows of L px.

    Attributes:
        g (Tensor): Their values, (M, L), 0 outside of the map.
        mean (Tensor): Mean position under g^2, (M,).
        variance (Tensor): Variance under g^2, (M,): sigma^2 / 2 where no
            border cuts it off.
    """

    g: Tensor
    mean: Tensor
    variance: Tensor


def _positions(inside: Tensor) -> Tensor:
    """Return the positions of an axis' L pixels, (L,), 0 in the middle."""
    radius = inside.shape[1] // 2
    return torch.arange(
        -radius, radius + 1, dtype=torch.float32, device=inside.device
    )


def _axis(centre: Tensor, inside: Tensor, sigma: float) -> _Axis:
    """Return the Gaussians with these centres, (M,)."""
    u = _positions(inside)
    t = u - centre[:, None]
    g = (t * t * (-0.5 / sigma**2)).exp() * inside
    weights = g * g
    weights = weights / weights.sum(1, keepdim=True)
    mean = (weights * u).sum(1)
    return _Axis(g, mean, (weights * u * u).sum(1) - mean * mean)


def _derivatives(
    offset: Tensor, windows: Windows, sigma: float
) -> tuple[Derivatives, Tensor, Tensor]:
    """Compute derivatives of f at offsets (M, 2); NaN where <h, g> <= 0.

    A derivative of g by its centre is g times (u - mu) / sigma^2, so those of
    ln <h, g> are the mean and the covariance of u under h g, and those of
    1/2 ln <g, g> are the ones under g^2.

    Returns:
        tuple[Derivatives, Tensor, Tensor]: And the variances under g^2 along
        x and y, (M,).
    """
    x = _axis(offset[:, 0], windows.inside_x, sigma)
    y = _axis(offset[:, 1], windows.inside_y, sigma)
    u = _positions(windows.inside_x)
    # each row's sums of h g_x, u h g_x and u^2 h g_x
    first = windows.values * x.g[:, None]
    rows = [first.sum(2), (first * u).sum(2), (first * (u * u)).sum(2)]
    total = (rows[0] * y.g).sum(1)
    share = y.g / torch.where(total > 0, total, math.nan)[:, None]
    mean_x = (rows[1] * share).sum(1)
    mean_y = (rows[0] * share * u).sum(1)
    xx = (rows[2] * share).sum(1) - mean_x * mean_x
    xy = (rows[1] * share * u).sum(1) - mean_x * mean_y
    yy = (rows[0] * share * u * u).sum(1) - mean_y * mean_y
    derivatives = Derivatives(
        dx=(mean_x - x.mean) / sigma**2,
        dy=(mean_y - y.mean) / sigma**2,
        dxx=(xx - 2 * x.variance) / sigma**4,
        dxy=xy / sigma**4,
        dyy=(yy - 2 * y.variance) / sigma**4,
    )
    return derivatives, x.variance, y.variance


def _start(windows: Windows, sigma: float) -> Tensor:
    """Estimate the centre from the peak and its higher neighbour.

    Exact for a clean Gaussian: along an axis ln h is a parabola of known
    curvature, so two of its values tell its centre. Within half a pixel; and
    not away from the higher neighbour, but at the border, where it may be
    the only one.

    Returns:
        Tensor: Offsets (x, y) in px, (M, 2).
    """
    middle = windows.values.shape[1] // 2
    peak = windows.values[:, middle, middle]
    column, row = windows.values[:, :, middle], windows.values[:, middle]
    offsets = []
    for line, inside in ((row, windows.inside_x), (column, windows.inside_y)):
        values = torch.where(inside, line, -math.inf)
        behind, ahead = values[:, middle - 1], values[:, middle + 1]
        ratio = torch.maximum(behind, ahead) / peak
        shift = 0.5 + sigma**2 * ratio.clamp(min=LOWEST).log()
        interior = inside[:, middle - 1] & inside[:, middle + 1]
        shift = shift.clamp(min=-0.5)
        shift = torch.where(interior, shift.clamp(min=0), shift)
        sign = (ahead > behind).float() - (ahead < behind).float()
        offsets.append(sign * shift)
    return torch.stack(offsets, 1)


def window_radius(sigma: float) -> int:
    """Return the distance from the peak that the fit reads, in px."""
    return math.ceil(3 * sigma)


def fit_gaussian(
    heatmaps: Tensor, peaks: Peaks, sigma: float, with_covariance: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Fit a Gaussian of known sigma at each peak, border-aware.

    :data:`FIT_STEPS` Newton steps on f, each of at most 1 px, all within
    max(1, sigma) px of the peak: from the peak, or for a sigma below 1 px
    from where the peak's neighbours put the centre.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.
        sigma (float): Standard deviation of the training targets in heatmap
            px.
        with_covariance (bool): Whether to estimate covariances.

    Returns:
        tuple[Tensor, Tensor, Tensor | None]: Offsets (x, y) from the peaks
        in heatmap px, (M, 2), float32; a mask (M,), False where f is not
        concave at the last step (the offset is then of no use); and the
        maps' covariances at the fitted centres in px^2, (M, 2, 2), exact
        for anisotropic Gaussians inside the map and for the training
        Gaussian everywhere.
    """
    windows = gather_windows(heatmaps, peaks.x, peaks.y, window_radius(sigma))
    if sigma < NARROW:
        offset = _start(windows, sigma)
    else:
        offset = torch.zeros_like(windows.values[:, 0, :2])
    solved = peaks.valid
    for _ in range(FIT_STEPS):
        step, solved = newton_step(_derivatives(offset, windows, sigma)[0])
        offset = offset + limit_step(step, MAX_STEP)
        offset = limit_step(offset, max(1.0, sigma))
    if not with_covariance:
        return offset, solved, None
    derivatives, variance_x, variance_y = _derivatives(offset, windows, sigma)
    # less the Gaussian's own spread, 2 sigma^2 inside, of which half is the
    # map's
    covariance = spread(
        derivatives,
        sigma**4 / variance_x - sigma**2,
        sigma**4 / variance_y - sigma**2,
    )
    return offset, solved, covariance
