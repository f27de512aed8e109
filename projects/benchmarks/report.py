"""The benchmark's tables, as markdown."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from pathlib import Path

from dark_codec.analysis.report import markdown
from projects.benchmarks.contestants import (
    ARGMAX_PASS,
    DARK,
    FILL_PASS,
    OURS,
    PLAIN,
)

_TASKS = dict(
    decode=('Decoding', ARGMAX_PASS, 'median error, heatmap px'),
    encode=('Encoding', FILL_PASS, 'largest difference from MMPose'),
)
_INTRODUCTION = """\
Milliseconds per batch: median [quartiles] over {turns} turns. "x" is how many
times as fast as the codec of MMPose that does the same (`{dark}`
for Taylor, GaussianFit and Unbiased, `{plain}` for the others); below 1
it is slower, and listed at the end. Passes, errors and memory are those of
the largest batch; passes compare with the limit.
"""


def _unique(rows: Iterable[dict], key: str) -> list:
    values = [row[key] for row in rows]
    return [v for i, v in enumerate(values) if v not in values[:i]]


def _milliseconds(seconds: float) -> str:
    return f'{1000 * seconds:.3g}'


def _time(row: dict) -> str:
    low, high = _milliseconds(row['low']), _milliseconds(row['high'])
    return f'{_milliseconds(row["median"])} [{low}, {high}]'


def _speedup(row: dict) -> str:
    if 'speedup' not in row:
        return ''
    text = f'{row["speedup"]:.3g}'
    return f'**{text} (slower)**' if row['speedup'] < 1 else text


def _line(rows: list[dict], batches: list[int]) -> list[str]:
    """A contestant's results at all batches."""
    by_batch = {row['batch']: row for row in rows}
    last = by_batch[batches[-1]]
    cells = [f'{last["side"]}: {last["name"]}']
    for batch in batches:
        cells += [_time(by_batch[batch]), _speedup(by_batch[batch])]
    cells.append(f'{last["passes"]:.3g}')
    check = last['check']
    cells.append('' if check is None else f'{check:.2g}')
    if last['task'] == 'decode':
        share = last.get('memory_share')
        cells.append('' if share is None else f'{100 * share:.3g} %')
    return cells


def _section(rows: list[dict], task: str) -> str:
    """One shape on one device."""
    _, limit, check = _TASKS[task]
    batches = sorted(_unique(rows, 'batch'))
    header = ['']
    for batch in batches:
        header += [f'batch {batch}', 'x']
    header += [f'passes of {limit}', check]
    if task == 'decode':
        header.append('extra memory, of the heatmaps')
    lines = [
        _line([row for row in rows if row['name'] == name], batches)
        for name in _unique(rows, 'name')
    ]
    return markdown(header, lines) + '\n'


def losses(rows: Iterable[dict]) -> list[str]:
    """List where ours is slower than what it replaces."""
    return [
        f'- {row["task"]}, {row["device"]}, {row["maps"]}, batch '
        f'{row["batch"]}: {row["name"]} {row["speedup"]:.2f} x '
        f'{row["rival"]}'
        for row in rows
        if row['side'] == OURS and row['speedup'] < 1
    ]


def _result(threads: str, result: dict) -> str:
    rows = result['rows']
    counts = ', '.join(f'{k} {v}' for k, v in result['threads'].items())
    parts = [f'## Threads: {threads} ({counts})\n']
    for task, device in product(_TASKS, _unique(rows, 'device')):
        for shape in _unique(rows, 'maps'):
            chosen = [
                row
                for row in rows
                if (row['task'], row['device'], row['maps'])
                == (task, device, shape)
            ]
            if not chosen:
                continue  # real and large heatmaps are not encoded
            parts.append(f'### {_TASKS[task][0]} on {device}: {shape}\n')
            parts.append(_section(chosen, task))
    slower = losses(rows) or ['Nowhere in this run.']
    parts += ['### Where dark_codec is slower\n', '\n'.join(slower) + '\n']
    return '\n'.join(parts)


def _first_calls(found: dict[str, dict[str, list[float]]]) -> str:
    names = list(next(iter(found.values())))
    lines = [
        [where, *(f'{seconds[name][0]:.2f}' for name in names)]
        for where, seconds in found.items()
    ]
    return (
        '## First call of a process, s (17 maps of 64x48)\n\n'
        f'{markdown(["compiled code", *names], lines)}\n'
    )


def write_report(results: dict[str, dict], path: Path) -> None:
    """Write the page.

    Args:
        results (dict[str, dict]): For ``'one'`` and ``'all'`` threads the
            machine, the threads and the rows; for ``'first'`` the seconds of
            first calls.
        path (Path): The markdown file.
    """
    timed = {key: value for key, value in results.items() if key != 'first'}
    first = next(iter(timed.values()))
    machine = [[key, value] for key, value in first['machine'].items()]
    turns = first['rows'][0]['turns']
    path.write_text(
        '\n'.join(
            [
                '# Speed: all numbers\n',
                markdown(['', ''], machine) + '\n',
                _INTRODUCTION.format(
                    turns=turns,
                    dark=DARK,
                    plain=PLAIN,
                ),
                *(_result(*pair) for pair in timed.items()),
                _first_calls(results['first']),
            ]
        )
    )
