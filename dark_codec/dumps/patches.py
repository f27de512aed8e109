"""Windows round the peaks of heatmaps, in place of whole maps."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from ..functional import find_peaks
from ..functional.modulate import STENCIL_RADIUS


def patch_radius(sigma: float) -> int:
    """Return the distance from the peak that decoders of a sigma read.

    The Taylor step reads the smoothed map up to 2 px from the peak, and its
    kernel ends at 3 sigma, rounded up: windows of 17 x 17 px for sigma 2.

    Args:
        sigma (float): Of the training targets in heatmap px.

    Returns:
        int: In heatmap px, from the peak.
    """
    return math.ceil(3 * sigma) + STENCIL_RADIUS


def cut_patches(maps: np.ndarray, radius: int) -> tuple[np.ndarray, ...]:
    """Cut a window round the highest pixel out of each map.

    Windows near the border are moved into the map. Those of maps without a
    valid peak (see :class:`dark_codec.functional.Peaks`) are zero: like
    these maps, they decode to the middle with score 0.

    Args:
        maps (np.ndarray): Shape (n, K, H, W), any floating dtype.
        radius (int): Windows span 2 * radius + 1 px, less in smaller maps.

    Returns:
        tuple[np.ndarray, ...]: The patches (n, K, h, w) of the same dtype,
        and their corners (x, y) in heatmap px, (n, K, 2), int16.
    """
    shape = maps.shape[:2]
    flat = maps.reshape(-1, *maps.shape[2:])
    found = find_peaks(torch.tensor(flat))
    peaks = np.stack([found.x, found.y], 1)
    size = np.array(flat.shape[:0:-1])
    window = np.minimum(2 * radius + 1, size)
    corners = np.clip(peaks - radius, 0, size - window)
    # every window of every map, as a view: (n * K, top, left, h, w)
    views = sliding_window_view(flat, window[1], 1)
    views = sliding_window_view(views, window[0], 2)
    windows = views[np.arange(len(flat)), corners[:, 1], corners[:, 0]]
    windows = np.where(found.valid[:, None, None], windows, 0)
    return (
        windows.astype(maps.dtype).reshape(*shape, *windows.shape[1:]),
        corners.astype(np.int16).reshape(*shape, 2),
    )


def paste_patches(
    patches: np.ndarray, corners: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """Put patches back where they were, into maps that are zero elsewhere.

    Args:
        patches (np.ndarray): Shape (n, K, h, w).
        corners (np.ndarray): (x, y) in heatmap px, (n, K, 2).
        size (tuple[int, int]): Of the maps, (W, H).

    Returns:
        np.ndarray: Shape (n, K, H, W), float32.
    """
    *shape, height, width = patches.shape
    count = math.prod(shape)
    left, top = corners.reshape(count, 2).astype(np.intp).T
    maps = np.zeros((count, size[1], size[0]), np.float32)
    maps[
        np.arange(count)[:, None, None],
        top[:, None, None] + np.arange(height)[:, None],
        left[:, None, None] + np.arange(width),
    ] = patches.reshape(count, height, width)
    return maps.reshape(*shape, size[1], size[0])
