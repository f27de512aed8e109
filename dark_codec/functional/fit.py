"""Maximum-likelihood fit of a Gaussian to a heatmap.

For a Gaussian of known sigma and unknown height in white noise the likelihood
of a centre mu is largest where

    f(mu) = ln <h, g_mu> - 1/2 ln <g_mu, g_mu>

is, with g_mu(x) = exp(-|x - mu|^2 / (2 sigma^2)) on the pixels that are
visible. Inside the map the second term is constant, and f is the log of the
map smoothed with the training sigma, which the Taylor step expands at whole
pixels. Near the border the second term accounts for what the border hides.
"""

from __future__ import annotations

import math

from ._backend import (
    Array,
    arange_like,
    bilinear_forms,
    float32,
    namespace,
    zeros_like,
)
from .covariance import spread
from .peaks import Peaks, gather_windows
from .refine import Derivatives, limit_step, newton_step

# Newton's method doubles the digits with each step. Clean Gaussians are found
# to 1e-3 px in three steps and to 1e-5 px in four, beside the border too; on
# real maps 3 of 10,000 are then more than 1e-3 px from the limit.
FIT_STEPS = 4
_MAX_STEP = 1.0  # px


def _profiles(grid: Array, centre: Array, sigma: float) -> Array:
    """G and its first two derivatives by the centre: (M, 3, length)."""
    t = (grid - centre[:, None]) / sigma
    xp = namespace(t)
    g = xp.exp(-0.5 * t * t)
    return xp.stack([g, t * g / sigma, (t * t - 1) * g / sigma**2], 1)


def _log_norm_derivatives(profiles: Array) -> tuple[Array, Array]:
    """First and second derivative of 1/2 ln <g, g> along one axis."""
    g, dg, ddg = profiles[:, 0], profiles[:, 1], profiles[:, 2]
    energy = (g * g).sum(1)
    first = (g * dg).sum(1) / energy
    second = (dg * dg + g * ddg).sum(1) / energy
    return first, second - 2 * first * first


def _own_spread(profiles: Array) -> Array:
    """-1 / f'' of the Gaussian itself along one axis: 2 sigma^2 inside."""
    g, dg = profiles[:, 0], profiles[:, 1]
    energy = (g * g).sum(1)
    mean = (g * dg).sum(1) / energy
    return 1 / ((dg * dg).sum(1) / energy - mean * mean)


def _derivatives(
    along_x: Array, along_y: Array, windows: Array
) -> Derivatives:
    """Of f, at the centres of the profiles; NaN where <h, g> <= 0."""
    forms = bilinear_forms(along_y, windows, along_x)
    product = forms[:, :1, :1]
    a = forms / namespace(product).where(product > 0, product, math.nan)
    ax, ay = a[:, 0, 1], a[:, 1, 0]
    ex, exx = _log_norm_derivatives(along_x)
    ey, eyy = _log_norm_derivatives(along_y)
    return Derivatives(
        dx=ax - ex,
        dy=ay - ey,
        dxx=a[:, 0, 2] - ax * ax - exx,
        dxy=a[:, 1, 1] - ax * ay,
        dyy=a[:, 2, 0] - ay * ay - eyy,
    )


def fit_gaussian(
    heatmaps: Array, peaks: Peaks, sigma: float, with_covariance: bool = False
) -> tuple[Array, Array, Array | None]:
    """Fit a Gaussian of known sigma at each peak, border-aware.

    :data:`FIT_STEPS` Newton steps on f from the peak, each of at most 1 px,
    all within max(1, sigma) px of it.

    Args:
        heatmaps (Array): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.
        sigma (float): Standard deviation of the training targets in heatmap
            px.
        with_covariance (bool): Whether to estimate covariances.

    Returns:
        tuple[Array, Array, Array | None]: Offsets (x, y) from the peaks
        in heatmap px, (M, 2), float32; a mask (M,), False where f is not
        concave at the last step (the offset is then of no use); and the
        maps' covariances at the fitted centres in px^2, (M, 2, 2), exact
        for anisotropic Gaussians inside the map and for the training
        Gaussian everywhere.
    """
    radius = math.ceil(3 * sigma)
    windows, column, row = gather_windows(heatmaps, peaks.x, peaks.y, radius)
    grid_x = _grid(windows.shape[2], column)
    grid_y = _grid(windows.shape[1], row)
    offset = zeros_like(windows, (len(windows), 2))
    for _ in range(FIT_STEPS):
        along_x = _profiles(grid_x, offset[:, 0], sigma)
        along_y = _profiles(grid_y, offset[:, 1], sigma)
        derivatives = _derivatives(along_x, along_y, windows)
        step, solved = newton_step(derivatives)
        offset = limit_step(
            offset + limit_step(step, _MAX_STEP), max(1.0, sigma)
        )
    covariance = None
    if with_covariance:
        # one step before the end, which is 1e-3 px from it at most
        covariance = spread(
            derivatives,
            _own_spread(along_x) - sigma**2,
            _own_spread(along_y) - sigma**2,
        )
    return offset, solved, covariance


def _grid(length: int, origin: Array) -> Array:
    """Distance of each pixel of a window from its peak, (M, length)."""
    return arange_like(length, origin) - float32(origin)[:, None]
