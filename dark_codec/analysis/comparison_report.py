"""Report of a comparison of decoders, and its plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..dumps.reader import HeatmapDump
from .comparison import Row
from .decoders_by_name import Sweep
from .machine import describe_threads
from .recommendation import REFERENCE, Choice
from .report import describe_dump, markdown, record_of
from .visualization import line_style

_DIGITS = 4

Rows = Mapping[str, Row]


def main_metrics(rows: Rows) -> list[str]:
    """Return the names of the metrics that tables show.

    Not those of single joints, nor those that COCO gives as -1: there is no
    person of that size.
    """
    first = next(iter(rows.values()))
    return [
        name
        for name in first.metrics
        if name.count('/') <= 1
        and any(row.metrics[name] != -1 for row in rows.values())
    ]


def shared_intervals(rows: Rows) -> list[str]:
    """Return the names of the main metrics that have intervals."""
    return [
        name
        for name in main_metrics(rows)
        if all(name in row.intervals for row in rows.values())
    ]


def as_record(
    dump: HeatmapDump, rows: Rows, draws: int, choices: list[Choice]
) -> dict[str, Any]:
    """Return all numbers, and how they were made, for JSON."""
    return dict(
        **record_of(dump, draws),
        decoders=rows,
        recommended=[
            dict(choice._asdict(), decoder=choice.decoder)
            for choice in choices
        ],
    )


def draw_figures(rows: Rows, sweeps: Mapping[str, Sweep]) -> dict[str, Figure]:
    """Draw the differences from the first decoder, if they are known.

    Args:
        rows: Results by decoder, including those of the sweeps.
        sweeps: By the names of their figures.
    """
    if not shared_intervals(rows):
        return {}
    swept = {name for sweep in sweeps.values() for name in sweep.decoders}
    main = {name: row for name, row in rows.items() if name not in swept}
    figures = {'differences': _draw_differences(main)}
    for name, sweep in sweeps.items():
        figures[name] = _draw_sweep(rows, sweep)
    return figures


def summary(dump: HeatmapDump, rows: Rows) -> str:
    """Return what was compared, and the table of all numbers."""
    names = main_metrics(rows)
    batch = min(dump.info.batch_size, len(dump))
    table = [
        [
            f'`{name}`',
            *(f'{row.metrics[key]:.{_DIGITS}f}' for key in names),
            f'{row.milliseconds_per_person:.3f}',
        ]
        for name, row in rows.items()
    ]
    return (
        f'# Decoders compared\n\n{describe_dump(dump)}'
        f'Decode time: median of repeated runs on a batch of {batch}, '
        f'{describe_threads()["torch"]} thread(s), after a warm-up.\n\n'
        + markdown(['decoder', *names, 'ms per person'], table)
        + '\n'
    )


def interval_tables(rows: Rows, draws: int) -> str:
    """Return a table with intervals for each number that has them."""
    first = next(iter(rows))
    sections = []
    for name in shared_intervals(rows):
        table = [
            [
                f'`{decoder}`',
                *(part.text(_DIGITS) for part in row.intervals[name]),
            ]
            for decoder, row in rows.items()
        ]
        sections.append(
            f'## {name}\n\nWith 95 % intervals over images ({draws} '
            f'resamples), and the difference from `{first}`, paired by '
            'image.\n\n'
            + markdown(['decoder', name, f'less `{first}`'], table)
            + '\n'
        )
    return '\n'.join(sections)


def recommendation(choices: list[Choice]) -> str:
    """Return the recommendation in markdown."""
    title = '## Recommended\n\n'
    if not choices:
        return (
            f'{title}None: by no metric do the decoders differ on half of '
            'the images.\n'
        )
    table = []
    for choice in choices:
        metric, best, value, difference = choice
        taken = f'none: not better than `{REFERENCE}` on the other half'
        if choice.decoder is not None:
            taken = f'`{choice.decoder}`'
        elif difference.low <= 0 <= difference.high:
            taken = f'not distinguishable from `{REFERENCE}`'
        numbers = [part.text(_DIGITS) for part in (value, difference)]
        table.append([metric, taken, f'`{best}`', *numbers])
    header = ['by', 'take', 'best on one half', 'it scores on the other']
    header.append(f'less `{REFERENCE}`')
    return (
        f'{title}The best decoder on every other image, kernel widths '
        'included, with the numbers and 95 % intervals of the other images. '
        'Where the interval of the difference holds 0, there is no '
        'recommendation.\n\n'
        f'{markdown(header, table, text=(0, 1, 2))}\n'
    )


def _draw_differences(rows: Rows) -> Figure:
    """Draw differences from the first decoder with their intervals."""
    names = shared_intervals(rows)
    figure, axes = _panels(names, 0.8 + 0.3 * len(rows))
    for ax, name in zip(axes, names):
        for y, row in enumerate(rows.values()):
            value, low, high = row.intervals[name].difference
            style = line_style(y)
            ax.plot([low, high], [y, y], color=style['color'])
            ax.plot(value, y, **style)
        ax.axvline(0, color='0.6', linewidth=1)
        ax.set_yticks(range(len(rows)), list(rows))
        ax.invert_yaxis()
    first = next(iter(rows))
    figure.supxlabel(f'difference from {first}, 95 % interval', fontsize=9)
    return figure


def _draw_sweep(rows: Rows, sweep: Sweep) -> Figure:
    """Draw differences from the first decoder over the swept number."""
    names = shared_intervals(rows)
    figure, axes = _panels(names, 2.8)
    for ax, name in zip(axes, names):
        for i, (family, decoders) in enumerate(sweep.families.items()):
            found = [rows[d].intervals[name] for d in decoders.values()]
            value, low, high = zip(*(each.difference for each in found))
            x = list(decoders)
            style = line_style(i)
            ax.plot(x, value, label=family, **style)
            ax.fill_between(x, low, high, color=style['color'], alpha=0.15)
    axes[0].legend(fontsize=8)
    figure.supxlabel(sweep.label, fontsize=9)
    first = next(iter(rows))
    figure.supylabel(f'difference from {first}, 95 % interval', fontsize=9)
    return figure


def _panels(names: list[str], height: float) -> tuple[Figure, list[Axes]]:
    """Make a panel for each metric, three per row, `height` inches high."""
    columns = min(len(names), 3)
    lines = -(-len(names) // columns)
    figure = Figure(
        figsize=(4 * columns, height * lines + 0.4), layout='constrained'
    )
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, name in zip(axes, names):
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=8)
    for ax in axes[len(names) :]:
        ax.axis('off')
    return figure, list(axes)
