"""Train a small network with DARK on figures; see what decoding does to it.

`bash tools/quickstart.sh` calls this, with an environment.
"""

import argparse
import hashlib
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.quickstart.training import (
    CONFIG,
    TrainingFailed,
    train,
)
from projects.quickstart.workdir import Refused, WorkDir


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='quickstart.sh',
        description='Train a small network with DARK on synthetic figures, '
        'and compare decoders on it. Run again, it goes on where it was '
        'interrupted, and evaluates again what is trained.',
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        default=Path('work_dirs/quickstart'),
        help='folder for all results (default: work_dirs/quickstart)',
    )
    parser.add_argument(
        '--fresh',
        action='store_true',
        help='delete what an earlier quickstart left in the folder',
    )
    for name, default, what in (
        ('epochs', 12, 'epochs to train'),
        ('figures', 4000, 'figures to train on'),
        ('test-figures', 1000, 'figures to test on'),
    ):
        parser.add_argument(
            f'--{name}',
            type=_positive,
            default=default,
            help=f'{what} (default: {default})',
        )
    return parser.parse_args()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} is not positive')
    return number


def config_options(args: argparse.Namespace) -> dict[str, int]:
    """Return what the arguments change in the config."""
    shown = min(args.test_figures, 400)
    return {
        'train_cfg.max_epochs': args.epochs,
        'train_dataloader.dataset.num_samples': args.figures,
        'val_dataloader.dataset.num_samples': shown,
        'test_dataloader.dataset.num_samples': args.test_figures,
    }


def settings(args: argparse.Namespace) -> dict:
    """Hash what a training depends on: it is not mixed with another."""
    return dict(
        epochs=args.epochs,
        figures=args.figures,
        config=hashlib.sha256(CONFIG.read_bytes()).hexdigest()[:12],
    )


def main() -> None:
    """Train, evaluate, and show the table."""
    args = parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    work_dir = WorkDir(args.work_dir, settings(args), args.fresh)
    print(f'[1/2] Training in {work_dir.training}', flush=True)
    options = config_options(args)
    train(work_dir, args.epochs, options)
    print('[2/2] Evaluation', flush=True)
    # takes seconds to import
    from projects.quickstart.results import evaluate_and_write

    table = evaluate_and_write(work_dir, args.epochs, options)
    print(f'\n{table}\nThis took {time.monotonic() - began:.0f} s.')
    print(f'All results: {work_dir.path / "report.md"}')


if __name__ == '__main__':
    try:
        main()
    except (Refused, TrainingFailed) as error:
        print(f'quickstart.sh: error: {error}', file=sys.stderr)
        sys.exit(2 if isinstance(error, Refused) else 1)
    except KeyboardInterrupt:
        print('\nInterrupted: the same command goes on.', file=sys.stderr)
        sys.exit(130)
