"""The figures of the study on real heatmaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from scipy.stats import chi2

from dark_codec.analysis.bootstrap import Estimate
from dark_codec.analysis.visualization import line_style
from projects.decoder_study.covariance import Predicted, reliability
from projects.decoder_study.models import judge
from projects.decoder_study.scores import Scores, Swept
from projects.decoder_study.tables import BORDER_DISTANCES, PCKS

matplotlib.use('Agg')
from matplotlib import pyplot as plt

_GREY = dict(color='#555555', linewidth=1)


def _save(path: Path) -> None:
    plt.tight_layout()
    plt.savefig(path, dpi=110)
    plt.close()


def _band(ax: Axes, x: Sequence, estimate: Estimate, number: int) -> None:
    color = line_style(number)['color']
    ax.fill_between(x, estimate.low, estimate.high, color=color, alpha=0.15)


def draw_kernels(
    sweeps: dict[str, list[tuple[Swept, Scores]]],
    baselines: dict[str, Scores],
    path: Path,
) -> None:
    """Differences from the baseline over the kernel's width."""
    titles = [*PCKS, 'mean error']
    _, grid = plt.subplots(
        len(sweeps), 4, figsize=(13, 3.2 * len(sweeps)), squeeze=False
    )
    for row, (name, sweep) in zip(grid, sweeps.items()):
        for number, family in enumerate(('Taylor, max', 'fit')):
            entries = [
                (entry.width, scores.against(baselines[name]))
                for entry, scores in sweep
                if entry.family == family and 'sigma' in entry.kernel
            ]
            widths = [width for width, _ in entries]
            for column, ax in enumerate(row):
                parts = ([part[column] for part in e] for _, e in entries)
                estimate = Estimate(*np.transpose(list(parts)))
                ax.plot(
                    widths,
                    estimate.value,
                    label=family.split(',')[0],
                    **line_style(number),
                )
                _band(ax, widths, estimate, number)
        for ax, title in zip(row, titles):
            unit = 'px' if title == 'mean error' else 'points'
            ax.axhline(0, **_GREY)
            ax.set_title(f'{title}, {name}')
            ax.set_ylabel(f'difference from DARK ({unit})')
            ax.set_xlabel('width of the kernel (heatmap px)')
    grid[0, 0].legend(loc='lower right')
    _save(path)


def draw_border(curves: dict[str, list[Estimate]], path: Path) -> None:
    """PCK@0.05 over the distance at which the border cuts peaks off."""
    _, ax = plt.subplots(figsize=(7, 4.2))
    for number, (name, estimates) in enumerate(curves.items()):
        values = [float(estimate.value) for estimate in estimates]
        ax.plot(BORDER_DISTANCES, values, label=name, **line_style(number))
    ax.set_xticks(BORDER_DISTANCES)
    ax.set_xlabel('distance of the peak from the border (heatmap px)')
    ax.set_ylabel(f'{PCKS[2]} (%)')
    ax.legend(bbox_to_anchor=(1.02, 1), loc='upper left')
    _save(path)


def draw_covariance(
    sets: dict[str, Predicted], sigma: float, path: Path
) -> None:
    """Reliability, Mahalanobis distances, and what ranking is worth.

    Args:
        sets: By the decoder's name; all but the left panel show the first.
        sigma: Of the training targets in heatmap px.
        path: The file to write.
    """
    _, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4.6))
    _draw_reliability(left, sets, sigma)
    name, predicted = next(iter(sets.items()))
    _draw_coverage(middle, predicted)
    _draw_rejection(right, predicted)
    middle.set_title(f'located keypoints inside the ellipse, {name}')
    right.set_title(f'keypoints sorted out, {name}')
    left.legend(loc='lower right')
    middle.legend(loc='lower right')
    right.set_ylim(0, 4)
    right.legend(loc='upper left', ncols=2)
    _save(path)


def _draw_reliability(
    ax: Axes, sets: dict[str, Predicted], sigma: float
) -> None:
    for number, (name, predicted) in enumerate(sets.items()):
        x, y = reliability(predicted)
        style = {**line_style(number), 'linestyle': 'none'}
        bars = np.abs(np.stack([y.low, y.high]) - y.value)
        ax.errorbar(x, y.value, bars, capsize=2, label=name, **style)
    spread = np.linspace(*ax.get_xlim(), 100)
    beyond = np.sqrt(np.maximum(spread**2 - sigma**2, 0))
    ax.plot(spread, spread, label='error = spread', **_GREY)
    ax.plot(
        spread,
        beyond,
        label=r'error = $\sqrt{spread^2 - \sigma^2}$',
        **{**_GREY, 'linestyle': '--'},
    )
    ax.set_ylim(bottom=0)
    ax.set_title('spread of the peak and error, per axis')
    ax.set_xlabel('spread, standard deviation (heatmap px)')
    ax.set_ylabel('error, robust standard deviation (heatmap px)')


def _draw_coverage(ax: Axes, predicted: Predicted) -> None:
    models = ('C', 'a^2 C', 'b^2 + a^2 (C - sigma^2)', 'b^2 / score^2c')
    for number, model in enumerate(models):
        distances = judge(predicted, model).mahalanobis[predicted.located]
        share = np.arange(1, len(distances) + 1) / len(distances)
        level = chi2.cdf(np.sort(distances), 2)
        text = model.replace('sigma', r'\sigma').replace('score^2c', 's^{2c}')
        look = {**line_style(number), 'marker': None}
        ax.plot(level, share, label=f'${text}$', **look)
    ax.plot([0, 1], [0, 1], label='calibrated', **_GREY)
    ax.set_xlabel('nominal level')
    ax.set_ylabel('share of keypoints')


def _draw_rejection(ax: Axes, predicted: Predicted) -> None:
    """Mean error of what is kept when the least trusted go first."""
    errors = predicted.distances.ravel()
    kept = np.arange(100, 9, -5)
    keys = {
        'by score': -predicted.scores,
        'by spread': predicted.spread,
        'by the error itself': errors,
        'at random': None,
    }
    for number, (name, key) in enumerate(keys.items()):
        if key is None:
            values = [np.mean(errors)] * len(kept)
        else:
            order = np.argsort(key.ravel(), kind='stable')
            values = [
                np.mean(errors[order[: len(order) * share // 100]])
                for share in kept
            ]
        ax.plot(kept, values, label=name, **line_style(number))
    ax.set_xlabel('keypoints kept, the most trusted ones (%)')
    ax.set_ylabel('their mean error (heatmap px)')
