"""Write decoded keypoints, tables, and summaries of the logs."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from dark_codec.analysis.machine import describe_run
from dark_codec.analysis.markdown import fill
from projects.trainings import checkpoint

from .comparisons import TABLES
from .evaluation import Decoded, decode_all, load, predict_run, save
from .runs import Run
from .tables import compare, comparison_table, costs
from .training import epochs, is_trained, summarise_log

DECODED = 'decoded.npz'
RESULTS = 'results'
REPORT = Path(__file__).parent / 'README.md'


def last_checkpoint(run: Run, work_dir: Path) -> Path:
    """The checkpoint that a trained run ends with."""
    return checkpoint(run.folder(work_dir), epochs(run))


def decode_missing(runs: list[Run], work_dir: Path) -> None:
    """Predict and decode the test set for each run that was not yet."""
    for number, run in enumerate(runs, 1):
        path = run.folder(work_dir) / DECODED
        trained = last_checkpoint(run, work_dir)
        if path.exists() and path.stat().st_mtime > trained.stat().st_mtime:
            continue
        print(f'[{number}/{len(runs)}] Decoding {run.config}', flush=True)
        partial = path.with_suffix('.partial.npz')
        save(partial, decode_all(predict_run(run, trained)))
        partial.rename(path)


def write_results(runs: list[Run], work_dir: Path, out: Path) -> None:
    """Write the numbers, and renew the report's tables.

    Args:
        runs (list[Run]): The trained ones, decoded. Without those that a
            table needs, the table is left out, and the report stays as it is.
        work_dir (Path): Holds their folders.
        out (Path): Folder for ``README.md``, and for ``tables.json`` and
            ``runs.json`` in ``results``.
    """

    @functools.cache
    def decoded(config: str) -> list[Decoded]:
        return [
            load(run.folder(work_dir) / DECODED)
            for run in runs
            if run.config == config
        ]

    numbers = {}
    for name, table in TABLES.items():
        missing = {r.config for r in table.rows if not decoded(r.config)}
        if missing:
            print(f'Table {name} left out: {sorted(missing)} not trained')
        else:
            numbers[name] = compare(table, decoded)
    record = _record(runs, work_dir)
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    write_tables(out / RESULTS / 'tables.json', numbers)
    text = json.dumps(record, indent=1)
    (out / RESULTS / 'runs.json').write_text(text + '\n')
    if len(numbers) == len(TABLES):
        page = fill(REPORT.read_text(), report_tables(numbers, record))
        (out / REPORT.name).write_text(page)


def report_tables(numbers: dict, record: dict) -> dict[str, str]:
    """The report's tables in markdown, by name, from the two json files."""
    tables = {
        name: comparison_table(TABLES[name], rows)
        for name, rows in numbers.items()
    }
    return dict(tables, costs=costs(record['runs']))


def _record(runs: list[Run], work_dir: Path) -> dict[str, Any]:
    rows = [
        dict(run._asdict(), **summarise_log(run.folder(work_dir)))
        for run in runs
    ]
    return dict(runs=rows, **describe_run())


def write_tables(path: Path, numbers: dict[str, dict]) -> None:
    """Write the tables as json, a row a line."""
    tables = []
    for name, rows in numbers.items():
        lines = ',\n  '.join(
            f'{json.dumps(label)}: {json.dumps(row)}'
            for label, row in rows.items()
        )
        tables.append(f'{json.dumps(name)}: {{\n  {lines}}}')
    path.write_text('{\n ' + ',\n '.join(tables) + '\n}\n')


def trained(runs: list[Run], work_dir: Path) -> list[Run]:
    """Return those whose last checkpoint is there."""
    return [run for run in runs if is_trained(run, work_dir)]
