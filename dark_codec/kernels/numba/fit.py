"""Maximum-likelihood fit of a Gaussian, border-aware.

Does what :mod:`dark_codec.functional.fit` does, for one map. Positions are
counted from the peak's pixel. A constant factor of the Gaussian cancels, so
that g(u) = exp(-u^2 / 2 sigma^2) q^u with q = exp(offset / sigma^2): this
needs one exponential for each axis instead of one for each pixel.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

import math

import numpy as np

from ...functional.fit import FIT_STEPS, MAX_STEP, NARROW
from ...functional.refine import LOWEST
from .compile import part, part_of_sums
from .maps import cut_window, u
from .taylor import limit_step, newton_step, write_spread

_LONGEST = np.float32(MAX_STEP)
# px; the step after this one would be of the order of its square
_CONVERGED = np.float32(3e-3)
_LOWEST = np.float32(LOWEST)
_HALF = np.float32(0.5)
_NAN = np.float32(math.nan)
_NO_PIXEL = np.float32(-math.inf)


@part
def _start(here, sigma):
    """Where the fit starts: at the peak for a sigma of 1 px or more.

    Narrower Gaussians start where the peak's neighbours put the centre.

    Returns:
        tuple[float, float]: Offset in x and y.
    """
    if sigma >= NARROW:
        return np.float32(0), np.float32(0)
    values, width, height, x, y = here
    peak = y * width + x
    left = values[peak - u(1)] if x > 0 else _NO_PIXEL
    right = values[peak + u(1)] if x + u(1) < width else _NO_PIXEL
    above = values[peak - width] if y > 0 else _NO_PIXEL
    below = values[peak + width] if y + u(1) < height else _NO_PIXEL
    highest, square = values[peak], sigma * sigma
    return (
        _between(left, right, x > 0 and x + u(1) < width, highest, square),
        _between(above, below, y > 0 and y + u(1) < height, highest, square),
    )


@part
def _between(behind, ahead, interior, highest, square):
    """Start along one axis, exact for a clean Gaussian.

    The log of a Gaussian is a parabola of known curvature.
    """
    if not (ahead > behind or ahead < behind):
        return np.float32(0)
    ratio = max(max(ahead, behind) / highest, _LOWEST)
    shift = _HALF + square * np.float32(math.log(ratio))
    shift = max(shift, np.float32(0) if interior else -_HALF)
    return shift if ahead > behind else -shift


@part_of_sums
def _axis(offset, sigma, taps, first, end, g):
    """Compute the Gaussian along an axis, mean and variance of its square.

    Args:
        offset (float): Its centre.
        sigma (float): Its standard deviation.
        taps (float32[:]): The Gaussian whose centre is the peak.
        first (int): The first pixel inside of the map.
        end (int): One past the last pixel.
        g (float32[:]): Gets its values, 0 where there is no pixel.
    """
    reach = u(taps.size) // u(2)
    q, power = np.float32(math.exp(offset / (sigma * sigma))), np.float32(1)
    g[:] = 0
    for i in range(reach, end):
        g[i] = taps[i] * power
        power *= q
    q, power = np.float32(1) / q, np.float32(1)
    for i in range(u(1), reach + u(1) - first):
        power *= q
        g[reach - i] = taps[reach - i] * power
    total = mean = square = np.float32(0)
    for i in range(first, end):
        at = np.float32(i) - np.float32(reach)
        weight = g[i] * g[i]
        total += weight
        mean += weight * at
        square += weight * at * at
    mean /= total
    return mean, square / total - mean * mean


@part_of_sums
def _moments(window, first, end, g_x, g_y, at, sums):
    """Sums of h g times 1, u, v, u^2, u v and v^2.

    Args:
        window (float32[:, :]): h.
        first (int): The first row inside of the map.
        end (int): One past the last row.
        g_x (float32[:]): The Gaussian along x.
        g_y (float32[:]): The Gaussian along y.
        at (float32[:]): Positions u or v along an axis.
        sums (float32[:, :]): Room for three rows of the window.
    """
    columns = u(window.shape[1])
    # along y, for all columns at once
    sums[:] = 0
    for j in range(first, end):
        weight = g_y[j]
        weight_v = weight * at[j]
        weight_vv = weight_v * at[j]
        for i in range(columns):
            sums[0, i] += weight * window[j, i]
            sums[1, i] += weight_v * window[j, i]
            sums[2, i] += weight_vv * window[j, i]
    one = x = y = xx = xy = yy = np.float32(0)
    for i in range(columns):
        weight = g_x[i]
        weight_u = weight * at[i]
        one += weight * sums[0, i]
        x += weight_u * sums[0, i]
        xx += weight_u * at[i] * sums[0, i]
        y += weight * sums[1, i]
        xy += weight_u * sums[1, i]
        yy += weight * sums[2, i]
    return one, x, y, xx, xy, yy


@part
def _derivatives(window, edges, offset, model, room):
    """Derivatives of f = ln <h, g> - 1/2 ln <g, g> by the centre of g.

    Args:
        window (float32[:, :]): h around the peak.
        edges (tuple[int, int, int, int]): From :func:`.maps.cut_window`.
        offset (tuple[float, float]): The centre of g.
        model (Model): The Gaussian.
        room (float32[:, :]): Six rows, the third of which holds positions.

    Returns:
        tuple: What log_derivatives returns, NaN where <h, g> <= 0, and the
        variances along x and y under g^2.
    """
    left, right, top, bottom = edges
    taps, sigma = model.taps, model.sigma
    g_x, g_y, at, sums = room[0], room[1], room[2], room[3:]
    mean_x, variance_x = _axis(offset[0], sigma, taps, left, right, g_x)
    mean_y, variance_y = _axis(offset[1], sigma, taps, top, bottom, g_y)
    one, x, y, xx, xy, yy = _moments(window, top, bottom, g_x, g_y, at, sums)
    scale = np.float32(1) / one if one > 0 else _NAN
    x, y, xx, xy, yy = x * scale, y * scale, xx * scale, xy * scale, yy * scale
    first = np.float32(1) / (sigma * sigma)
    second = first * first
    derivatives = (
        (x - mean_x) * first,
        (y - mean_y) * first,
        (xx - x * x - 2 * variance_x) * second,
        (xy - x * y) * second,
        (yy - y * y - 2 * variance_y) * second,
    )
    return derivatives, variance_x, variance_y


@part
def room_to_fit(model):
    """Allocate a window, and room for the Gaussians, positions and sums."""
    columns = model.taps.size
    reach = columns // 2
    pitch = (columns + 7) // 8 * 8
    window = np.zeros((columns, pitch), np.float32)
    room = np.zeros((6, pitch), np.float32)
    for i in range(columns):
        room[2, i] = i - reach
    return window, room


@part
def fit(here, model, room, row):
    """Newton steps on f from the peak of a map.

    Args:
        here (Map): The map.
        model (Model): The Gaussian: its values around its centre are the
            taps.
        room (tuple): From :func:`room_to_fit`.
        row (float32[:]): Gets the covariance, if it has a place for it.

    Returns:
        tuple[tuple[float, float], bool]: The centre, counted from the peak,
        and whether f is concave there.
    """
    window, sums = room
    edges = cut_window(here, window)
    offset, solved = _start(here, model.sigma), False
    for _ in range(FIT_STEPS):
        derivatives, _, _ = _derivatives(window, edges, offset, model, sums)
        step, solved = newton_step(derivatives)
        if not solved:
            return offset, False
        x, y = limit_step(step, _LONGEST)
        offset = limit_step((offset[0] + x, offset[1] + y), model.trust_radius)
        if max(abs(step[0]), abs(step[1])) < _CONVERGED:
            break
    if row.size > 4:
        derivatives, variance_x, variance_y = _derivatives(
            window, edges, offset, model, sums
        )
        # less the Gaussian's own spread, as fit_gaussian
        square = model.sigma * model.sigma
        write_spread(
            row,
            derivatives,
            square * square / variance_x - square,
            square * square / variance_y - square,
        )
    return offset, solved
