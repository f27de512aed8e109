"""The pictures of a quickstart."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dark_codec.analysis.prediction import Prediction
from dark_codec.visualization import (
    COLORS,
    draw_heatmap,
    draw_quantisation,
    draw_skeleton,
    show_window,
)

from .examples import Example

_GRID = (2, 5)  # rows and columns of figures
_WINDOW = 3.5  # heatmap px on each side of the maximum


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


def draw_modulation(
    examples: Sequence[Example], image: str = 'figure'
) -> Figure:
    """Heatmaps before and after modulation, as the paper's Fig. 3.

    Args:
        examples (Sequence[Example]): One row each.
        image (str): What their images are.

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
                f'{state}: {image} {example.figure}, {example.keypoint}\n'
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
    images: str = 'figures',
) -> Figure:
    """One keypoint quantised, as the paper's Fig. 4, and all of them.

    Args:
        point (Sequence[float]): The keypoint (x, y), heatmap px.
        errors (dict[str, np.ndarray]): Distances in input px, by quantiser.
        images (str): What the test images are.

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
    every.set_title(f'All {count} keypoints of the test {images}')
    every.set_xlabel('quantisation error (input px)')
    every.set_ylabel('density (1 / px)')
    every.legend()
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
