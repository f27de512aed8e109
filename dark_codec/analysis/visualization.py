"""Drawings on matplotlib axes: pictures and heatmaps.

All functions take axes and return them. Colours are those of Okabe and Ito,
which colour-blind readers can tell apart; markers differ in shape, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

COLORS = ('#0072B2', '#E69F00', '#009E73', '#CC79A7', '#56B4E9', '#D55E00')
MARKERS = ('o', 's', '^', 'D', 'v', 'P')
_DASHES = ('-', '--', '-.', ':')

Points = Mapping[str, Sequence[float]]


def line_style(number: int) -> dict[str, Any]:
    """Return color, marker and dashes of a line; the first twelve differ.

    Args:
        number (int): Number of the line, from 0.

    Returns:
        dict[str, Any]: Arguments of :meth:`Axes.plot`.
    """
    return dict(
        color=COLORS[number % len(COLORS)],
        marker=MARKERS[number % len(MARKERS)],
        linestyle=_DASHES[number % len(_DASHES)],
    )


def draw_heatmap(
    ax: Axes,
    heatmap: np.ndarray | Tensor,
    points: Points | None = None,
    truth: Sequence[float] | None = None,
) -> Axes:
    """Draw one heatmap with points on it.

    Values below 0 are drawn as 0. Markers differ in size, so that points
    that coincide all show.

    Args:
        ax (Axes): Where to draw.
        heatmap (np.ndarray | Tensor): Shape (H, W).
        points (Mapping[str, Sequence[float]], optional): Points (x, y) in
            heatmap px, by the name that the legend gives them.
        truth (Sequence[float], optional): The true point (x, y) in heatmap
            px, drawn as a white cross.

    Returns:
        Axes: ``ax``.
    """
    ax.imshow(np.asarray(heatmap, dtype=np.float32), cmap='magma', vmin=0)
    for i, (name, point) in enumerate((points or {}).items()):
        ax.plot(
            *point,
            linestyle='',
            marker=MARKERS[i % len(MARKERS)],
            markersize=max(14 - 1.5 * i, 8),
            markerfacecolor=COLORS[i % len(COLORS)],
            markeredgecolor='white',
            label=name,
        )
    if truth is not None:
        ax.plot(
            *truth,
            linestyle='',
            color='white',
            marker='x',
            markersize=11,
            markeredgewidth=2.5,
            label='truth',
        )
    ax.set_xlabel('x (heatmap px)')
    ax.set_ylabel('y (heatmap px)')
    return ax


def show_window(ax: Axes, centre: Sequence[float], radius: float) -> Axes:
    """Limit the view to a window round a point; grey outside of the map.

    Args:
        ax (Axes): With a heatmap.
        centre (Sequence[float]): The point (x, y) in heatmap px.
        radius (float): Half the window's side in heatmap px.

    Returns:
        Axes: ``ax``.
    """
    x, y = centre
    ax.set_facecolor('0.5')
    ax.set_xlim(x - radius, x + radius)
    ax.set_ylim(y + radius, y - radius)
    return ax


def draw_picture(ax: Axes, picture: np.ndarray) -> Axes:
    """Draw a picture that fills the axes, pixel centres at integers.

    Args:
        ax (Axes): Where to draw.
        picture (np.ndarray): Blue, green, red, as OpenCV reads it, (h, w, 3),
            uint8.

    Returns:
        Axes: ``ax``, without ticks and frame.
    """
    height, width = picture.shape[:2]
    ax.imshow(picture[..., ::-1])
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    ax.set_axis_off()
    return ax


def overlay_heatmap(
    ax: Axes,
    heatmap: np.ndarray | Tensor,
    corners: np.ndarray,
    opacity: float = 0.7,
) -> Axes:
    """Lay a heatmap over a picture, transparent where it is 0.

    Args:
        ax (Axes): With the picture, as :func:`draw_picture` draws it.
        heatmap (np.ndarray | Tensor): Shape (H, W). What is above 1 is
            drawn as 1, the peak of the training targets, and what is below 0
            as 0.
        corners (np.ndarray): Where the outer corners of the heatmap lie on
            the picture, the points (-0.5, -0.5) and (W - 0.5, H - 0.5) in
            heatmap px: (2, 2), (x, y) in picture px.
        opacity (float): Of a 1.

    Returns:
        Axes: ``ax``.
    """
    values = np.clip(np.asarray(heatmap, dtype=np.float32), 0, 1)
    height, width = ax.images[0].get_size()
    first, last = np.asarray(corners, dtype=float)
    scale = (last - first) / values.shape[::-1]
    # on the picture's own pixels: imshow(extent=...) is off by up to one
    # where a heatmap ends beyond the axes
    matrix = np.column_stack([np.diag(scale), first + scale / 2])
    values = cv2.warpAffine(values, matrix, (width, height))
    ax.imshow(values, cmap='inferno', vmin=0, vmax=1, alpha=opacity * values)
    return ax
