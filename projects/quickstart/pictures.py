"""The pictures of a quickstart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dark_codec.analysis.prediction import DARK, DECODERS, Prediction
from dark_codec.analysis.visualization import (
    COLORS,
    MARKERS,
    draw_heatmap,
    draw_picture,
    draw_skeleton,
    show_window,
)
from dark_codec.functional import input_to_heatmap
from dark_codec.functional.encode import QUANTISERS, quantise_points
from dark_codec.openmmlab.engine.logs import read_scalars

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
        ('quantisation', draw_quantisation_errors(_in_heatmap(prediction))),
        ('curve', draw_curve(training)),
    ):
        figure.savefig(folder / f'{name}.png', dpi=100)


def _errors(prediction: Prediction, points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - prediction.truth, axis=-1)


def _in_heatmap(prediction: Prediction) -> np.ndarray:
    """Return the true keypoints in heatmap px, (I, K, 2)."""
    codec = prediction.codec(DECODERS[DARK])
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
        draw_skeleton(ax, truth, links, COLORS[1], None, 'truth', '--')
        draw_skeleton(ax, points[i], links, COLORS[0], None, 'prediction')
        ax.set_title(f'{errors[i]:.1f} px', fontsize=9)
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc='outside lower center', ncols=2)
    figure.suptitle('The first test figures, with the mean error')
    return figure


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
    codecs = {name: prediction.codec(d) for name, d in DECODERS.items()}
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


def draw_quantisation_errors(truth: np.ndarray) -> Figure:
    """Draw one quantised keypoint (the paper's Fig. 4), and all errors.

    Args:
        truth (np.ndarray): Keypoints in heatmap px, (I, K, 2).
    """
    points = torch.from_numpy(truth.reshape(-1, 2))
    errors = {
        name: np.linalg.norm(quantise_points(points, name) - points, axis=1)
        for name in QUANTISERS
    }
    middle = np.abs(errors['floor'] - np.median(errors['floor'])).argmin()
    figure = Figure(figsize=(11, 4.8), layout='constrained')
    one, every = figure.subplots(1, 2)
    _draw_quantisation(one, points[middle])
    one.legend(loc='upper left', bbox_to_anchor=(0, -0.12), ncols=2)
    one.set_title('The keypoint with the median error of floor')
    bins = np.linspace(0, max(values.max() for values in errors.values()), 40)
    styles = zip(COLORS, ('-', '--', ':'))
    for (color, style), (name, values) in zip(styles, errors.items()):
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


def _draw_quantisation(ax: Axes, point: torch.Tensor) -> None:
    """Draw the pixels to which the quantisers move a point, heatmap px."""
    for i, name in enumerate(QUANTISERS):
        moved = quantise_points(point, name)
        error = torch.linalg.vector_norm(moved - point)
        ax.annotate(
            '',
            moved.tolist(),
            point.tolist(),
            arrowprops=dict(arrowstyle='->', color=COLORS[i], linewidth=2),
        )
        ax.plot(
            *moved.tolist(),
            linestyle='',
            marker=MARKERS[i],
            markersize=15 - 4 * i,
            color=COLORS[i],
            label=f'{name}: off by {error:.2f} px',
        )
    ax.plot(*point.tolist(), 'k*', markersize=15, label='keypoint (unbiased)')
    left, top = point.floor().tolist()
    ax.set(xlim=(left - 1.5, left + 2.5), ylim=(top + 2.5, top - 1.5))
    ax.set(xticks=np.arange(left - 1, left + 3))
    ax.set(yticks=np.arange(top - 1, top + 3), aspect='equal')
    ax.grid(True, color='0.8')
    ax.set(xlabel='x (heatmap px)', ylabel='y (heatmap px)')


def draw_curve(training: Path) -> Figure:
    """Draw loss and AP over a training, over all its sessions."""
    scalars = read_scalars(training)
    losses = scalars.training.get('loss', {})
    precisions = scalars.validation.get('coco/AP', {})
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
