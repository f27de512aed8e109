"""Report of a comparison: markdown, json and plots."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..dumps.reader import HeatmapDump
from .bootstrap import Estimate
from .comparison import Interval
from .decoders_by_name import Sweep
from .machine import describe_run, describe_threads
from .markdown import markdown
from .recommendation import Choice
from .visualization import line_style

# fields of DumpInfo that go into the report
_RECORDED = (
    'kind',
    'dtype',
    'codec',
    'flip_test',
    'shift_heatmap',
    'num_samples',
    'batch_size',
    'checkpoint',
    'checkpoint_hash',
    'software',
)


class Row(NamedTuple):
    """One decoder.

    Attributes:
        decoder (dict): Its config.
        milliseconds (float): For one person.
        metrics (dict[str, float]): As ``tools/test.py`` prints them.
        intervals (dict[str, Interval]): Of those that can be resampled.
    """

    decoder: dict
    milliseconds: float
    metrics: dict[str, float]
    intervals: dict[str, Interval]


Rows = dict[str, Row]


def main_metrics(rows: Rows) -> list[str]:
    """Return the names of the metrics, without those of single joints."""
    first = next(iter(rows.values()))
    return [name for name in first.metrics if name.count('/') <= 1]


def shared_intervals(rows: Rows) -> list[str]:
    """Return the names of the main metrics that have intervals."""
    return [
        name
        for name in main_metrics(rows)
        if all(name in row.intervals for row in rows.values())
    ]


def write_report(
    folder: Path,
    dump: HeatmapDump,
    rows: Rows,
    sweeps: dict[str, Sweep],
    draws: int,
    choices: list[Choice],
) -> None:
    """Write report.md, report.json and the plots.

    Args:
        folder: Folder to write to.
        dump: The dump that was decoded.
        rows: Results by decoder, including those of the sweeps.
        sweeps: Sweeps by the names of their files.
        draws: Resamples of the bootstrap.
        choices: Recommended decoders.
    """
    info = vars(dump.info)
    record = dict(
        **describe_run(),
        dump=dict(
            folder=str(dump.folder), **{key: info[key] for key in _RECORDED}
        ),
        draws=draws,
        decoders={name: _plain(row) for name, row in rows.items()},
        recommended=[
            dict(
                choice._asdict(),
                value=choice.value._asdict(),
                difference=choice.difference._asdict(),
            )
            for choice in choices
        ],
    )
    (folder / 'report.json').write_text(json.dumps(record, indent=1) + '\n')
    pictures = []
    if shared_intervals(rows):
        swept = {name for sweep in sweeps.values() for name in sweep.decoders}
        main = {name: row for name, row in rows.items() if name not in swept}
        figures = {'differences': draw_differences(main)}
        for name, sweep in sweeps.items():
            figures[name] = draw_sweep(rows, sweep)
        for name, figure in figures.items():
            pictures.append(f'{name}.png')
            figure.savefig(folder / pictures[-1], dpi=100)
    text = as_page(dump, rows, draws, pictures)
    text += recommendation(choices)
    (folder / 'report.md').write_text(text)


def recommendation(choices: list[Choice]) -> str:
    """Return the recommendation in markdown; empty without choices."""
    if not choices:
        return ''
    table = markdown(
        ['by', 'take', 'on the other half', 'less `dark-max`'],
        [
            [
                choice.metric,
                f'`{choice.decoder}`',
                _estimate(choice.value),
                _estimate(choice.difference),
            ]
            for choice in choices
        ],
    )
    return (
        '## Recommended\n\nChosen on every other image, kernel widths '
        'included; the numbers, with 95 % intervals, are those of the other '
        f'images.\n\n{table}\n'
    )


def _plain(row: Row) -> dict[str, Any]:
    return dict(
        decoder=row.decoder,
        milliseconds_per_person=row.milliseconds,
        metrics=row.metrics,
        intervals={
            name: dict(
                value=interval.value._asdict(),
                difference=interval.difference._asdict(),
            )
            for name, interval in row.intervals.items()
        },
    )


def as_page(
    dump: HeatmapDump, rows: Rows, draws: int, pictures: list[str]
) -> str:
    """Tables: all numbers, then each with its intervals."""
    names = main_metrics(rows)
    lines = [*_head(dump)]
    numbers = [
        [
            f'`{name}`',
            *(_number(row.metrics[key]) for key in names),
            f'{row.milliseconds:.3f}',
        ]
        for name, row in rows.items()
    ]
    lines += [markdown(['decoder', *names, 'ms a person'], numbers), '']
    first = next(iter(rows))
    for name in shared_intervals(rows):
        lines += [
            f'## {name}',
            '',
            f'With 95 % intervals over images ({draws} resamples), and the '
            f'difference to `{first}`, paired by image.',
            '',
            markdown(
                ['decoder', name, f'less `{first}`'],
                [
                    [f'`{decoder}`', *map(_estimate, row.intervals[name])]
                    for decoder, row in rows.items()
                ],
            ),
            '',
        ]
    for file in pictures:
        lines += [f'![{Path(file).stem}]({file})', '']
    return '\n'.join(lines)


def _head(dump: HeatmapDump) -> list[str]:
    info = dump.info
    return [
        '# Decoders compared',
        '',
        f'`{shlex.join(sys.argv)}`',
        '',
        f'{info.num_samples} people, {info.kind} maps in {info.dtype}, '
        f'sigma {info.codec["sigma"]:g}, {info.codec["alignment"]}, '
        f'{"with" if info.flip_test else "without"} flip test; checkpoint '
        f'`{info.checkpoint}`. Decode time: median over batches of '
        f'{info.batch_size}, {describe_threads()["torch"]} thread(s).',
        '',
    ]


def _number(value: float) -> str:
    return f'{value:.4f}'


def _estimate(estimate: Estimate) -> str:
    value, low, high = map(_number, estimate)
    return f'{value} [{low}, {high}]'


def draw_differences(rows: Rows) -> Figure:
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
    figure.supxlabel(f'difference to {first}, 95 % interval', fontsize=9)
    return figure


def draw_sweep(rows: Rows, sweep: Sweep) -> Figure:
    """Draw differences from the first decoder over the swept number."""
    names = shared_intervals(rows)
    figure, axes = _panels(names, 2.8)
    for ax, name in zip(axes, names):
        for i, (family, decoders) in enumerate(sweep.families.items()):
            estimates = [
                rows[decoder].intervals[name].difference
                for decoder in decoders.values()
            ]
            value, low, high = zip(*estimates)
            x = list(decoders)
            style = line_style(i)
            ax.plot(x, value, label=family, **style)
            ax.fill_between(x, low, high, color=style['color'], alpha=0.15)
    axes[0].legend(fontsize=8)
    figure.supxlabel(sweep.label, fontsize=9)
    first = next(iter(rows))
    figure.supylabel(f'difference to {first}, 95 % interval', fontsize=9)
    return figure


def _panels(names: list[str], height: float) -> tuple[Figure, list[Axes]]:
    """Make a panel for each metric, three a row, `height` inches high."""
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
