"""The pictures of the study, as the paper's Figures 3, 4 and 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dark_codec.analysis.prediction import DECODERS as SHOWN
from dark_codec.analysis.prediction import Prediction, redecode
from dark_codec.analysis.visualization import COLORS, MARKERS, draw_skeleton
from projects.quantisation_figure import draw_quantisation_errors

from .comparisons import ENCODING_TABLES
from .evaluation import DECODERS, Decoded, load, predict_run
from .examples import choose_examples
from .paper_figures import draw_modulation
from .quantisation import median_keypoint, quantisation_errors
from .results import DECODED, last_checkpoint
from .runs import ENCODINGS, Run, converged
from .when import (
    KERNELS,
    by_shape,
    draw_encoding,
    draw_kernels,
    encoding_points,
    under_noise,
)

_SIZE = '128x96'
_SHOWN = 8  # photographs


def write_pictures(runs: list[Run], work_dir: Path, out: Path) -> None:
    """Draw what the trained runs allow.

    Args:
        runs (list[Run]): The trained ones, decoded.
        work_dir (Path): Holds their folders.
        out (Path): Holds ``tables.json``; the pictures go there, but for
            photographs, which are not ours to publish: ``examples.png``
            goes to ``work_dir``.
    """
    tables = json.loads((out / 'tables.json').read_text())
    if '4' in tables:
        draw_sizes(tables['4']).savefig(out / 'sizes.png', dpi=100)
    _draw_when(runs, work_dir, out, tables)
    gains = encoding_gains(tables)
    if gains:
        draw_gains(gains).savefig(out / 'encoding.png', dpi=100)
    nets = [Run(converged(codec, _SIZE), 0) for codec in ENCODINGS]
    if not set(nets) <= set(runs):
        print(f'No photographs drawn: {_SIZE} is not trained')
        return
    dark, base = (
        predict_run(run, last_checkpoint(run, work_dir)) for run in nets
    )
    decoded = [load(run.folder(work_dir) / DECODED) for run in nets]
    for name, figure in _draw_photographs(dark, base, *decoded).items():
        folder = work_dir if name == 'examples' else out
        figure.savefig(folder / f'{name}.png', dpi=80)


def _draw_when(
    runs: list[Run], work_dir: Path, out: Path, tables: dict[str, Any]
) -> None:
    """The two experiments, with their numbers in when.json."""
    points = encoding_points(tables, ENCODING_TABLES)
    if points:
        draw_encoding(points).savefig(out / 'when_unbiased.png', dpi=100)
    results = {}
    for size in ('128x96', '64x48'):
        run = Run(converged('unbiased', size), 0)
        if run not in runs:
            print(f'No experiment on modulation at {size}: it is not trained')
            continue
        prediction = predict_run(run, last_checkpoint(run, work_dir))
        results[size] = dict(
            noise=under_noise(prediction), shape=by_shape(prediction)
        )
    if not results:
        return
    numbers = dict(kernels=KERNELS, modulation=results, encoding=points)
    (out / 'when.json').write_text(json.dumps(numbers) + '\n')
    draw_kernels(results).savefig(out / 'when_modulation.png', dpi=100)


def _draw_photographs(
    dark: Prediction, base: Prediction, of_dark: Decoded, of_base: Decoded
) -> dict[str, Figure]:
    points = redecode(dark, DECODERS['DARK'])[1]
    errors = np.linalg.norm(points - dark.truth, axis=-1)
    codec = dark.codec(DECODERS['DARK'])
    labels = dark.to_input(dark.truth)[dark.labelled]
    others = redecode(base, DECODERS['quarter shift'])[1]
    found = ~of_dark.counted | (
        (of_dark.distance['DARK'] <= 0.2)
        & (of_base.distance['quarter shift'] <= 0.2)
    )
    return dict(
        modulation=draw_modulation(choose_examples(dark, errors, SHOWN)),
        quantisation=draw_quantisation_errors(
            median_keypoint(labels, codec),
            quantisation_errors(labels, codec),
            'test photographs',
            'input px',
        ),
        examples=draw_examples(dark, points, others, found.all(1)),
    )


def draw_examples(
    prediction: Prediction,
    points: np.ndarray,
    others: np.ndarray,
    allowed: np.ndarray,
) -> Figure:
    """DARK beside the baseline on photographs, as the paper's Fig. 5.

    Of the photographs that are allowed, those on which the two differ most,
    whichever is nearer to the label.

    Args:
        prediction (Prediction): Of all photographs.
        points (np.ndarray): DARK's keypoints in image px, (I, K, 2).
        others (np.ndarray): The baseline's, (I, K, 2).
        allowed (np.ndarray): Photographs to choose from, (I,), bool.

    Returns:
        Figure: A grid.
    """
    size = np.ptp(prediction.truth, axis=1).max(1)
    apart = np.linalg.norm(points - others, axis=-1).mean(1) / size
    chosen = np.argsort(np.where(allowed, apart, -1))[::-1][:_SHOWN]
    links = prediction.runner.test_dataloader.dataset.metainfo[
        'skeleton_links'
    ]
    figure = Figure(figsize=(12, 9), layout='constrained')
    axes = figure.subplots(2, _SHOWN // 2).ravel()
    for ax, i in zip(axes, chosen):
        image = cv2.imread(prediction.samples[i].img_path)
        ax.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        for name, keypoints, color, style in (
            ('label', prediction.truth[i], 'white', ':'),
            ('biased, quarter shift', others[i], COLORS[4], '-'),
            ('DARK', points[i], COLORS[5], '-'),
        ):
            draw_skeleton(ax, keypoints, links, color, None, name, style)
        height, width = image.shape[:2]
        ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        ax.set_title(Path(prediction.samples[i].img_path).stem, fontsize=9)
        ax.axis('off')
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc='outside lower center',
        ncols=3,
        facecolor='0.6',
    )
    return figure


def draw_sizes(table: dict[str, Any]) -> Figure:
    """Accuracy against input size.

    Args:
        table (dict[str, Any]): Numbers of Table 4.

    Returns:
        Figure: One column a measure.
    """
    sizes = list(dict.fromkeys(label.split(', ')[0] for label in table))
    kinds = list(dict.fromkeys(label.split(', ', 1)[1] for label in table))
    measures = ('PCK@0.2', 'PCK@0.1', 'PCK@0.05')
    figure = Figure(figsize=(12, 4), layout='constrained')
    for ax, measure in zip(figure.subplots(1, 3), measures):
        for color, marker, kind in zip(COLORS, MARKERS, kinds):
            numbers = np.array(
                [table[f'{s}, {kind}']['values'][measure] for s in sizes]
            )
            _errorbar(ax, sizes, numbers, color, marker, kind)
        ax.set(title=measure, xlabel='input size', ylabel=f'{measure} (%)')
        ax.set_ylim(0, None)
    figure.legend(
        *ax.get_legend_handles_labels(), loc='outside lower center', ncols=3
    )
    return figure


def _errorbar(
    ax: Axes,
    places: list[str],
    numbers: np.ndarray,
    color: str,
    marker: str,
    label: str,
) -> None:
    value, low, high = numbers.T
    ax.errorbar(
        places,
        value,
        [value - low, high - value],
        color=color,
        marker=marker,
        capsize=3,
        label=label,
    )


def encoding_gains(tables: dict[str, Any]) -> dict[str, dict]:
    """Draw what unbiased encoding changes, wherever a table compares it.

    Args:
        tables (dict[str, Any]): Numbers of all tables.

    Returns:
        dict[str, dict]: By place and decoder: name of the measure to
        (difference, low, high).
    """
    return {
        f'{place}, {label.split(", ")[1]}': row['less']
        for name, place in ENCODING_TABLES.items()
        for label, row in tables.get(name, {}).items()
        if label.startswith('unbiased')
    }


def draw_gains(gains: dict[str, dict]) -> Figure:
    """Unbiased less biased encoding, with 95 % intervals.

    Args:
        gains (dict[str, dict]): From :func:`encoding_gains`.

    Returns:
        Figure: One column a measure.
    """
    figure = Figure(figsize=(11, 1.2 + 0.3 * len(gains)), layout='constrained')
    measures = {'PCK@0.1': 'points', 'PCK@0.05': 'points', 'error': '% torso'}
    axes = figure.subplots(1, len(measures), sharey=True)
    for ax, (measure, unit) in zip(axes, measures.items()):
        value, low, high = np.array([g[measure] for g in gains.values()]).T
        ax.errorbar(
            value,
            range(len(gains)),
            xerr=[value - low, high - value],
            linestyle='',
            marker='o',
            color=COLORS[0],
        )
        ax.axvline(0, color='black', linewidth=1)
        ax.set(title=measure, xlabel=f'unbiased less biased ({unit})')
    axes[0].set_yticks(range(len(gains)), list(gains))
    axes[0].invert_yaxis()
    return figure
