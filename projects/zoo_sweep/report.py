"""The sweep's rows: in a file, and as tables on a page."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from dark_codec.analysis.report import fill, markdown

_STATUSES = ('passed', 'failed', 'refused', 'skipped')
_REASON_LENGTH = 110


def read_rows(path: Path) -> list[dict]:
    """All whole rows: an interrupted sweep may have left half of one."""
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def write_row(path: Path, row: dict) -> None:
    """Append a row."""
    # A line break first ends what an interruption has left.
    with path.open('a') as file:
        file.write(f'\n{json.dumps(row)}\n')


def count(rows: list[dict]) -> dict[str, int]:
    """Count the rows of each status."""
    counts = Counter(row['status'] for row in rows)
    return {status: counts[status] for status in _STATUSES}


def fill_page(page: Path, rows: list[dict], names: list[str]) -> None:
    """Put the tables in their places on the page.

    Args:
        page: The page.
        rows: Of configs that were run.
        names: Of all that should have been.
    """
    known = {row['config'] for row in rows}
    missing = [
        dict(config=name, status='not run', reason='')
        for name in names
        if name not in known
    ]
    tables = dict(
        counts=_counts_table(rows),
        passed=_passed_table(rows),
        others=_others_table([*rows, *missing]),
        refused=_refused_table(rows),
    )
    page.write_text(fill(page.read_text(), tables))


def _counts_table(rows: list[dict]) -> str:
    lines = []
    tried: dict[str, list[dict]] = {}
    for row in rows:
        if row['status'] != 'refused':
            tried.setdefault(row.get('codec', 'not known'), []).append(row)
    everything = [row for found in tried.values() for row in found]
    for codec, found in [*sorted(tried.items()), ('all', everything)]:
        counts = count(found)
        numbers = (counts[name] for name in ('passed', 'failed', 'skipped'))
        lines.append([codec, str(len(found)), *map(str, numbers)])
    header = ['replaced codec', 'configs', 'passed', 'failed', 'skipped']
    return markdown(header, lines)


def _passed_table(rows: list[dict]) -> str:
    lines = []
    for row in sorted(rows, key=lambda row: row['config']):
        if row['status'] != 'passed':
            continue
        w, h = row['input_size']
        lines.append(
            [
                _short(row['config']),
                row['codec'].removesuffix('Heatmap'),
                f'{row["backbone"]}, {row["head"].removesuffix("Head")}',
                f'{w}x{h}',
                str(row['keypoints']),
                row['samples'],
                str(row['batch']),
                f'{row["error_px"]:.3f}',
                f'{row["loss"]:.2g}',
                f'{row["seconds"]:.1f}',
                f'{row["peak_gb"]:.1f}',
                ', '.join(row['notes']),
            ]
        )
    header = ['config', 'replaced', 'backbone, head', 'input', 'K', 'data']
    header += ['batch', 'error, px', 'loss', 's', 'GB', 'notes']
    return markdown(header, lines, text=(0, 1, 2, 3, 5, 11))


def _others_table(rows: list[dict]) -> str:
    found = [r for r in rows if r['status'] not in ('passed', 'refused')]
    if not found:
        return 'None.'
    lines = [
        [_short(row['config']), row['status'], _cell(row['reason'])]
        for row in found
    ]
    return markdown(['config', 'status', 'reason'], lines, text=(0, 1, 2))


def _refused_table(rows: list[dict]) -> str:
    """By the message: configs of a family are refused for one reason."""
    families: Counter = Counter()
    for row in rows:
        if row['status'] == 'refused':
            family = '/'.join(row['config'].split('/')[:2])
            families[family, _cell(row['reason'])] += 1
    lines = [
        [family, str(number), reason]
        for (family, reason), number in sorted(families.items())
    ]
    return markdown(['family', 'configs', 'message'], lines, text=(0, 2))


def _short(config: str) -> str:
    """Leave out what is the same in all names."""
    name = config.replace('_2d_keypoint/topdown_heatmap', '')
    return name.removesuffix('.py').replace('/td-hm_', '/')


def _cell(text: str) -> str:
    text = ' '.join(text.split()).replace('|', '\\|')
    return text[:_REASON_LENGTH] + (
        '...' if len(text) > _REASON_LENGTH else ''
    )
