"""Pictures of predicted heatmaps, as the paper's Figure 3."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from dark_codec.analysis.visualization import (
    draw_heatmap,
    show_window,
)

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
