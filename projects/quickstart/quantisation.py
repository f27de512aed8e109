"""What biased encoding does to keypoints, as the paper's Figure 4."""

from __future__ import annotations

import math

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dark_codec.analysis.visualization import COLORS, MARKERS
from dark_codec.functional.encode import QUANTISERS, quantise_points


def draw_quantisation(truth: np.ndarray) -> Figure:
    """Draw one quantised keypoint (the paper's Fig. 4), and all errors.

    Args:
        truth (np.ndarray): The true keypoints in heatmap px, (I, K, 2).

    Returns:
        Figure: Two columns: the keypoint with the median error of ``floor``,
        and a histogram.
    """
    points = torch.from_numpy(truth.reshape(-1, 2))
    errors = {
        name: np.linalg.norm(quantise_points(points, name) - points, axis=1)
        for name in QUANTISERS
    }
    middle = np.abs(errors['floor'] - np.median(errors['floor'])).argmin()
    figure = Figure(figsize=(11, 4.8), layout='constrained')
    one, every = figure.subplots(1, 2)
    _draw_point(one, points[middle])
    one.legend(loc='upper left', bbox_to_anchor=(0, -0.12), ncols=2)
    one.set_title('The keypoint with the median error of floor')
    bins = np.linspace(0, max(map(np.max, errors.values())), 40)
    for color, style, (name, values) in zip(
        COLORS, ('-', '--', ':'), errors.items()
    ):
        every.hist(
            values,
            bins,
            density=True,
            histtype='step',
            color=color,
            linestyle=style,
            linewidth=2,
            label=f'{name}: mean {values.mean():.2f} px',
        )
    every.axvline(0, color='black', linewidth=2, label='unbiased: 0 px')
    every.set_title(f'All {len(points)} keypoints of the test figures')
    every.set_xlabel('quantisation error (heatmap px)')
    every.set_ylabel('density (1 / px)')
    every.legend()
    return figure


def _draw_point(ax: Axes, point: torch.Tensor) -> None:
    """Draw the pixels to which the quantisers move a point, heatmap px."""
    x, y = point.tolist()
    left, top = np.floor(x), np.floor(y)
    for i, name in enumerate(QUANTISERS):
        to_x, to_y = quantise_points(point, name).tolist()
        error = math.hypot(to_x - x, to_y - y)
        ax.annotate(
            '',
            xy=(to_x, to_y),
            xytext=(x, y),
            arrowprops=dict(arrowstyle='->', color=COLORS[i], linewidth=2),
        )
        ax.plot(
            to_x,
            to_y,
            linestyle='',
            marker=MARKERS[i],
            markersize=15 - 4 * i,
            color=COLORS[i],
            label=f'{name}: off by {error:.2f} px',
        )
    ax.plot(x, y, 'k*', markersize=15, label='keypoint (unbiased)')
    ax.set_xlim(left - 1.5, left + 2.5)
    ax.set_ylim(top + 2.5, top - 1.5)
    ax.set_xticks(np.arange(left - 1, left + 3))
    ax.set_yticks(np.arange(top - 1, top + 3))
    ax.grid(True, color='0.8')
    ax.set_aspect('equal')
    ax.set_xlabel('x (heatmap px)')
    ax.set_ylabel('y (heatmap px)')
