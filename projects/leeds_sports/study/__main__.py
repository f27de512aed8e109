"""Train the networks of the study, and renew its tables and pictures.

Run again, it goes on where it was interrupted. Tables of networks that are
not trained here stay as they are.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dark_codec.analysis.report import fill
from projects.leeds_sports.study.comparisons import TABLES
from projects.leeds_sports.study.evaluation import (
    Decoded,
    decode_all,
    load,
    predict_run,
    save,
)
from projects.leeds_sports.study.runs import RUNS, Run, converged
from projects.leeds_sports.study.tables import (
    budgets,
    compare,
    comparison_table,
)
from projects.leeds_sports.study.when import (
    KERNELS,
    draw_encoding,
    draw_kernels,
    under_noise,
)
from projects.trainings import checkpoint, last_epoch

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PAGE = HERE / 'README.md'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/leeds_sports_study'),
        help='folder of the trainings (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=HERE,
        help='folder for the page and its results (default: that of the page)',
    )
    parser.add_argument(
        '--no-train',
        action='store_true',
        help='evaluate the networks that are trained, train no other',
    )
    return parser.parse_args(argv)


def epochs(run: Run) -> int:
    """After how many epochs a run is over."""
    return Config.fromfile(run.path).train_cfg.max_epochs


def is_trained(run: Run, work_dir: Path) -> bool:
    """Tell whether the last checkpoint of a run is there."""
    return last_epoch(run.folder(work_dir)) >= epochs(run)


def train(run: Run, work_dir: Path) -> None:
    """Train by ``tools/train.py``, from where the run was interrupted."""
    command = [sys.executable, ROOT / 'tools' / 'train.py', run.path]
    command += ['--work-dir', run.folder(work_dir), '--resume']
    command += ['--no-validate', '--cfg-options']
    command += [f'randomness.seed={run.seed}']
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    code = subprocess.call(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': path},
    )
    if code:
        raise SystemExit(
            f'error: {run.config}, seed {run.seed}: exit code {code}. The '
            'same command goes on from the last checkpoint'
        )


def decode(run: Run, work_dir: Path) -> Decoded:
    """Predict and decode the test set, unless it was already."""
    trained = checkpoint(run.folder(work_dir), epochs(run))
    path = run.folder(work_dir) / 'decoded.npz'
    if not path.exists() or path.stat().st_mtime < trained.stat().st_mtime:
        partial = path.with_suffix('.partial.npz')
        save(partial, decode_all(predict_run(run, trained)))
        partial.rename(path)
    return load(path)


def renew_numbers(runs: list[Run], work_dir: Path) -> dict[str, Any]:
    """Return the tables' numbers: new ones where all networks are trained."""

    @functools.cache
    def decoded(config: str) -> list[Decoded]:
        return [decode(run, work_dir) for run in runs if run.config == config]

    numbers = json.loads((HERE / 'results/tables.json').read_text())
    for name, table in TABLES.items():
        missing = {r.config for r in table.rows if not decoded(r.config)}
        if missing:
            print(f'Table {name} stays: {sorted(missing)} not trained here')
        else:
            numbers[name] = compare(table, decoded)
    return numbers


def write_json(path: Path, value: dict[str, dict]) -> None:
    """Write json with a line for each entry of the inner dicts."""
    tables = []
    for name, rows in value.items():
        lines = ',\n'.join(
            f'{json.dumps(label)}: {json.dumps(row)}'
            for label, row in rows.items()
        )
        tables.append(f'{json.dumps(name)}: {{\n{lines}\n}}')
    path.write_text('{\n' + ',\n'.join(tables) + '\n}\n')


def shown_tables(page: str, numbers: dict[str, Any]) -> dict[str, str]:
    """The tables that the page has places for, in markdown, by name."""
    tables = {
        name: comparison_table(TABLES[name], rows)
        for name, rows in numbers.items()
    }
    tables['budgets'] = budgets(numbers)
    return {
        name: table
        for name, table in tables.items()
        if f'<!-- table {name} -->' in page
    }


def renew_noise(runs: list[Run], work_dir: Path) -> dict[str, Any]:
    """Return the gains of kernels under noise, by input size."""
    results = json.loads((HERE / 'results/when.json').read_text())['noise']
    for size in ('128x96', '64x48'):
        run = Run(converged('unbiased', size), 0)
        if run in runs:
            trained = checkpoint(run.folder(work_dir), epochs(run))
            results[size] = under_noise(predict_run(run, trained))
    return results


def main(argv: Sequence[str] | None = None) -> None:
    """Train, decode, write."""
    args = parse_args(argv)
    # the trainings run in the checkout
    work_dir = args.work_dir.resolve()
    for number, run in enumerate([] if args.no_train else RUNS, 1):
        print(f'[{number}/{len(RUNS)}] {run.config}, seed {run.seed}')
        if not is_trained(run, work_dir):
            train(run, work_dir)
    runs = [run for run in RUNS if is_trained(run, work_dir)]
    if not runs:
        raise SystemExit(
            f'error: --no-train: no network is trained in {work_dir}'
        )
    numbers = renew_numbers(runs, work_dir)
    noise = renew_noise(runs, work_dir)
    results = args.out / 'results'
    results.mkdir(parents=True, exist_ok=True)
    write_json(results / 'tables.json', numbers)
    when = dict(kernels=KERNELS, noise=noise)
    (results / 'when.json').write_text(json.dumps(when) + '\n')
    figures = dict(modulation=draw_kernels(noise))
    figures['unbiased'] = draw_encoding(numbers)
    for name, figure in figures.items():
        figure.savefig(results / f'when_{name}.png', dpi=100)
    page = PAGE.read_text()
    (args.out / PAGE.name).write_text(fill(page, shown_tables(page, numbers)))
    print(f'Written to {args.out}')


if __name__ == '__main__':
    main()
