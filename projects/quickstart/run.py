"""Train a small network with DARK on figures; see what decoding does to it.

`bash tools/quickstart.sh` calls this, with an environment.
"""

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from projects.quickstart.chatter import chatter_to
from projects.quickstart.training import (
    CONFIG,
    TrainingFailed,
    checkpoint,
    train,
)
from projects.quickstart.workdir import Refused, WorkDir

INTERRUPTED = 'Interrupted: continue with the same command.'
_END = """\
This took {seconds:.0f} s. The table with all about it: {folder}/report.md
Pictures: {folder}/predictions.png, modulation.png, quantisation.png, curve.png

What to do next:
  test the network with another decoder, by MMPose's way:
    python tools/test.py {config} \\
        {checkpoint} --cfg-options codec.decoder=ArgmaxDecoder
  draw poses in a photograph:    projects/topdown_demo/README.md
  put DARK into your own config: docs/two_line_change.md"""


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='quickstart.sh',
        description='Train a small network with DARK on synthetic figures, '
        'and compare decoders on it. Run again, it continues where it was '
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
        ('test-figures', 2000, 'figures to test on'),
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
    files = sorted(CONFIG.parent.rglob('*.py'))  # with those it builds on
    configs = b''.join(path.read_bytes() for path in files)
    return dict(
        epochs=args.epochs,
        figures=args.figures,
        config=hashlib.sha256(configs).hexdigest()[:12],
    )


def main() -> None:
    """Train, evaluate, and show the table."""
    args = parse_args()
    began = time.monotonic()
    work_dir = WorkDir(args.work_dir, settings(args), args.fresh)
    # takes seconds to import
    from dark_codec.openmmlab.engine import interruptible

    with interruptible(INTERRUPTED):
        train_and_evaluate(work_dir, args)
    print(
        _END.format(
            seconds=time.monotonic() - began,
            folder=work_dir.path,
            config=os.path.relpath(CONFIG),
            checkpoint=checkpoint(work_dir.training, args.epochs),
        )
    )


def train_and_evaluate(work_dir: WorkDir, args: argparse.Namespace) -> None:
    """Fill the folder, and show the table."""
    print(
        f'[1/2] Training a small network with DARK on {args.figures} painted '
        f'figures.\n      What MMEngine says: {work_dir.log}',
        flush=True,
    )
    options = config_options(args)
    train(work_dir, args.epochs, options)
    print(
        f'[2/2] Predicting {args.test_figures} other figures once, and '
        'reading the keypoints from the heatmaps in five ways.',
        flush=True,
    )
    with chatter_to(work_dir.log):
        # takes seconds to import, and warns
        from projects.quickstart.results import evaluate_and_write

    table = evaluate_and_write(work_dir, args.epochs, options)
    print(f'\n{table}\n')


if __name__ == '__main__':
    try:
        main()
    except (Refused, TrainingFailed) as error:
        print(f'quickstart.sh: error: {error}', file=sys.stderr)
        sys.exit(2 if isinstance(error, Refused) else 1)
    except KeyboardInterrupt:
        print(f'\n{INTERRUPTED}', file=sys.stderr)
        sys.exit(130)
