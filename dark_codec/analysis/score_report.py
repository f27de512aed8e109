"""Report of a comparison of scores, and its reliability diagrams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..dumps.reader import HeatmapDump
from .bootstrap import Estimate
from .calibration import BINS
from .report import describe_dump, error_bars, markdown, record_of
from .score_comparison import EXPECTED, HEIGHT, ScoredDecoder, Truth
from .visualization import line_style

Results = Mapping[str, ScoredDecoder]


def as_record(
    dump: HeatmapDump, truth: Truth, results: Results, draws: int
) -> dict[str, Any]:
    """Return all numbers, and how they were made, for JSON."""
    return dict(
        **record_of(dump, draws),
        measure=truth.measure_name,
        sigmas=truth.sigmas,
        decoders=results,
        advice={name: advice(found) for name, found in results.items()},
    )


def page(dump: HeatmapDump, truth: Truth, results: Results, draws: int) -> str:
    """Return the whole report in markdown."""
    measure = truth.measure_name
    sections = [
        f'# Scores compared\n\n{describe_dump(dump)}'
        f'Scores are measured against {measure} of '
        f'{int(truth.labelled.sum())} labelled keypoints; 95 % intervals over '
        f'images ({draws} resamples). ECE: expected calibration error, {BINS} '
        'bins; rank: Spearman.\n',
        overall_table(results),
        f'\n## How much of the spread is error?\n\n{fit_table(results)}\n',
        '## Reliability\n\n![reliability](reliability.png)\n',
    ]
    for name, found in results.items():
        sections += [
            f'### `{name}`\n\n{_reliability_table(found, measure)}\n',
            f'{_keypoint_table(found, measure)}\n',
        ]
    return '\n'.join(sections)


def overall_table(results: Results) -> str:
    """Return one row for each score of each decoder."""
    header = ['decoder: score', 'AP', f'less {HEIGHT}', 'ECE']
    header += [f'less {HEIGHT}', 'rank', 'mean score', 'mean measured']
    rows = [
        [
            f'`{name}`: {score}',
            *_points(row.ap, row.ap_difference),
            row.error.text(),
            row.error_difference.text(),
            f'{row.overall.rank:.3f}',
            f'{row.overall.score:.3f}',
            f'{row.overall.measured:.3f}',
        ]
        for name, found in results.items()
        for score, row in found.rows.items()
    ]
    lines = [f'- `{name}`: {advice(found)}' for name, found in results.items()]
    return '\n'.join([markdown(header, rows), '', *lines, ''])


def fit_table(results: Results) -> str:
    """Return the fitted spreads and their worth."""
    fits = {name: f.fit for name, f in results.items() if f.fit is not None}
    if not fits:
        return 'Not fitted: that needs two images.\n'
    rows = [
        [
            f'`{name}`',
            f'{fit.spread:.2f}',
            fit.error.text(),
            fit.error_difference.text(),
            *_points(fit.ap, fit.ap_difference),
        ]
        for name, fit in fits.items()
    ]
    header = ['decoder', 'spread', 'ECE', 'less default', 'AP']
    return (
        'The `spread` of ExpectedOKS of the least ECE on every other image, '
        'with its numbers on the other images, and their difference from '
        'those of the default.\n\n'
        + markdown([*header, 'less default'], rows)
        + '\n'
    )


def advice(found: ScoredDecoder) -> str:
    """Return what the intervals let one say about a decoder's scores."""
    row = found.rows[EXPECTED]
    parts = [f'by ECE {_winner(row.error_difference, lower=True)}']
    if row.ap_difference is not None:
        parts.append(f'by AP {_winner(row.ap_difference, lower=False)}')
    fit = found.fit
    if fit is not None:
        better = fit.error_difference.high < 0
        fitted = f'`spread={fit.spread:.2f}`' if better else 'the default'
        parts.append(f'spread: {fitted}')
    return '; '.join(parts)


def _winner(difference: Estimate, lower: bool) -> str:
    if difference.low <= 0 <= difference.high:
        return 'not distinguishable'
    return EXPECTED if (difference.value < 0) == lower else HEIGHT


def _points(*estimates: Estimate | None) -> list[str]:
    """Return APs in percent."""
    return [e.times(100).text(1) if e is not None else '-' for e in estimates]


def _reliability_table(found: ScoredDecoder, measure: str) -> str:
    header = ['score']
    for name in found.rows:
        header += [f'{name}: keypoints', 'mean score', measure]
    rows = []
    for number in range(BINS):
        cells = [f'{number / BINS:.1f} to {(number + 1) / BINS:.1f}']
        for row in found.rows.values():
            curve = row.curve
            predicted = measured = ''
            if curve.number[number]:
                predicted = f'{curve.predicted[number]:.3f}'
                measured = curve.measured.at(number).text()
            cells += [str(curve.number[number]), predicted, measured]
        rows.append(cells)
    return markdown(header, rows)


def _keypoint_table(found: ScoredDecoder, measure: str) -> str:
    header = ['keypoint', 'number', f'mean {measure}']
    for name in found.rows:
        header += [f'{name}: mean', 'ECE', 'rank']
    rows = []
    for keypoint, height in found.rows[HEIGHT].by_keypoint.items():
        cells = [keypoint, str(height.number), f'{height.measured:.3f}']
        for row in found.rows.values():
            each = row.by_keypoint[keypoint]
            cells += [f'{x:.3f}' for x in (each.score, each.error, each.rank)]
        rows.append(cells)
    return markdown(header, rows)


def draw_reliability(results: Results, measure: str) -> Figure:
    """Draw a reliability diagram for each decoder, side by side."""
    figure = Figure(figsize=(4.2 * len(results), 4.2), layout='constrained')
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for ax, (name, found) in zip(panels, results.items()):
        _draw_curves(ax, found)
        ax.set_title(name, fontsize=9)
        ax.set(xlabel='score', ylabel=f'measured {measure}')
    return figure


def _draw_curves(ax: Axes, found: ScoredDecoder) -> None:
    """Draw measured by predicted; below, the share of keypoints per bin."""
    for number, (name, row) in enumerate(found.rows.items()):
        curve, style = row.curve, line_style(number)
        some = curve.number > 0
        ax.errorbar(
            curve.predicted[some],
            curve.measured.value[some],
            error_bars(curve.measured)[:, some],
            capsize=2,
            label=name,
            **style,
        )
        width = 0.45 / BINS
        left = np.arange(BINS) / BINS + width * number
        share = curve.number / curve.number.sum()
        ax.bar(
            left,
            share,
            width,
            align='edge',
            color=style['color'],
            alpha=0.5,
        )
    ax.plot([0, 1], [0, 1], ':', color='grey')
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect='equal')
    ax.legend(loc='upper left', fontsize=8)
