"""Trains the networks of the study, and writes its tables and pictures.

    python projects/leeds_sports/study/run.py

Run again, it goes on where it was interrupted.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from dark_codec.cli import UserError, run_tool
from projects.leeds_sports.study.pictures import write_pictures
from projects.leeds_sports.study.results import (
    RESULTS,
    decode_missing,
    trained,
    write_results,
)
from projects.leeds_sports.study.runs import RUNS
from projects.leeds_sports.study.training import (
    TrainingFailed,
    train_missing,
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/leeds_sports_study'),
        help='folder of the trainings (default: work_dirs/leeds_sports_study)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path(__file__).parent,
        help='folder for the report and its results (default: that of this '
        'file)',
    )
    parser.add_argument(
        '--no-train',
        action='store_true',
        help='evaluate the networks that are trained, train no other',
    )
    return parser.parse_args()


def main() -> None:
    """Train, decode, write."""
    args = parse_args()
    # the trainings run in the checkout
    work_dir = args.work_dir.resolve()
    if not args.no_train:
        try:
            train_missing(RUNS, work_dir)
        except TrainingFailed as error:
            raise UserError(str(error)) from error
    runs = trained(RUNS, work_dir)
    if not runs:
        raise UserError(f'--no-train: no network is trained in {work_dir}')
    decode_missing(runs, work_dir)
    write_results(runs, work_dir, args.out)
    write_pictures(runs, work_dir, args.out / RESULTS)
    print(f'Written to {args.out}')


if __name__ == '__main__':
    run_tool(main)
