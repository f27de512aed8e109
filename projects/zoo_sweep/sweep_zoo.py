"""Try DARKCodec with every config of the installed MMPose.

Each config gets the README's two lines. One that predicts Gaussian heatmaps
must then make the targets of the codec that it had, encode keypoints through
its own pipeline and get them back, take a training step, and predict with a
flip test. Any other must be refused. Results are written as they come, and a
sweep that was interrupted can be continued.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dark_codec.openmmlab.engine.progress import Progress
from projects.zoo_sweep.configs import list_configs
from projects.zoo_sweep.isolation import run_isolated
from projects.zoo_sweep.one import sweep_one
from projects.zoo_sweep.report import count, fill_page, read_rows, write_row
from projects.zoo_sweep.samples import samples_folder


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Try DARKCodec with every config of the installed MMPose.'
    )
    parser.add_argument(
        'filters',
        nargs='*',
        metavar='PART',
        help='only configs with one of these in their path (default: all)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/zoo.jsonl'),
        help='a line for each config; those in it are not run again '
        '(default: %(default)s)',
    )
    parser.add_argument('--fresh', action='store_true', help='run them again')
    parser.add_argument(
        '--batch',
        type=int,
        default=2,
        help='instances in the training step; some networks cannot train on '
        'one (default: %(default)s)',
    )
    parser.add_argument(
        '--memory',
        type=float,
        default=_default_memory(),
        help='GB for each config; it is skipped if it needs more '
        '(default: 90%% of what is free)',
    )
    parser.add_argument(
        '--page', type=Path, help='put the tables on this page, a README.md'
    )
    parser.add_argument(
        '--report-only', action='store_true', help='run none, report --out'
    )
    args = parser.parse_args()
    if args.memory <= 0:
        parser.error('--memory must be positive')
    if args.batch < 1:
        parser.error('--batch must be at least 1')
    if args.page is not None and not args.page.is_file():
        parser.error(f'the page {args.page} does not exist')
    args.names = list_configs(args.filters)
    if not args.names:
        parser.error(f'no config of MMPose has one of {args.filters}')
    return args


def _default_memory() -> float:
    """In GB. The kernel's estimate, which counts its file cache as free."""
    kilobytes = re.search(
        r'MemAvailable: +(\d+)', Path('/proc/meminfo').read_text()
    )
    return 0.9 * int(kilobytes[1]) / 2**20


def sweep(names: list[str], out: Path, batch: int, memory: float) -> None:
    """Run the configs that are not in the file, and append them to it.

    Prints those that fail or cannot be run.
    """
    done = {row['config'] for row in read_rows(out)}
    missing = [name for name in names if name not in done]
    folder = samples_folder()
    with Progress('Sweeping', len(names)) as progress:
        progress.update(len(names) - len(missing))
        for name in missing:
            progress.update(progress.done, name)
            row = run_isolated(sweep_one, (name, folder, batch), memory)
            write_row(out, {'config': name, **row})
            if row['status'] in ('failed', 'skipped'):
                reason = row['reason'][:300]
                print(f'{row["status"]} {name} {reason}', flush=True)
            progress.advance()


def main() -> None:
    """Sweep, and say how many passed."""
    args = parse_args()
    # MMPose's and its configs' own
    warnings.filterwarnings('ignore')
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if args.fresh:
        args.out.unlink(missing_ok=True)
    if not args.report_only:
        sweep(args.names, args.out, args.batch, args.memory)
    chosen = set(args.names)
    rows = [row for row in read_rows(args.out) if row['config'] in chosen]
    if args.page is not None:
        fill_page(args.page, rows, args.names)
    counts = count(rows)
    print(', '.join(f'{number} {name}' for name, number in counts.items()))
    raise SystemExit(1 if counts['failed'] else 0)


if __name__ == '__main__':
    main()
