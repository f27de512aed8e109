"""Write decoded keypoints, tables, and summaries of the logs."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from dark_codec.analysis.machine import describe_run
from dark_codec.analysis.report import fill
from dark_codec.openmmlab.engine.progress import track
from projects.trainings import checkpoint

from .comparisons import TABLES
from .evaluation import Decoded, decode_all, load, predict_run, save
from .runs import RUNS, Run
from .tables import budgets, compare, comparison_table, costs
from .training import describe, epochs, is_trained, summarise_log

DECODED = 'decoded.npz'
RESULTS = 'results'
REPORT = Path(__file__).parent / 'README.md'


def last_checkpoint(run: Run, work_dir: Path) -> Path:
    """The checkpoint that a trained run ends with."""
    return checkpoint(run.folder(work_dir), epochs(run))


def decode_missing(runs: list[Run], work_dir: Path) -> None:
    """Predict and decode the test set for each run that was not yet."""
    for run in track(runs, 'Decoding'):
        path = run.folder(work_dir) / DECODED
        trained = last_checkpoint(run, work_dir)
        if path.exists() and path.stat().st_mtime > trained.stat().st_mtime:
            continue
        partial = path.with_suffix('.partial.npz')
        save(partial, decode_all(predict_run(run, trained)))
        partial.rename(path)


def write_results(runs: list[Run], work_dir: Path, out: Path) -> None:
    """Write the numbers, and renew the report's tables.

    Tables of networks that are not trained here, and what their trainings
    took, stay as they were written before.

    Args:
        runs (list[Run]): The trained ones, decoded.
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

    numbers = dict(read_numbers('tables.json'))
    for name, table in TABLES.items():
        missing = {r.config for r in table.rows if not decoded(r.config)}
        if missing:
            print(f'Table {name} stays: {sorted(missing)} not trained here')
        else:
            numbers[name] = compare(table, decoded)
    numbers = {name: numbers[name] for name in TABLES if name in numbers}
    record = _record(runs, work_dir)
    known = [Run(row['config'], row['seed']) for row in record['runs']]
    network = functools.cache(lambda config: describe(config, known))
    for name, rows in numbers.items():
        for row in TABLES[name].rows:
            rows[row.label]['network'] = network(row.config)
    (out / RESULTS).mkdir(parents=True, exist_ok=True)
    (out / RESULTS / 'tables.json').write_text(by_row(numbers))
    rows = ',\n'.join(json.dumps(row) for row in record['runs'])
    (out / RESULTS / 'runs.json').write_text(f'{{"runs": [\n{rows}\n]}}\n')
    page = REPORT.read_text()
    (out / REPORT.name).write_text(
        fill(page, shown_tables(page, numbers, record))
    )


def read_numbers(name: str) -> dict[str, Any]:
    """The committed numbers of a file in ``results``."""
    return json.loads((REPORT.parent / RESULTS / name).read_text())


def shown_tables(page: str, numbers: dict, record: dict) -> dict[str, str]:
    """The tables that the report has places for, in markdown, by name."""
    tables = {
        name: comparison_table(TABLES[name], rows)
        for name, rows in numbers.items()
    }
    tables.update(budgets=budgets(numbers), costs=costs(record['runs']))
    return {
        name: table
        for name, table in tables.items()
        if f'<!-- table {name} -->' in page
    }


def _record(runs: list[Run], work_dir: Path) -> dict[str, Any]:
    """Return the durations of trainings, with the machine if known."""
    before = {
        Run(row['config'], row['seed']): row
        for row in read_numbers('runs.json')['runs']
    }
    here = describe_run()
    for run in runs:
        summary = summarise_log(run.folder(work_dir))
        before[run] = dict(run._asdict(), **summary, **here)
    return dict(runs=[before[run] for run in RUNS if run in before])


def by_row(numbers: dict[str, dict[str, Any]]) -> str:
    """Json of tables, with a line for each row."""
    tables = []
    for name, rows in numbers.items():
        lines = ',\n'.join(
            f'{json.dumps(label)}: {json.dumps(row)}'
            for label, row in rows.items()
        )
        tables.append(f'{json.dumps(name)}: {{\n{lines}\n}}')
    return '{\n' + ',\n'.join(tables) + '\n}\n'


def trained(runs: list[Run], work_dir: Path) -> list[Run]:
    """Return those whose last checkpoint is there."""
    return [run for run in runs if is_trained(run, work_dir)]
