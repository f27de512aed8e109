"""Experiments on the gain of modulation and of unbiased encoding.

Modulation: white noise is added to the heatmaps of trained networks, and each
is decoded by Taylor steps with kernels of several widths; and the heatmaps as
they are, sorted by how wide and how high they are. Encoding: what it gains in
each pair of networks of the study, against the error of the network.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.prediction import Prediction, redecode
from dark_codec.analysis.visualization import COLORS, MARKERS

from .evaluation import torso_distances_of

NOISE = (0.0, 0.02, 0.05, 0.1)  # standard deviation; targets have peak 1
KERNELS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25)  # sigma in heatmap px; 0: none
_PARTS = 5
_NEAR = 0.1  # torso diagonals


def taylor(sigma: float) -> dict[str, Any]:
    """The Taylor decoder with a kernel of this width, in heatmap px."""
    if sigma == 0:
        return dict(type='TaylorDecoder', modulation=None)
    return dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', sigma=sigma),
    )


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
        noisy = prediction._replace(
            heatmaps=prediction.heatmaps.cpu() + noise * white
        )
        hits, counts = _hits(noisy)
        result[f'{noise:g}'] = _against_first(hits.sum(2), counts.sum(1))
    return result


def by_shape(prediction: Prediction) -> dict[str, Any]:
    """Return the gain of kernels on heatmaps that are low or wide.

    Args:
        prediction (Prediction): Of a network.

    Returns:
        dict[str, Any]: For ``height`` (the maximum) and ``width`` (standard
        deviation of the heatmap at its peak, heatmap px), a list over fifths
        of the keypoints in that order, each with the median (``at``), and
        ``PCK@0.1`` and ``gain`` as in :func:`under_noise`.
    """
    hits, counts = _hits(prediction)
    decoder = prediction.codec(dict(taylor(0.0), covariance=True)).decoder
    decoded = decoder(prediction.heatmaps)
    covariance = np.asarray(decoded.covariance.cpu())
    width = np.linalg.det(covariance.astype(float)) ** 0.25
    known = np.asarray(decoded.refined.cpu()) & counts
    result = {}
    for name, values in (
        ('height', np.asarray(decoded.scores.cpu())),
        ('width', width),
    ):
        edges = np.quantile(values[known], np.linspace(0, 1, _PARTS + 1))
        parts = []
        for low, high in zip(edges, edges[1:]):
            chosen = known & (values >= low) & (values <= high)
            entry = _against_first((hits & chosen).sum(2), chosen.sum(1))
            parts.append(dict(at=float(np.median(values[chosen])), **entry))
        result[name] = parts
    return result


def _hits(prediction: Prediction) -> tuple[np.ndarray, np.ndarray]:
    """Return the hits by kernel, and the mask of keypoints that count."""
    hits = []
    for sigma in KERNELS:
        points = redecode(prediction, taylor(sigma))[1]
        distance, counted = torso_distances_of(prediction, points)
        hits.append((distance <= _NEAR) & counted)
    return np.stack(hits), counted


def _against_first(hits: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
    """Percentages of (kernels, I) of (I,), and differences to the first."""

    def statistic(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
        values = 100 * hits.sum(0) / max(counts.sum(), 1)
        return np.stack([values, values - values[0]])

    estimate = np.stack(bootstrap(statistic, hits.T, counts, draws=500), -1)
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


def encoding_points(
    tables: dict[str, Any], places: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the gain of unbiased encoding in each pair of networks.

    Args:
        tables (dict[str, Any]): Numbers of all tables.
        places (dict[str, str]): Titles by the names of tables of encodings.

    Returns:
        list[dict[str, Any]]: ``title``, ``scatter`` (of the unbiased
        network's errors, per axis, heatmap px), and the differences in
        ``PCK@0.1`` and ``error``, decoded by Taylor without modulation.
    """
    points = []
    for name, title in places.items():
        row = tables.get(name, {}).get('unbiased, Taylor without modulation')
        if row is not None:
            points.append(
                dict(
                    title=title,
                    scatter=float(np.mean(row['scatter'])),
                    **{m: row['less'][m] for m in ('PCK@0.1', 'error')},
                    rounding=[-n for n in row['less']['rounding']],
                )
            )
    return points


def draw_kernels(results: dict[str, Any]) -> Figure:
    """Gains of kernels under noise, and on wide and low heatmaps.

    Args:
        results (dict[str, Any]): By network: ``noise`` from
            :func:`under_noise`, ``shape`` from :func:`by_shape`.

    Returns:
        Figure: One row a network.
    """
    figure = Figure(figsize=(12, 3.6 * len(results)), layout='constrained')
    rows = figure.subplots(len(results), 3, squeeze=False)
    for axes, (title, result) in zip(rows, results.items()):
        for i, (noise, entry) in enumerate(result['noise'].items()):
            value, low, high = np.array(entry['gain']).T
            axes[0].errorbar(
                np.array(KERNELS) + 0.01 * i,
                value,
                [value - low, high - value],
                color=COLORS[i],
                marker=MARKERS[i],
                capsize=2,
                label=f'noise {noise}',
            )
        axes[0].set(
            xlabel='sigma of the kernel, heatmap px (targets: 1)',
            ylabel='PCK@0.1 less no modulation (points)',
            title=f'{title}: added noise',
        )
        axes[0].legend()
        for ax, name, unit in (
            (axes[1], 'height', 'maximum of the heatmap'),
            (axes[2], 'width', 'width of the heatmap, px'),
        ):
            _draw_parts(ax, result['shape'][name])
            ax.set(xlabel=unit, title=f'{title}: as predicted')
            ax.legend()
        for ax in axes:
            ax.axhline(0, color='0.5', linewidth=1)
    return figure


def _draw_parts(ax: Any, parts: list[dict[str, Any]]) -> None:
    at = [part['at'] for part in parts]
    for i, kernel in enumerate((0.5, 1.0)):
        gains = [part['gain'][KERNELS.index(kernel)] for part in parts]
        value, low, high = np.array(gains).T
        ax.errorbar(
            at,
            value,
            [value - low, high - value],
            color=COLORS[i],
            marker=MARKERS[i],
            capsize=2,
            label=f'kernel {kernel:g} px',
        )


def draw_encoding(points: list[dict[str, Any]]) -> Figure:
    """Gain of unbiased encoding against the network's own error.

    Args:
        points (list[dict[str, Any]]): From :func:`encoding_points`.

    Returns:
        Figure: The rounding that it removes, and what that is worth.
    """
    figure = Figure(figsize=(11, 4.2), layout='constrained')
    left, right = figure.subplots(1, 2)
    errors = np.linspace(0.05, 0.7, 100)
    left.plot(
        errors,
        [100 * rounding_left(u) for u in errors],
        color='0.4',
        label='theory: what an error of this size leaves',
    )
    for i, point in enumerate(points):
        style = dict(
            color=COLORS[i % len(COLORS)],
            marker=MARKERS[i % len(MARKERS)],
            capsize=2,
            linestyle='',
            label=point['title'],
            # hollow where colours and markers repeat
            fillstyle='full' if i < len(COLORS) else 'none',
        )
        for ax, measure in ((left, 'rounding'), (right, 'PCK@0.1')):
            value, *ends = point[measure]
            ax.errorbar(
                point['scatter'],
                value,
                [[value - min(ends)], [max(ends) - value]],
                **style,
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
