"""The pictures of a quickstart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dark_codec.analysis.decoders_by_name import BY_TITLE, DARK
from dark_codec.analysis.visualization import (
    COLORS,
    draw_heatmap,
    draw_picture,
    show_window,
)
from dark_codec.functional import input_to_heatmap
from projects.prediction import Prediction

from .logs import read_curve
from .quantisation import draw_quantisation
from .scores import Score

_GRID = (2, 5)  # rows and columns of figures
_WINDOW = 3.5  # heatmap px on each side of the maximum


def draw_all(
    prediction: Prediction,
    scores: dict[str, Score],
    training: Path,
    folder: Path,
) -> None:
    """Draw the pictures of a training and of what it predicts.

    Args:
        prediction (Prediction): On the test figures.
        scores (dict[str, Score]): By decoder.
        training (Path): Work dir of the training.
        folder (Path): Where the pictures go.
    """
    points = {name: score.points for name, score in scores.items()}
    for name, figure in (
        ('predictions', draw_predictions(prediction, points[DARK])),
        ('modulation', draw_modulation(prediction, points)),
        ('quantisation', draw_quantisation(_in_heatmap(prediction))),
        ('curve', draw_curve(training)),
    ):
        figure.savefig(folder / f'{name}.png', dpi=100)


def _errors(prediction: Prediction, points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - prediction.truth, axis=-1)


def _in_heatmap(prediction: Prediction) -> np.ndarray:
    """Return the true keypoints in heatmap px, (I, K, 2)."""
    codec = prediction.codec(BY_TITLE[DARK])
    truth = torch.from_numpy(prediction.to_input(prediction.truth))
    sizes = codec.input_size, codec.heatmap_size
    return input_to_heatmap(truth, *sizes, codec.alignment).numpy()


def draw_predictions(prediction: Prediction, points: np.ndarray) -> Figure:
    """Draw the first figures of the test set, with truth and prediction."""
    dataset = prediction.runner.test_dataloader.dataset
    links = dataset.metainfo['skeleton_links']
    errors = _errors(prediction, points).mean(1)
    rows, columns = _GRID
    figure = Figure(figsize=(2.2 * columns, 2.5 * rows), layout='constrained')
    axes = figure.subplots(rows, columns).ravel()
    for i, ax in enumerate(axes):
        ax.set_axis_off()
        if i >= len(points):
            continue
        draw_picture(ax, dataset.get_data_info(i)['img'])
        truth = prediction.truth[i]
        _draw_skeleton(ax, truth, links, COLORS[1], '--', 'truth')
        _draw_skeleton(ax, points[i], links, COLORS[0], '-', 'prediction')
        ax.set_title(f'{errors[i]:.1f} px', fontsize=9)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc='outside lower center', ncols=2)
    figure.suptitle('The first test figures, with the mean error')
    return figure


def _draw_skeleton(
    ax: Axes,
    keypoints: np.ndarray,
    links: Sequence[tuple[int, int]],
    color: str,
    linestyle: str,
    label: str,
) -> None:
    """Draw keypoints in image px, (K, 2), and the links between them."""
    for link in links:
        ends = keypoints[list(link)].T
        ax.plot(*ends, linestyle, color=color, linewidth=2)
    dots: dict[str, Any] = dict(
        color=color,
        marker='o',
        markersize=4,
        markeredgecolor='white',
        markeredgewidth=0.5,
    )
    ax.plot(*keypoints.T, linestyle='', **dots)
    ax.plot([], [], linestyle, label=label, **dots)  # for the legend


def draw_modulation(
    prediction: Prediction, points: dict[str, np.ndarray]
) -> Figure:
    """Draw two heatmaps before and after modulation, as the paper's Fig. 3.

    Args:
        prediction (Prediction): On the test figures.
        points (dict): Keypoints in image px, (I, K, 2), by decoder.
    """
    maxima = prediction.heatmaps.amax((2, 3)).cpu().numpy()
    moved = points[DARK] - points['Taylor without modulation']
    moved = np.linalg.norm(moved, axis=-1) * (maxima >= np.median(maxima))
    errors = _errors(prediction, points[DARK])
    chosen = {
        'moved farthest by modulation': moved.argmax(),
        'median error': np.abs(errors - np.median(errors)).argmin(),
    }
    codecs = {name: prediction.codec(d) for name, d in BY_TITLE.items()}
    dataset = prediction.runner.test_dataloader.dataset
    names = dataset.metainfo['keypoint_id2name']
    truths = _in_heatmap(prediction)
    figure = Figure(figsize=(9, 9.4), layout='constrained')
    for row, (rule, place) in zip(figure.subplots(2, 2), chosen.items()):
        i, k = np.unravel_index(place, errors.shape)
        heatmap = prediction.heatmaps[i : i + 1, k : k + 1].cpu()
        decoded = {
            name: codec.decoder(heatmap).points[0, 0].numpy()
            for name, codec in codecs.items()
        }
        modulated = codecs[DARK].decoder.modulation(heatmap[0])[0]
        highest = np.argwhere(heatmap[0, 0].numpy() == heatmap.max().item())
        for ax, shown, state in (
            (row[0], heatmap[0, 0], 'predicted'),
            (row[1], modulated, 'modulated'),
        ):
            draw_heatmap(ax, shown, decoded, truths[i, k])
            show_window(ax, highest[0, ::-1], _WINDOW)
            figure.colorbar(ax.images[0], ax=ax, shrink=0.8)
            ax.set_title(f'{state}: figure {i}, {names[k]}\n({rule})')
    handles = row[0].get_legend_handles_labels()
    figure.legend(
        *handles, loc='outside lower center', ncols=3, facecolor='0.6'
    )
    return figure


def draw_curve(training: Path) -> Figure:
    """Draw loss and AP over a training, over all its sessions."""
    losses = read_curve(training, 'loss')
    precisions = read_curve(training, 'coco/AP')
    figure = Figure(figsize=(10, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot(list(losses), list(losses.values()), color=COLORS[0])
    left.set_title('Mean squared error of the heatmaps')
    left.set(xlabel='iteration', ylabel='training loss', ylim=(0, None))
    percent = [100 * value for value in precisions.values()]
    right.plot(list(precisions), percent, color=COLORS[5], marker='o')
    right.set_title('Validation, decoded by DARK')
    right.set(xlabel='epoch', ylabel='AP (%)', ylim=(0, None))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
