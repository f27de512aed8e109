"""When do modulation and unbiased encoding pay?

Modulation: white noise is added to the heatmaps of trained networks, and each
is decoded by Taylor steps with kernels of several widths. Encoding: what it
gains in each pair of networks of the study, against the network's error.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.visualization import COLORS, MARKERS
from projects.prediction import Prediction, redecode

from .comparisons import ENCODING_TABLES
from .evaluation import torso_distances_of

NOISE = (0.0, 0.02, 0.05, 0.1)  # standard deviation; targets have peak 1
KERNELS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)  # sigma in heatmap px; 0: none
_NEAR = 0.1  # torso diagonals


def taylor(sigma: float) -> dict[str, Any]:
    """The Taylor decoder with a kernel of this width, in heatmap px."""
    kernel = dict(type='GaussianModulation', sigma=sigma) if sigma else None
    return dict(type='TaylorDecoder', modulation=kernel)


def under_noise(prediction: Prediction, seed: int = 0) -> dict[str, Any]:
    """PCK@0.1 by kernel, for each level of added noise.

    Args:
        prediction (Prediction): Of a network.
        seed (int): Of the noise.

    Returns:
        dict[str, Any]: By noise, lists along :data:`KERNELS`: ``PCK@0.1``
        in percent, and ``gain`` over no modulation as (value, low, high).
    """
    generator = torch.Generator().manual_seed(seed)
    white = torch.randn(prediction.heatmaps.shape, generator=generator)
    result = {}
    for noise in NOISE:
        maps = prediction.heatmaps.cpu() + noise * white
        hits = []
        for sigma in KERNELS:
            noisy = prediction._replace(heatmaps=maps)
            points = redecode(noisy, taylor(sigma))[1]
            distance, counted = torso_distances_of(prediction, points)
            hits.append(((distance <= _NEAR) & counted).sum(1))
        result[f'{noise:g}'] = _against_first(
            np.stack(hits, 1), counted.sum(1)
        )
    return result


def _against_first(hits: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Percentages of (I, kernels) of (I,), and differences to the first."""

    def statistic(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
        values = 100 * hits.sum(0) / max(counts.sum(), 1)
        return np.stack([values, values - values[0]])

    estimate = np.stack(bootstrap(statistic, hits, counts, draws=500), -1)
    return {
        'PCK@0.1': np.round(estimate[0, :, 0], 2).tolist(),
        'gain': np.round(estimate[1], 2).tolist(),
    }


def rounding_left(uncertainty: float) -> float:
    """Return the share of a label's rounding that a network can learn.

    Args:
        uncertainty (float): Standard deviation of where the network knows
            the label to be, in heatmap px.

    Returns:
        float: Slope of the mean of the rounded labels' displacement over the
        displacement itself: 1 without uncertainty.
    """
    terms = (
        math.exp(-4 * math.pi**2 * n**2 * uncertainty**2) / n**2
        for n in range(1, 50)
    )
    return 6 / math.pi**2 * sum(terms)


def draw_kernels(results: dict[str, Any]) -> Figure:
    """Gains of kernels under noise.

    Args:
        results (dict[str, Any]): By network, from :func:`under_noise`.

    Returns:
        Figure: One column a network.
    """
    figure = Figure(figsize=(5.5 * len(results), 4), layout='constrained')
    axes = figure.subplots(1, len(results), squeeze=False)[0]
    for ax, (title, by_noise) in zip(axes, results.items()):
        for i, (noise, entry) in enumerate(by_noise.items()):
            value, low, high = np.array(entry['gain']).T
            ax.errorbar(
                np.array(KERNELS) + 0.01 * i,
                value,
                [value - low, high - value],
                color=COLORS[i],
                marker=MARKERS[i],
                capsize=2,
                label=f'noise {noise}',
            )
        ax.axhline(0, color='0.5', linewidth=1)
        ax.set(
            xlabel='sigma of the kernel, heatmap px (targets: 1)',
            ylabel='PCK@0.1 less no modulation (points)',
            title=title,
        )
        ax.legend()
    return figure


def draw_encoding(tables: dict[str, Any]) -> Figure:
    """Gain of unbiased encoding against the network's own error.

    Args:
        tables (dict[str, Any]): Numbers of all tables. Of each pair of
            networks those of Taylor without modulation are shown.

    Returns:
        Figure: The rounding that it removes, and what that is worth.
    """
    figure = Figure(figsize=(11, 4.2), layout='constrained')
    left, right = figure.subplots(1, 2)
    errors = np.linspace(0.05, 0.7, 100)
    left.plot(
        errors,
        [100 * rounding_left(error) for error in errors],
        color='0.4',
        label='theory: what an error of this size leaves',
    )
    shown = {t: tables[n] for n, t in ENCODING_TABLES.items() if n in tables}
    for i, (title, rows) in enumerate(shown.items()):
        row = rows['unbiased, Taylor without modulation']
        rounding, *ends = (-number for number in row['less']['rounding'])
        for ax, (value, low, high) in (
            (left, (rounding, *sorted(ends))),
            (right, row['less']['PCK@0.1']),
        ):
            ax.errorbar(
                np.mean(row['scatter']),
                value,
                [[value - low], [high - value]],
                color=COLORS[i],
                marker=MARKERS[i],
                capsize=2,
                linestyle='',
                label=title,
            )
    left.set(
        ylabel='rounding repeated, biased less unbiased (%)', ylim=(-5, 30)
    )
    right.set(ylabel='PCK@0.1, unbiased less biased (points)')
    for ax in (left, right):
        ax.axhline(0, color='0.5', linewidth=1)
        ax.set(xlabel='error of the network per axis, heatmap px')
    left.legend(fontsize=7)
    return figure
