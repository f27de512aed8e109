"""Draw a person's keypoints and the links between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from dark_codec.analysis.visualization import COLORS


def draw_skeleton(
    ax: Axes,
    keypoints: np.ndarray,
    links: Sequence[tuple[int, int]],
    color: str = COLORS[0],
    shown: np.ndarray | None = None,
    label: str | None = None,
    linestyle: str = '-',
) -> Axes:
    """Draw keypoints and the links between them.

    Args:
        ax (Axes): Where to draw.
        keypoints (np.ndarray): Points (x, y) in image px, (K, 2).
        links (Sequence[tuple[int, int]]): Pairs of keypoints to connect.
        color (str): Of lines and points.
        shown (np.ndarray, optional): Mask of the keypoints to draw, (K,).
        label (str, optional): For the legend.
        linestyle (str): Of the links.

    Returns:
        Axes: ``ax``.
    """
    if shown is None:
        shown = np.ones(len(keypoints), bool)
    for a, b in links:
        if shown[a] and shown[b]:
            ax.plot(*keypoints[[a, b]].T, linestyle, color=color, linewidth=2)
    dots: dict[str, Any] = dict(
        color=color,
        marker='o',
        markersize=4,
        markeredgecolor='white',
        markeredgewidth=0.5,
    )
    ax.plot(*keypoints[shown].T, linestyle='', **dots)
    if label is not None:
        ax.plot([], [], linestyle, label=label, **dots)
    return ax
