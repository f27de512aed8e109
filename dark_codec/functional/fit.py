"""Maximum-likelihood fit of a Gaussian to a heatmap.

For a Gaussian of known sigma and unknown height in white noise the likelihood
of a centre mu is largest where

    f(mu) = ln <h, g_mu> - 1/2 ln <g_mu, g_mu>

is, with ``g_mu(x) = exp(-|x - mu|^2 / (2 sigma^2))`` on the pixels that are
visible. Inside the map the second term is constant, and f is the log of the
map smoothed with the training sigma, which the Taylor step expands at whole
pixels. Near the border the second term accounts for what the border hides.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ._backend import (
    ALL,
    Array,
    Rows,
    bilinear_forms,
    is_empty,
    namespace,
    pairs,
    rows_left,
    table_like,
    weighted_sums,
    with_rows,
    zeros_like,
)
from .covariance import spread
from .peaks import Peaks, gather_windows, map_middle
from .refine import Derivatives, limit_step, newton_step

# Newton's method doubles the digits with each step. Clean Gaussians are found
# to 1e-3 px in three steps and to 1e-5 px in four, beside the border too; on
# real maps 3 of 10,000 are then more than 1e-3 px from the limit.
FIT_STEPS = 4
_MAX_STEP = 1.0  # px
# A map whose last step was shorter is left alone where that saves time: the
# next one would be of the order of its square.
_CONVERGED = 3e-3  # px


class _Axis(NamedTuple):
    """The Gaussians along one axis of M windows.

    Positions are counted from the middle of a window: small numbers, whose
    squares keep their digits.

    Attributes:
        moments (Array): g, u g and u^2 g at each position u, (M, 3, length).
        mean (Array): Mean of u under g^2, (M,).
        variance (Array): Variance of u under g^2, (M,): sigma^2 / 2 where no
            border cuts it off.
    """

    moments: Array
    mean: Array
    variance: Array


def _powers(length: int) -> np.ndarray:
    """1, u and u^2 at each position of a window, (3, length)."""
    u = np.arange(length, dtype=np.float32) - (length - 1) / 2
    return np.stack([u**0, u, u * u]).astype(np.float32)


def _axis(centre: Array, length: int, sigma: float) -> _Axis:
    """The Gaussians with these centres, (M,), from the middle of a window."""
    powers = table_like(centre, _powers, length)
    t = powers[1] - centre[:, None]
    g = namespace(t).exp(t * t * (-0.5 / sigma**2))
    sums = weighted_sums(g * g, powers.T)
    mean = sums[:, 1] / sums[:, 0]
    return _Axis(
        powers * g[:, None],
        mean,
        sums[:, 2] / sums[:, 0] - mean * mean,
    )


def _pixel_table(length: int, sigma: float) -> np.ndarray:
    """What an axis is at each pixel of a window, (length, 3 * length + 2)."""
    axis = _axis(_powers(length)[1], length, sigma)
    moments = axis.moments.reshape(length, 3 * length)
    return np.column_stack([moments, axis.mean, axis.variance])


def _pixel_axis(place: Array, length: int, sigma: float) -> _Axis:
    """The Gaussians at whole pixels (M,) of windows, from a table."""
    table = table_like(place, _pixel_table, length, sigma)[place]
    moments = table[:, :-2].reshape(place.shape[0], 3, length)
    return _Axis(moments, table[:, -2], table[:, -1])


def _axes(centres: Array, windows: Array, sigma: float) -> tuple[_Axis, _Axis]:
    """The Gaussians with these centres, (M, 2), along x and y."""
    height, width = windows.shape[1:]
    return (
        _axis(centres[:, 0], width, sigma),
        _axis(centres[:, 1], height, sigma),
    )


def _derivatives(
    x: _Axis, y: _Axis, windows: Array, sigma: float
) -> Derivatives:
    """Of f, at the centres of the Gaussians; NaN where <h, g> <= 0.

    A derivative of g by its centre is g times (u - mu) / sigma^2, so those of
    ln <h, g> are the mean and the covariance of u under h g, and those of
    1/2 ln <g, g> are the ones under g^2.
    """
    sums = bilinear_forms(y.moments, windows, x.moments)
    total = sums[:, :1, :1]
    a = sums / namespace(total).where(total > 0, total, math.nan)
    mean_x, mean_y = a[:, 0, 1], a[:, 1, 0]
    first, second = 1 / sigma**2, 1 / sigma**4
    return Derivatives(
        dx=(mean_x - x.mean) * first,
        dy=(mean_y - y.mean) * first,
        dxx=(a[:, 0, 2] - mean_x * mean_x - 2 * x.variance) * second,
        dxy=(a[:, 1, 1] - mean_x * mean_y) * second,
        dyy=(a[:, 2, 0] - mean_y * mean_y - 2 * y.variance) * second,
    )


def _covariance(centres: Array, windows: Array, sigma: float) -> Array:
    x, y = _axes(centres, windows, sigma)
    # less the Gaussian's own spread, 2 sigma^2 inside, of which half is the
    # map's
    return spread(
        _derivatives(x, y, windows, sigma),
        sigma**4 / x.variance - sigma**2,
        sigma**4 / y.variance - sigma**2,
    )


def window_radius(sigma: float) -> int:
    """How far from the peak the fit reads, in px."""
    return math.ceil(3 * sigma)


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
    windows, column, row = gather_windows(
        heatmaps, peaks.x, peaks.y, window_radius(sigma)
    )
    height, width = windows.shape[1:]
    middle = table_like(windows, map_middle, width, height)
    start = pairs(column, row) - middle
    offset = zeros_like(windows, (windows.shape[0], 2))
    solved = namespace(peaks.valid).ones_like(peaks.valid)
    rows: Rows = ALL
    x, y = _pixel_axis(column, width, sigma), _pixel_axis(row, height, sigma)
    for number in range(FIT_STEPS):
        before, maps = offset[rows], windows[rows]
        if number > 0:
            x, y = _axes(start[rows] + before, maps, sigma)
        step, concave = newton_step(_derivatives(x, y, maps, sigma))
        after = limit_step(
            before + limit_step(step, _MAX_STEP), max(1.0, sigma)
        )
        offset = with_rows(offset, rows, after)
        solved = with_rows(solved, rows, concave)
        rows = rows_left(rows, step, _CONVERGED)
        if is_empty(rows):
            break
    covariance = None
    if with_covariance:
        covariance = _covariance(start + offset, windows, sigma)
    return offset, solved, covariance
