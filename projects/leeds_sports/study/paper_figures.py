"""Pictures of predicted heatmaps, as the paper's Figures 3 and 4."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dark_codec.analysis.visualization import (
    COLORS,
    MARKERS,
    draw_heatmap,
    show_window,
)
from dark_codec.functional.encode import QUANTISERS, quantise_points

from .examples import Example

_WINDOW = 3.5  # heatmap px on each side of the maximum


def draw_modulation(examples: Sequence[Example]) -> Figure:
    """Draw heatmaps before and after modulation, as the paper's Fig. 3.

    Args:
        examples (Sequence[Example]): One row each.

    Returns:
        Figure: Two columns.
    """
    figure = Figure(figsize=(9, 4.7 * len(examples)), layout='constrained')
    axes = figure.subplots(len(examples), 2, squeeze=False)
    for row, example in zip(axes, examples):
        highest = np.argwhere(example.predicted == example.predicted.max())[0]
        for ax, heatmap, state in (
            (row[0], example.predicted, 'predicted'),
            (row[1], example.modulated, 'modulated'),
        ):
            draw_heatmap(ax, heatmap, example.points, example.truth)
            show_window(ax, highest[::-1], _WINDOW)
            figure.colorbar(ax.images[0], ax=ax, shrink=0.8)
            ax.set_title(
                f'{state}: photograph {example.image}, {example.keypoint}\n'
                f'({example.rule})',
                fontsize=10,
            )
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc='outside lower center',
        ncols=3,
        facecolor='0.6',
    )
    return figure


def draw_quantisation_errors(
    point: Sequence[float],
    errors: dict[str, np.ndarray],
) -> Figure:
    """Draw one quantised keypoint (the paper's Fig. 4), and all errors.

    Args:
        point (Sequence[float]): The keypoint (x, y), heatmap px.
        errors (dict[str, np.ndarray]): Distances in input px, by quantiser.

    Returns:
        Figure: Two columns.
    """
    figure = Figure(figsize=(11, 4.8), layout='constrained')
    one, every = figure.subplots(1, 2)
    draw_quantisation(one, point)
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
    count = len(next(iter(errors.values())))
    every.set_title(f'All {count} keypoints of the test photographs')
    every.set_xlabel('quantisation error (input px)')
    every.set_ylabel('density (1 / px)')
    every.legend()
    return figure


def draw_quantisation(ax: Axes, point: Sequence[float]) -> Axes:
    """Draw the grid points of biased encoding (the paper's Fig. 4).

    Args:
        ax (Axes): Where to draw.
        point (Sequence[float]): The keypoint (x, y) in heatmap px.

    Returns:
        Axes: ``ax``.
    """
    x, y = point
    left, top = np.floor(x), np.floor(y)
    for i, name in enumerate(QUANTISERS):
        to_x, to_y = quantise_points(torch.tensor(point), name).tolist()
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
    return ax
