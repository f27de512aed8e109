"""Parts that reports share: what was read, tables, JSON, files."""

from __future__ import annotations

import io
import json
import math
import re
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..dumps.reader import HeatmapDump
from ..openmmlab.engine import AtomicLocalBackend
from .bootstrap import Estimate
from .machine import describe_run

_BLOCK = re.compile(r'(<!-- table (\S+) -->\n).*?(<!-- end -->)', re.DOTALL)


def describe_dump(dump: HeatmapDump) -> str:
    """Return the command, and what it read, as the beginning of a page."""
    info = dump.info
    return (
        f'`{shlex.join(sys.argv)}`\n\n'
        f'{info.num_samples} people, {info.kind} maps in {info.dtype}, '
        f'sigma {info.codec["sigma"]:g}, {info.codec["alignment"]}, '
        f'{"with" if info.flip_test else "without"} flip test; checkpoint '
        f'`{info.checkpoint}`. '
    )


def record_of(dump: HeatmapDump, draws: int) -> dict[str, Any]:
    """Return how numbers were made, and of what, for JSON."""
    info = dict(vars(dump.info), folder=str(dump.folder))
    for name in ('dataset_meta', 'config_hash', 'patch_radius', 'shard_size'):
        del info[name]
    return dict(**describe_run(), dump=info, draws=draws)


def error_bars(estimate: Estimate) -> np.ndarray:
    """Return how far intervals reach to both sides, for matplotlib, (2, ...).

    A percentile interval need not hold the value itself.
    """
    value, low, high = estimate
    return np.clip([value - low, high - value], 0, None)


def markdown(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    text: Collection[int] = (0,),
) -> str:
    """Make a table.

    Args:
        header (Sequence[str]): Names of the columns.
        rows (Iterable[Sequence[str]]): Their cells.
        text (Collection[int]): Numbers of the columns that hold text, on the
            left of their cells. The others hold numbers, on the right.

    Examples:
        >>> print(markdown(['decoder', 'px'], [['argmax', '0.38']]))
        | decoder | px |
        | --- | ---: |
        | argmax | 0.38 |
    """
    rule = ['---' if i in text else '---:' for i in range(len(header))]
    lines = [header, rule, *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def fill(page: str, tables: dict[str, str]) -> str:
    """Replace the tables of a page, between ``<!-- table NAME -->`` and end.

    Raises:
        ValueError: If the page has not exactly one such block per table.
    """
    blocks = [name for _, name, _ in _BLOCK.findall(page)]
    if sorted(blocks) != sorted(tables):
        raise ValueError(
            f'the page must have one block for each of {sorted(tables)}, '
            f'has {sorted(blocks)}'
        )
    return _BLOCK.sub(
        lambda block: f'{block[1]}\n{tables[block[2]]}\n\n{block[3]}', page
    )


def json_ready(value: Any) -> Any:
    """Return what JSON can hold: lists for arrays, None for NaN.

    Args:
        value (Any): Named tuples become dicts.
    """
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    elif isinstance(value, tuple) and hasattr(value, '_asdict'):
        value = value._asdict()
    if isinstance(value, dict):
        return {str(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_report(
    folder: Path,
    name: str,
    page: str,
    record: dict[str, Any],
    figures: Mapping[str, Figure],
) -> None:
    """Write a page, the same as JSON, and the figures that it shows.

    Args:
        folder (Path): Made if need be.
        name (str): Of the page and of the JSON, without suffix.
        page (str): In markdown.
        record (dict[str, Any]): See :func:`json_ready`.
        figures (Mapping[str, Figure]): By name, without suffix.
    """
    backend = AtomicLocalBackend()
    for stem, figure in figures.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=100)
        backend.put(buffer.getvalue(), folder / f'{stem}.png')
    text = json.dumps(json_ready(record), indent=1, allow_nan=False)
    backend.put_text(text + '\n', folder / f'{name}.json')
    backend.put_text(page, folder / f'{name}.md')
