"""Triton: the maximum-likelihood fit of a Gaussian.

:mod:`dark_codec.functional.fit` for one map. Positions are counted from the
peak, in heatmap px.
"""
# mypy: allow-untyped-defs

import triton
import triton.language as tl

from ...functional.fit import FIT_STEPS, MAX_STEP
from ...functional.refine import LOWEST
from .maps import value_or
from .taylor import limit_step, newton_step, spread

_INF = tl.constexpr(float('inf'))
_LOWEST = tl.constexpr(LOWEST)
_STEPS = tl.constexpr(FIT_STEPS)
_LONGEST = tl.constexpr(MAX_STEP)


@triton.jit
def _axis(
    centre, peak, length, sigma, RADIUS: tl.constexpr, COLUMNS: tl.constexpr
):
    """Moments along one axis of the Gaussian with this centre.

    Returns:
        tuple: Mean and variance of the position under its square.
    """
    u = tl.arange(0, COLUMNS) - RADIUS
    g = _gaussian(u, centre, peak, length, sigma, RADIUS)
    total = tl.sum(g * g, 0)
    mean = tl.sum(g * g * u, 0) / total
    return mean, tl.sum(g * g * (u * u), 0) / total - mean * mean


@triton.jit
def _gaussian(u, centre, peak, length, sigma, RADIUS: tl.constexpr):
    """Values of the Gaussian at u, 0 outside of the window or the map."""
    inside = (u + peak >= 0) & (u + peak < length) & (u <= RADIUS)
    t = u - centre
    return tl.where(inside, tl.exp(t * t * (-0.5 / (sigma * sigma))), 0.0)


@triton.jit
def _derivatives(
    heatmap,
    offset_x,
    offset_y,
    x,
    y,
    sigma,
    RADIUS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Derivatives of f = ln <h, g> - 1/2 ln <g, g> by the centre of g.

    The centre is given by its offset from the peak (x, y). The window is
    read ROWS rows at a time; after the first time it is in the cache.

    Returns:
        tuple: dx, dy, dxx, dxy and dyy, whether <h, g> is positive, and the
        variances under g^2 along x and y.
    """
    height, width = heatmap.height, heatmap.width
    u = tl.arange(0, COLUMNS) - RADIUS
    column_in = (u + x >= 0) & (u + x < width) & (u <= RADIUS)
    g_x = _gaussian(u, offset_x, x, width, sigma, RADIUS)
    # each column's sums of h g_y, v h g_y and v^2 h g_y
    sums = tl.zeros((COLUMNS,), tl.float32)
    first = tl.zeros((COLUMNS,), tl.float32)
    second = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, 2 * RADIUS + 1, ROWS):
        v = start - RADIUS + tl.arange(0, ROWS)
        row_in = (v + y >= 0) & (v + y < height) & (v <= RADIUS)
        inside = row_in[:, None] & column_in[None, :]
        window = value_or(
            heatmap, inside, (u + x)[None, :], (v + y)[:, None], 0.0
        )
        g_y = _gaussian(v, offset_y, y, height, sigma, RADIUS)
        sums += tl.sum(window * g_y[:, None], 0)
        first += tl.sum(window * (g_y * v)[:, None], 0)
        second += tl.sum(window * (g_y * (v * v))[:, None], 0)
    total = tl.sum(sums * g_x, 0)
    positive = total > 0
    share = g_x / tl.where(positive, total, 1.0)
    at_x, at_y = tl.sum(sums * share * u, 0), tl.sum(first * share, 0)
    xx = tl.sum(sums * share * (u * u), 0) - at_x * at_x
    xy = tl.sum(first * share * u, 0) - at_x * at_y
    yy = tl.sum(second * share, 0) - at_y * at_y
    mean_x, variance_x = _axis(offset_x, x, width, sigma, RADIUS, COLUMNS)
    mean_y, variance_y = _axis(offset_y, y, height, sigma, RADIUS, COLUMNS)
    square = sigma * sigma
    return (
        (at_x - mean_x) / square,
        (at_y - mean_y) / square,
        (xx - 2 * variance_x) / (square * square),
        xy / (square * square),
        (yy - 2 * variance_y) / (square * square),
        positive,
        variance_x,
        variance_y,
    )


@triton.jit
def _start(behind, ahead, interior, highest, sigma):
    """Offset along an axis at which a Gaussian fits peak and neighbours."""
    ratio = tl.maximum(behind, ahead) / highest
    shift = 0.5 + sigma * sigma * tl.log(tl.maximum(ratio, _LOWEST))
    shift = tl.maximum(shift, tl.where(interior, 0.0, -0.5))
    sign = tl.where(ahead > behind, 1.0, tl.where(ahead < behind, -1.0, 0.0))
    return sign * shift


@triton.jit
def fit_gaussian(
    heatmap,
    highest,
    x,
    y,
    sigma,
    trust_radius,
    NARROW: tl.constexpr,
    COVARIANCE: tl.constexpr,
    RADIUS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Newton steps on f from the peak (x, y), whose value is ``highest``.

    Returns:
        tuple: Offset along x and y, whether f was concave at the last step,
        and the covariance xx, xy, yy, 0 without COVARIANCE.
    """
    offset_x, offset_y = 0.0, 0.0
    if NARROW:
        left, right = x > 0, x < heatmap.width - 1
        behind = value_or(heatmap, left, x - 1, y, -_INF)
        ahead = value_or(heatmap, right, x + 1, y, -_INF)
        offset_x = _start(behind, ahead, left & right, highest, sigma)
        above, below = y > 0, y < heatmap.height - 1
        behind = value_or(heatmap, above, x, y - 1, -_INF)
        ahead = value_or(heatmap, below, x, y + 1, -_INF)
        offset_y = _start(behind, ahead, above & below, highest, sigma)
    solved = highest > 0
    for _ in range(_STEPS):
        dx, dy, dxx, dxy, dyy, positive, _, _ = _derivatives(
            heatmap,
            offset_x,
            offset_y,
            x,
            y,
            sigma,
            RADIUS,
            ROWS,
            COLUMNS,
        )
        step_x, step_y, concave = newton_step(dx, dy, dxx, dxy, dyy)
        solved = concave & positive
        step_x = tl.where(solved, step_x, 0.0)
        step_y = tl.where(solved, step_y, 0.0)
        step_x, step_y = limit_step(step_x, step_y, _LONGEST)
        offset_x, offset_y = limit_step(
            offset_x + step_x, offset_y + step_y, trust_radius
        )
    xx, xy, yy = 0.0, 0.0, 0.0
    if COVARIANCE:
        _, _, dxx, dxy, dyy, _, variance_x, variance_y = _derivatives(
            heatmap,
            offset_x,
            offset_y,
            x,
            y,
            sigma,
            RADIUS,
            ROWS,
            COLUMNS,
        )
        # less the Gaussian's own spread, 2 sigma^2 inside, of which half is
        # the map's
        square = sigma * sigma
        xx, xy, yy = spread(
            dxx,
            dxy,
            dyy,
            square * square / variance_x - square,
            square * square / variance_y - square,
        )
    return offset_x, offset_y, solved, xx, xy, yy
