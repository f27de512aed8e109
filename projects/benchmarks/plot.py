"""Draw how cost grows with batch, keypoints and heatmap size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes

from dark_codec.analysis.visualization import line_style
from projects.benchmarks.cases import BODY, LARGE, SIZES
from projects.benchmarks.contestants import (
    ARGMAX_PASS,
    DARK,
    FILL_PASS,
    PLAIN,
    UDP,
)

matplotlib.use('Agg')
from matplotlib import pyplot as plt

# of one pass over the heatmaps, the bound; the others by `line_style`
_PASS = dict(color='#555555', marker='.', linestyle=':')
_SHOWN = dict(
    decode=[
        ARGMAX_PASS,
        PLAIN,
        DARK,
        UDP,
        'Taylor, max',
        'Taylor, minmax',
        'GaussianFit',
    ],
    encode=[
        FILL_PASS,
        PLAIN,
        DARK,
        UDP,
        'Unbiased, one by one',
        'Unbiased, batch, tensors',
    ],
)


def _pixels(row: dict) -> int:
    return row['size'][0] * row['size'][1]


def draw(rows: list[dict], path: Path) -> None:
    """Draw the rows of the first device.

    Args:
        rows (list[dict]): From ``run.py``.
        path (Path): The image file.
    """
    rows = [
        row
        for row in rows
        if row['device'] == rows[0]['device']
        and 'real' not in row['maps']
        and row['size'] != list(LARGE)
    ]
    largest = max(row['batch'] for row in rows)
    middle = list(SIZES[1])
    panels: list[tuple[str, Callable, Callable]] = [
        (
            f'batch ({BODY} keypoints, 64x48)',
            lambda row: row['batch'],
            lambda row: row['size'] == middle and row['keypoints'] == BODY,
        ),
        (
            f'keypoints (batch {largest}, 64x48)',
            lambda row: row['keypoints'],
            lambda row: row['size'] == middle and row['batch'] == largest,
        ),
        (
            f'pixels of a heatmap ({BODY} keypoints, batch {largest})',
            _pixels,
            lambda row: row['keypoints'] == BODY and row['batch'] == largest,
        ),
    ]
    figure, grid = plt.subplots(2, 3, figsize=(13, 8), sharey='row')
    for axes, (task, names) in zip(grid, _SHOWN.items()):
        for ax, (label, along, chosen) in zip(axes, panels):
            kept = [r for r in rows if r['task'] == task and chosen(r)]
            _panel(ax, kept, names, along)
            ax.set_xlabel(label)
        axes[0].set_ylabel(f'{task}: ms a batch')
        axes[2].legend(
            loc='center left', bbox_to_anchor=(1.0, 0.5), frameon=False
        )
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _panel(
    ax: Axes, rows: list[dict], names: list[str], along: Callable
) -> None:
    ticks = sorted({along(row) for row in rows})
    styles = [_PASS, *map(line_style, range(len(names) - 1))]
    for name, style in zip(names, styles):
        points = sorted(
            (along(row), 1000 * row['median'], row['low'], row['high'])
            for row in rows
            if row['name'] == name
        )
        if not points:
            continue
        x, y, low, high = zip(*points)
        ax.plot(x, y, label=name, **style)
        ax.fill_between(
            x,
            [1000 * v for v in low],
            [1000 * v for v in high],
            color=style['color'],
            alpha=0.2,
            linewidth=0,
        )
    ax.set_xscale('log')
    ax.set_yscale('log')
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.grid(color='#dddddd', linewidth=0.6)
