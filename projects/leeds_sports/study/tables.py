"""Numbers of the tables, with intervals, as json and as markdown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.report import markdown
from dark_codec.analysis.robust import median, robust_std
from dark_codec.functional.encode import quantise_points

from .comparisons import BUDGETS, SHORT, Row, Table
from .evaluation import Decoded

THRESHOLDS = (0.2, 0.1, 0.05)
_FOUND = 0.2  # torso diagonals
_NAMES = (*(f'PCK@{t}' for t in THRESHOLDS), 'error', 'rounding')
_COMPARED = ('PCK@0.1', 'PCK@0.05', 'error')
_EXTRA = {'offset': 'offset x, y', 'rounding': 'rounding repeated, %'}

Load = Callable[[str], list[Decoded]]


def compare(table: Table, load: Load, draws: int = 1000) -> dict[str, Any]:
    """The numbers of a table.

    Seeds of a network are averaged image by image, and the images are drawn
    anew for the intervals: they tell nothing about other seeds.

    Args:
        table (Table): Its rows.
        load (Callable): Gives what was decoded, one an available seed, for
            the stem of a config.
        draws (int): Of the bootstrap. Defaults to 1000.

    Returns:
        dict[str, Any]: By the rows' labels: ``values``, ``less`` (differences
        to the row that it is compared with; absent without one), each with
        :data:`_NAMES` as keys and (value, low, high) as values, all in
        percent; ``seeds``, the values of each seed; and, in heatmap px, the
        median ``offset`` (x, y) and, of those that all rows find, its
        robust standard deviation, ``scatter``. ``error`` is the mean
        distance, in percent of the torso, of the keypoints that all rows
        find; ``rounding`` is explained in :func:`_rounding`.
    """
    decoded = {row.label: load(row.config) for row in table.rows}
    counted = next(iter(decoded.values()))[0].counted
    found = counted.copy()
    for row in table.rows:
        for one in decoded[row.label]:
            found &= one.distance[row.decoder] <= _FOUND
    parts = [
        _sums(row, decoded[row.label], counted, found) for row in table.rows
    ]
    # over images first, then rows
    sums = np.stack([sums.mean(0) for sums, _ in parts], 1)
    counts = np.stack([counts for _, counts in parts], 1)
    labels = [row.label for row in table.rows]
    against = [labels.index(row.against or row.label) for row in table.rows]

    def statistic(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
        values = 100 * sums.sum(0) / counts.sum(0)
        return np.stack([values, values - values[against]])

    estimate = np.stack(bootstrap(statistic, sums, counts, draws=draws), -1)
    result = {}
    for i, row in enumerate(table.rows):
        entry = dict(
            values=_named(estimate[0, i]),
            seeds=_by_seed(*parts[i]),
        )
        if row.against is not None:
            entry.update(against=row.against, less=_named(estimate[1, i]))
        entry['offset'] = _offset(row, decoded[row.label], counted)
        entry['scatter'] = _scatter(row, decoded[row.label], found)
        result[row.label] = entry
    return result


def _sums(
    row: Row, seeds: list[Decoded], counted: np.ndarray, found: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of each image, whose ratio is each of the measures.

    Returns:
        tuple[np.ndarray, np.ndarray]: (seeds, I, measures), (I, measures).
    """
    distance = np.stack([one.distance[row.decoder] for one in seeds])
    hits = [((distance <= t) & counted).sum(2) for t in THRESHOLDS]
    errors = np.where(found, distance, 0).sum(2)
    rounding = _rounding(row, seeds[0].label) * found[..., None]
    offset = np.stack([one.offset[row.decoder] for one in seeds])
    repeated = np.where(found[..., None], offset, 0) * rounding
    sums = [*hits, errors, repeated.sum((2, 3))]
    counts = [*[counted.sum(1)] * len(hits), found.sum(1)]
    counts.append((rounding**2).sum((1, 2)))
    return np.stack(sums, -1), np.stack(counts, -1)


def _rounding(row: Row, label: np.ndarray) -> np.ndarray:
    """Return how far a biased encoder moves labels, less the mean, heatmap px.

    The measure ``rounding`` is the slope of the predictions' offsets over
    it: 100 % for a network that repeats the grid of its targets, 0 for one
    that knows of no grid. Of an unbiased network, the same with rounding to
    the nearest pixel.
    """
    quantise = 'floor' if '_biased-floor-' in row.config else 'round'
    middle = 0.5 if quantise == 'floor' else 0.0
    quantised = quantise_points(torch.from_numpy(label), quantise).numpy()
    return quantised - label + middle


def _by_seed(sums: np.ndarray, counts: np.ndarray) -> dict[str, list[float]]:
    """Values of each seed, by measure."""
    values = 100 * sums.sum(1) / counts.sum(0)
    return {
        name: [round(float(n), 3) for n in column]
        for name, column in zip(_NAMES, values.T)
    }


def _named(numbers: np.ndarray) -> dict[str, list[float]]:
    return {
        name: [round(float(n), 3) for n in triple]
        for name, triple in zip(_NAMES, numbers)
    }


def _offset(
    row: Row, seeds: list[Decoded], counted: np.ndarray
) -> list[float]:
    """Median of all: those that are found near the label would shrink it."""
    medians = [np.median(one.offset[row.decoder][counted], 0) for one in seeds]
    return [round(float(n), 3) for n in np.mean(medians, 0)]


def _scatter(row: Row, seeds: list[Decoded], found: np.ndarray) -> list[float]:
    offsets = np.concatenate([one.offset[row.decoder][found] for one in seeds])
    deviation = robust_std(offsets, median(offsets))
    return [round(float(n), 3) for n in deviation]


def comparison_table(table: Table, numbers: dict[str, Any]) -> str:
    """A table with one line a row.

    Args:
        table (Table): Its rows.
        numbers (dict[str, Any]): From :func:`compare`.

    Returns:
        str: Values, and differences with their 95 % intervals.
    """
    heads = ['', *_NAMES[:3], 'error, % of torso']
    heads += [f'{name} against' for name in _COMPARED]
    several = any(len(_seeds(entry)) > 1 for entry in numbers.values())
    heads += ['PCK@0.1 of each seed'] * several
    heads += [_EXTRA[table.extra]] if table.extra else []
    lines = []
    for label, entry in numbers.items():
        values = entry['values']
        cells = [label, *(f'{values[name][0]:.1f}' for name in _NAMES[:3])]
        cells.append(f'{values["error"][0]:.2f}')
        cells += [_difference(entry, name) for name in _COMPARED]
        if several:
            cells.append(', '.join(f'{n:.1f}' for n in _seeds(entry)))
        if table.extra == 'offset':
            cells.append('{:+.2f}, {:+.2f}'.format(*entry['offset']))
        if table.extra == 'rounding':
            cells.append('{:.0f} [{:.0f}, {:.0f}]'.format(*values['rounding']))
        lines.append(cells)
    return markdown(heads, lines)


def _seeds(entry: dict[str, Any]) -> list[float]:
    return entry['seeds']['PCK@0.1']


def _difference(entry: dict[str, Any], name: str) -> str:
    if 'less' not in entry:
        return ''
    digits = 2 if name == 'error' else 1
    value, low, high = (f'{n:+.{digits}f}' for n in entry['less'][name])
    return f'{value} [{low}, {high}]'


def budgets(numbers: dict[str, Any]) -> str:
    """Return the effect of longer training, in markdown.

    Args:
        numbers (dict[str, Any]): All tables, by name.

    Returns:
        str: One line a comparison, with the differences in PCK@0.1 and
        PCK@0.05 after either budget.
    """
    heads = [f'{m}, {b}' for m in _COMPARED[:2] for b in ('short', 'long')]
    rows = []
    for size, what, table, label in BUDGETS:
        if table not in numbers:
            continue  # not trained yet
        entries = [numbers[SHORT + table][label], numbers[table][label]]
        cells = [
            _difference(entry, name)
            for name in _COMPARED[:2]
            for entry in entries
        ]
        rows.append([size, what, *cells])
    return markdown(['size', '', *heads], rows, text=(0, 1))
