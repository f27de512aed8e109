"""The pictures of a quickstart."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dark_codec.analysis.prediction import Prediction
from dark_codec.analysis.visualization import (
    COLORS,
    draw_skeleton,
)

_GRID = (2, 5)  # rows and columns of figures


def draw_predictions(
    prediction: Prediction, points: np.ndarray, errors: np.ndarray
) -> Figure:
    """The first figures of the test set, with truth and prediction.

    Args:
        prediction (Prediction): Of all figures.
        points (np.ndarray): Decoded keypoints in image px, (I, K, 2).
        errors (np.ndarray): Their distance from the truth, (I, K).

    Returns:
        Figure: A grid.
    """
    dataset = prediction.runner.test_dataloader.dataset
    links = dataset.metainfo['skeleton_links']
    labelled, truth = prediction.labelled, prediction.truth
    rows, columns = _GRID
    figure = Figure(figsize=(2.2 * columns, 2.5 * rows), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for i, ax in enumerate(axes):
        ax.axis('off')
        if i >= len(points):
            continue
        image = dataset.get_data_info(i)['img']
        ax.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        shown = labelled[i]
        for name, keypoints, color, style in (
            ('truth', truth[i], COLORS[1], '--'),
            ('prediction', points[i], COLORS[0], '-'),
        ):
            draw_skeleton(ax, keypoints, links, color, shown, name, style)
        height, width = image.shape[:2]
        ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        ax.set_title(f'{errors[i][shown].mean():.1f} px', fontsize=9)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc='outside lower center',
        ncols=2,
    )
    figure.suptitle(
        'The first test figures, with the mean error of the keypoints in '
        'the image'
    )
    return figure


def draw_curve(
    losses: dict[int, float], precisions: dict[int, float]
) -> Figure:
    """Loss and AP over a training.

    Args:
        losses (dict[int, float]): By iteration.
        precisions (dict[int, float]): AP (0 to 1) by epoch.

    Returns:
        Figure: Two columns.
    """
    figure = Figure(figsize=(10, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot(list(losses), list(losses.values()), color=COLORS[0])
    left.set(
        xlabel='iteration',
        ylabel='training loss',
        ylim=(0, None),
        title='Mean squared error of the heatmaps',
    )
    right.plot(
        list(precisions),
        [100 * value for value in precisions.values()],
        color=COLORS[5],
        marker='o',
    )
    right.set(
        xlabel='epoch',
        ylabel='AP (%)',
        ylim=(0, None),
        title='Validation, decoded by DARK',
    )
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
