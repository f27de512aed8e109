"""The report: one table for each case."""

from __future__ import annotations

from pathlib import Path

from dark_codec.analysis.report import markdown
from projects.benchmarks.timing import Timing

CHECKS = dict(
    decode='median error, heatmap px',
    encode='largest difference from MMPose',
    transformers='median error, heatmap px',
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


def _section(rows: list[dict], task: str) -> str:
    batches = sorted({row['batch'] for row in rows})
    header = [''] + [text for b in batches for text in (f'batch {b}', 'x')]
    lines = {}
    for row in sorted(rows, key=lambda row: row['batch']):
        cells = lines.setdefault(row['name'], [row['name']])
        times = f'{row["times"]:.3g}' if 'times' in row else ''
        cells += [str(Timing(*row['seconds'])), times]
    header.append(CHECKS[task])
    if task == 'decode':
        header.append('extra memory')
    for row in (row for row in rows if row['batch'] == batches[-1]):
        check = row['check']
        lines[row['name']].append('' if check is None else f'{check:.2g}')
        if 'memory' in row:
            lines[row['name']].append(f'{row["memory"]:.3%}')
    return markdown(header, list(lines.values()))


def losses(rows: list[dict]) -> list[str]:
    """List where ours is slower than what it replaces."""
    return [
        f'- {row["task"]}, {row["maps"]}, batch {row["batch"]}: {row["name"]} '
        f'{row["times"]:.2f} x {row["baseline"]}'
        for row in rows
        if row.get('times', 1) < 1
    ]


def write_report(results: dict, path: Path) -> str:
    """Write the page, and return it."""
    rows = results['rows']
    kinds = list(dict.fromkeys((row['task'], row['maps']) for row in rows))
    machine = ', '.join(f'{k} {v}' for k, v in results['machine'].items())
    parts = [
        INTRODUCTION.format(
            tasks=', '.join(dict.fromkeys(task for task, _ in kinds)),
            machine=machine,
            **results['settings'],
        )
    ]
    for task, maps in kinds:
        chosen = [r for r in rows if (r['task'], r['maps']) == (task, maps)]
        parts += [f'## {task}: {maps}\n', _section(chosen, task) + '\n']
    if found := results.get('first calls'):
        names = list(found['full cache'])
        lines = [
            [cache, *(f'{seconds[name]:.2f}' for name in names)]
            for cache, seconds in found.items()
        ]
        table = markdown(['compiled code', *names], lines)
        parts += ['## First call of a process, s\n', table + '\n']
    slower = losses(rows) or ['Nowhere in this run.']
    parts += ['## Where dark_codec is slower\n', '\n'.join(slower) + '\n']
    path.write_text('\n'.join(parts))
    return path.read_text()
