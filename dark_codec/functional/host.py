"""DARK's decoder for maps in host memory, in as few calls as possible.

On a processor the calls themselves are most of the cost: numpy needs a
microsecond for each, and the functions of the other modules make a hundred of
them, half of which look after maps that are no peaks. Here are the same steps
(:func:`find_peaks`, :func:`modulated_stencil`, :func:`log_derivatives` and
:func:`newton_step`, equal up to rounding) for maps that are peaks; what else
there is among the maps is noticed, and left to those functions.
"""

from __future__ import annotations

import math

import numpy as np

from ._backend import cut_patches, is_constant, lowest_filtered, table_like
from .modulate import (
    STENCIL_RADIUS,
    Kernel,
    above_lowest,
    stencil_rows,
    visible_gain,
)
from .refine import LOWEST, MIN_CURVATURE, difference_weights

# How many windows to hold at a time: those of 1000 maps of 64 x 48 px need a
# tenth of the maps' own memory
_WINDOWS = 550
# Below so many maps one large product does not pay
_FEW = 64


def decode_peaks(
    maps: np.ndarray, kernel: Kernel, rescale: str, radius: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Decode maps by the Taylor step if all of them are regular peaks.

    Args:
        maps (np.ndarray): Shape (M, H, W), M > 0, float32.
        kernel (tuple[float, ...]): As in :func:`modulated_stencil`.
        rescale (str): Likewise.
        radius (float): Of the trust region in px.

    Returns:
        tuple[np.ndarray, np.ndarray] | None: Points (x, y) in heatmap px,
        (M, 2), and scores (M,), float32; None if any map has no valid peak
        (see :class:`Peaks`), is not concave there, or its step leaves the
        trust region.
    """
    count, height, width = maps.shape
    flat = maps.reshape(count, height * width)
    index = flat.argmax(1)
    score = flat[np.arange(count), index]
    # All comparisons with NaN are False. A maximum that is not positive, or
    # not finite, leaves a centre that is not, but for what 'minmax' makes.
    if rescale == 'minmax' and not score.min() > 0:
        return None
    if not index.all() and is_constant(flat, score, index).any():
        return None
    y = index // width
    x = index - y * width
    stencil = _stencil(maps, x, y, kernel)
    if rescale == 'minmax':
        lowest = lowest_filtered(maps, kernel, visible_gain)
        stencil = above_lowest(stencil, lowest[:, None, None])
    values = stencil.reshape(count, 25)
    centre = values[:, 12:13]
    least = values.min()
    if not (least > 0 or (centre.min() > 0 and least > -math.inf)):
        return None
    logs = values / centre
    np.maximum(logs, np.float32(LOWEST), out=logs)
    np.log(logs, out=logs)
    weights = table_like(logs, difference_weights)
    dx, dy, dxx, dxy, dyy = (logs @ weights).T
    determinant = dxx * dyy - dxy * dxy
    if not (
        np.maximum(dxx, dyy).max() < -MIN_CURVATURE
        and determinant.min() > MIN_CURVATURE**2
    ):
        return None
    step_x = (dxy * dy - dyy * dx) / determinant
    step_y = (dxy * dx - dxx * dy) / determinant
    if not (step_x * step_x + step_y * step_y).max() <= radius * radius:
        return None
    points = np.empty((count, 2), np.float32)
    points[:, 0], points[:, 1] = x + step_x, y + step_y
    return points, score


def _stencil(
    maps: np.ndarray, x: np.ndarray, y: np.ndarray, kernel: Kernel
) -> np.ndarray:
    """The smoothed maps at the 5 x 5 px round (x, y), (M, 5, 5)."""
    height, width = maps.shape[1:]
    size = 2 * (len(kernel) // 2 + STENCIL_RADIUS) + 1
    across, down = min(size, width), min(size, height)
    left = np.minimum(np.maximum(x - size // 2, 0), width - across)
    top = np.minimum(np.maximum(y - size // 2, 0), height - down)
    row, column = y - top, x - left
    along_y = table_like(maps, stencil_rows, kernel, down, height)
    along_x = table_like(maps, stencil_rows, kernel, across, width)
    rows = np.empty((len(maps), 5, across), np.float32)
    for start in range(0, len(maps), _WINDOWS):
        part = slice(start, start + _WINDOWS)
        windows = cut_patches(maps[part], left[part], top[part], across, down)
        np.matmul(along_y[row[part]], windows, out=rows[part])
    return _along_x(rows, along_x, column)


def _along_x(
    rows: np.ndarray, along_x: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Each map's 5 rows (M, 5, across) times its own matrix."""
    count, _, across = rows.shape
    if count < _FEW:
        return rows @ along_x[column].swapaxes(1, 2)
    # Most peaks are in the middle of their windows: one large product for
    # all is faster than many small ones, of which the others need theirs.
    middle = across // 2
    stencil = rows.reshape(count * 5, across) @ along_x[middle].T
    stencil = stencil.reshape(count, 5, 5)
    moved = np.flatnonzero(column != middle)
    stencil[moved] = rows[moved] @ along_x[column[moved]].swapaxes(1, 2)
    return stencil
