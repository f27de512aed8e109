"""The report: one table for each case, and a figure of how costs grow."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from dark_codec.analysis.report import markdown
from dark_codec.analysis.visualization import line_style
from projects.benchmarks.cases import SIZES
from projects.benchmarks.methods import DARK, PLAIN, UDP
from projects.benchmarks.timing import Timing

CHECKS = dict(
    decode='median error, heatmap px',
    encode='largest difference from MMPose',
    transformers='median error, heatmap px',
)
DRAWN = dict(
    decode=[PLAIN, DARK, UDP, 'Taylor, max', 'Taylor, minmax', 'GaussianFit'],
    encode=[PLAIN, DARK, UDP, 'Unbiased, one by one', 'Unbiased, batch'],
)
INTRODUCTION = """\
# Speed: {tasks}

{machine}

Milliseconds per batch on {device}, {threads} thread(s): median [quartiles] of
{turns} turns. "x" is how many times as fast as what it replaces, MMPose's
codec or transformers' processor; below 1 it is slower, and listed at the end.
Errors and memory (in addition to the heatmaps, as a share of theirs) are
those of the largest batch.
"""


def _table(rows: list[dict], task: str) -> str:
    """Make the table of one case: a line for each method."""
    batches = sorted({row['batch'] for row in rows})
    header = [''] + [text for b in batches for text in (f'batch {b}', 'x')]
    header += [CHECKS[task]] + ['extra memory'] * (task == 'decode')
    lines: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row['batch']):
        cells = lines.setdefault(row['name'], [row['name']])
        times = f'{row["times"]:.3g}' if 'times' in row else ''
        cells += [str(Timing(*row['seconds'])), times]
        if row['batch'] == batches[-1]:
            check = row['check']
            cells.append('' if check is None else f'{check:.2g}')
            if 'memory' in row:
                cells.append(f'{row["memory"]:.3%}')
    return markdown(header, lines.values())


def losses(rows: list[dict]) -> list[str]:
    """List where ours is slower than what it replaces."""
    return [
        f'- {row["task"]}, {row["maps"]}, batch {row["batch"]}: {row["name"]} '
        f'{row["times"]:.2f} x {row["baseline"]}'
        for row in rows
        if row.get('times', 1) < 1
    ]


def page_of(results: dict) -> str:
    """Return the page, in markdown."""
    cases: dict[tuple[str, str], list[dict]] = {}
    for row in results['rows']:
        cases.setdefault((row['task'], row['maps']), []).append(row)
    page = INTRODUCTION.format(
        tasks=', '.join(dict.fromkeys(task for task, _ in cases)),
        machine=', '.join(f'{k} {v}' for k, v in results['machine'].items()),
        **results['settings'],
    )
    for (task, maps), rows in cases.items():
        page += f'\n## {task}: {maps}\n\n{_table(rows, task)}\n'
    if found := results.get('first calls'):
        header = ['compiled code', *found['full cache']]
        lines = [
            [cache, *(f'{seconds:.2f}' for seconds in calls.values())]
            for cache, calls in found.items()
        ]
        page += '\n## First call of a process, s\n\n'
        page += markdown(header, lines) + '\n'
    slower = losses(results['rows']) or ['Nowhere in this run.']
    return '\n'.join([page, '## Where dark_codec is slower\n', *slower, ''])


def draw(rows: list[dict]) -> Figure:
    """Draw milliseconds over batch, keypoints and size of the heatmaps."""
    rows = [row for row in rows if 'real' not in row['maps']]
    most = max(row['batch'] for row in rows)
    # each panel varies one of these
    fixed = dict(batch=most, keypoints=17, size=SIZES[1])
    panels = dict(
        batch='batch (17 keypoints, 64x48)',
        keypoints=f'keypoints (batch {most}, 64x48)',
        size=f'pixels of a heatmap (17 keypoints, batch {most})',
    )
    figure = Figure(figsize=(13, 8), layout='tight')
    grid = figure.subplots(2, 3, sharey='row')
    for axes, (task, names) in zip(grid, DRAWN.items()):
        for ax, (varied, label) in zip(axes, panels.items()):
            shown = [
                row
                for row in rows
                if row['task'] == task
                and all(row[k] == fixed[k] for k in fixed if k != varied)
            ]
            for index, name in enumerate(names):
                x, y, low, high = zip(
                    *sorted(
                        (
                            np.prod(row[varied]),
                            *np.multiply(1e3, row['seconds']),
                        )
                        for row in shown
                        if row['name'] == name
                    )
                )
                style = line_style(index)
                ax.plot(x, y, label=name, **style)
                ax.fill_between(x, low, high, color=style['color'], alpha=0.2)
            ax.set(xscale='log', yscale='log', xlabel=label)
            ax.set_xticks(x, [str(tick) for tick in x])
            ax.minorticks_off()
            ax.grid(color='#dddddd', linewidth=0.6)
        axes[0].set_ylabel(f'{task}: ms a batch')
        axes[2].legend(bbox_to_anchor=(1, 0.5), loc='center left')
    return figure
