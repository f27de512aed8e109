"""Maximum-likelihood fit of a Gaussian, border-aware.

As :mod:`dark_codec.functional.fit`, for one map. Positions are counted from
the peak's pixel, and all is known up to a factor of the Gaussians, which
cancels: g(u) = exp(-u^2 / 2 sigma^2) q^u, with q = exp(offset / sigma^2),
needs one exponential an axis, not one a pixel.
"""

from __future__ import annotations

import math

import numpy as np

from ._cpu_compile import part, part_of_sums
from ._cpu_maps import u
from ._cpu_steps import limit_step, newton_step

_STEPS = 4
_MAX_STEP = np.float32(1)  # px
# px; the next step would be of the order of its square
_CONVERGED = np.float32(3e-3)
_LOWEST = np.float32(1e-10)
_HALF = np.float32(0.5)
_NAN = np.float32(math.nan)
_NO_PIXEL = np.float32(-math.inf)


@part
def start_of_fit(values, x, y, width, height, sigma):
    """Where the peak and its neighbours put the centre if sigma < 1 px."""
    here = y * width + x
    left = values[here - u(1)] if x > 0 else _NO_PIXEL
    right = values[here + u(1)] if x + u(1) < width else _NO_PIXEL
    above = values[here - width] if y > 0 else _NO_PIXEL
    below = values[here + width] if y + u(1) < height else _NO_PIXEL
    peak, square = values[here], sigma * sigma
    return (
        _start(left, right, x > 0 and x + u(1) < width, peak, square),
        _start(above, below, y > 0 and y + u(1) < height, peak, square),
    )


@part
def _start(behind, ahead, interior, peak, square):
    """Exact for a clean Gaussian: the log is a parabola of known curvature."""
    if not (ahead > behind or ahead < behind):
        return np.float32(0)
    ratio = max(max(ahead, behind) / peak, _LOWEST)
    shift = _HALF + square * np.float32(math.log(ratio))
    shift = max(shift, np.float32(0) if interior else -_HALF)
    return shift if ahead > behind else -shift


@part
def cut_window(values, x, y, width, height, reach, window):
    """Copy the pixels that the fit uses.

    Args:
        window (float32[:, :]): Gets them, as they lie round the peak.

    Returns:
        tuple[int, int, int, int]: Columns and rows from and up to which there
        are pixels; the others of these rows are 0.
    """
    left = reach - x if x < reach else u(0)
    top = reach - y if y < reach else u(0)
    right = min(u(2) * reach + u(1), width + reach - x)
    bottom = min(u(2) * reach + u(1), height + reach - y)
    for j in range(top, bottom):
        start = (y + j - reach) * width + x + left - reach
        for i in range(left):
            window[j, i] = 0
        for i in range(right - left):
            window[j, left + i] = values[start + i]
        for i in range(right, u(window.shape[1])):
            window[j, i] = 0
    return left, right, top, bottom


@part_of_sums
def _axis(offset, sigma, reach, first, end, table, g):
    """The Gaussian along one axis, and mean and variance under its square.

    Args:
        offset (float): Its centre.
        first, end (int): Which pixels there are.
        table (float32[:]): The Gaussian round the peak.
        g (float32[:]): Gets its values, 0 where there is no pixel.
    """
    q = np.float32(math.exp(offset / (sigma * sigma)))
    power = np.float32(1)
    for i in range(reach, end):
        g[i] = table[i] * power
        power *= q
    q, power = np.float32(1) / q, np.float32(1)
    for i in range(reach - first):
        power *= q
        g[reach - u(1) - i] = table[reach - u(1) - i] * power
    total = mean = square = np.float32(0)
    for i in range(first, end):
        weight = g[i] * g[i]
        at = np.float32(np.int64(i) - np.int64(reach))
        total += weight
        mean += weight * at
        square += weight * at * at
    mean /= total
    return mean, square / total - mean * mean


@part_of_sums
def _moments(window, first, end, columns, g_x, g_y, u_x, sums):
    """Sums of h g times 1, u, v, u^2, u v and v^2.

    Args:
        window (float32[:, :]): h.
        first, end (int): Rows that there are.
        columns (int): Of the window.
        g_x, g_y (float32[:]): The Gaussians along the axes.
        u_x (float32[:]): Positions along an axis.
        sums (float32[:, :]): Room for three rows of the window.
    """
    sums[:] = 0
    for j in range(first, end):
        v = u_x[j]
        weight = g_y[j]
        weight_v = weight * v
        weight_vv = weight_v * v
        for i in range(columns):
            sums[0, i] += weight * window[j, i]
            sums[1, i] += weight_v * window[j, i]
            sums[2, i] += weight_vv * window[j, i]
    total = a = b = aa = ab = bb = np.float32(0)
    for i in range(columns):
        at, weight = u_x[i], g_x[i]
        here = weight * sums[0, i]
        total += here
        a += here * at
        aa += here * at * at
        b += weight * sums[1, i]
        ab += weight * sums[1, i] * at
        bb += weight * sums[2, i]
    return total, a, b, aa, ab, bb


@part
def fit_derivatives(window, edges, offset_x, offset_y, sigma, table, room):
    """Derivatives of ln <h, g> - 1/2 ln <g, g> by the Gaussian's centre.

    Returns:
        tuple: As of log_derivatives, NaN where <h, g> <= 0; and the variances
        along x and y under g^2.
    """
    left, right, top, bottom = edges
    columns = u(window.shape[1])
    reach = u(table.size) // u(2)
    g_x, g_y, u_x, sums = room[0], room[1], room[2], room[3:]
    g_x[:] = 0
    mean_x, variance_x = _axis(
        offset_x, sigma, reach, left, right, table, g_x
    )
    mean_y, variance_y = _axis(
        offset_y, sigma, reach, top, bottom, table, g_y
    )
    total, a, b, aa, ab, bb = _moments(
        window, top, bottom, columns, g_x, g_y, u_x, sums
    )
    scale = np.float32(1) / total if total > 0 else _NAN
    a, b, aa, ab, bb = a * scale, b * scale, aa * scale, ab * scale, bb * scale
    first = np.float32(1) / (sigma * sigma)
    second = first * first
    derivatives = (
        (a - mean_x) * first,
        (b - mean_y) * first,
        (aa - a * a - 2 * variance_x) * second,
        (ab - a * b) * second,
        (bb - b * b - 2 * variance_y) * second,
    )
    return derivatives, variance_x, variance_y


@part
def room_to_fit(table):
    """A window, and room for the Gaussians, positions and sums."""
    columns = table.size
    reach = columns // 2
    pitch = (columns + 7) // 8 * 8
    window = np.zeros((columns, pitch), np.float32)
    room = np.zeros((6, pitch), np.float32)
    for i in range(columns):
        room[2, i] = i - reach
    return window, room


@part
def fit(window, edges, offset_x, offset_y, sigma, radius, table, room):
    """Newton steps on f from an offset.

    Returns:
        tuple[float, float, bool]: The centre, and whether f is concave there.
    """
    solved = False
    for _ in range(_STEPS):
        d, _, _ = fit_derivatives(
            window, edges, offset_x, offset_y, sigma, table, room
        )
        step_x, step_y, solved = newton_step(d)
        if not solved:
            break
        x, y = limit_step(step_x, step_y, _MAX_STEP)
        offset_x, offset_y = limit_step(offset_x + x, offset_y + y, radius)
        if max(abs(step_x), abs(step_y)) < _CONVERGED:
            break
    return offset_x, offset_y, solved
