"""Train a small network with DARK on synthetic figures; compare decoders.

`bash tools/quickstart.sh` calls this, with an environment.
"""

import argparse
import fcntl
import hashlib
import itertools
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

from projects.trainings import checkpoint

FOLDER = Path(__file__).parent
CONFIG = (
    FOLDER
    / 'configs/td-hm_res18-slim_dark-half-pixel-1xb32-8e_figures-64x48.py'
)
MARK = 'quickstart.json'
LOG = 'log.txt'
INTERRUPTED = 'Interrupted: continue with the same command.'
_END = """
This took {seconds:.0f} s. The table with all about it: {folder}/report.md

What to do next: keep the predicted heatmaps, decode them in more ways, and see
where the error comes from.

{steps}

Poses in a photograph: projects/topdown_demo/README.md
DARK in your own config: docs/two_line_change.md"""


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, and take the folder for this run."""
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
        help='folder for all results (default: %(default)s)',
    )
    parser.add_argument(
        '--fresh',
        action='store_true',
        help='start from the beginning; an earlier run in the folder is '
        'kept under another name',
    )
    for name, default, meaning in (
        ('epochs', 8, 'epochs to train'),
        ('figures', 4000, 'figures to train on'),
        ('test-figures', 2000, 'figures to test on'),
    ):
        parser.add_argument(
            f'--{name}',
            type=_positive,
            default=default,
            help=f'{meaning} (default: %(default)s)',
        )
    args = parser.parse_args(argv)
    settings = dict(
        epochs=args.epochs, figures=args.figures, config=_hash_configs()
    )
    try:
        args.lock = take_folder(args.work_dir, settings, args.fresh)
    except (OSError, ValueError) as error:
        parser.error(f'--work-dir {args.work_dir}: {error}')
    return args


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} is not positive')
    return number


def _hash_configs() -> str:
    files = sorted(CONFIG.parent.glob('*.py'))
    return hashlib.sha256(
        b''.join(path.read_bytes() for path in files)
    ).hexdigest()[:12]


def take_folder(folder: Path, settings: dict, fresh: bool = False) -> TextIO:
    """Take a folder for one run, and write down what its training depends on.

    Args:
        folder (Path): Made if it does not exist.
        settings (dict): What the training depends on.
        fresh (bool): Give an earlier run in the folder another name.

    Returns:
        TextIO: An open file: the folder is locked until it is closed.

    Raises:
        ValueError: If the folder holds anything else, is in use, or holds a
            training with other settings.
    """
    mark = folder / MARK
    if not mark.exists() and folder.is_dir() and any(folder.iterdir()):
        raise ValueError(
            'the folder holds things that no quickstart has made; name '
            'another one'
        )
    folder.mkdir(parents=True, exist_ok=True)
    lock = open(mark, 'a+')
    try:
        # not flock, which processes that are forked from this one would hold
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ValueError(
            'another quickstart is at work in this folder; wait for it, or '
            'name another one'
        ) from error
    lock.seek(0)
    text = lock.read()
    if fresh and text:
        lock.close()
        names = (Path(f'{folder}.{n}') for n in itertools.count(1))
        folder.rename(next(name for name in names if not name.exists()))
        return take_folder(folder, settings)
    begun = json.loads(text) if text else settings
    if begun != settings:
        lock.close()
        differ = '; '.join(
            f'{key}: {begun.get(key)} then, {value} now'
            for key, value in settings.items()
            if begun.get(key) != value
        )
        raise ValueError(
            f'the training in this folder was begun with other settings '
            f'({differ}); use those, or start from the beginning with --fresh'
        )
    if not text:
        lock.write(json.dumps(settings))
        lock.flush()
    return lock


@contextmanager
def printing_to(path: Path) -> Iterator[None]:
    """Append to a file what this process prints."""
    with open(path, 'a', encoding='utf-8', buffering=1) as log:
        with redirect_stdout(log), redirect_stderr(log):
            yield


def main(argv: Sequence[str] | None = None) -> None:
    """Train, evaluate, and show the table."""
    args = parse_args(argv)
    began = time.monotonic()
    log = args.work_dir / LOG
    print(
        f'[1/2] Training a small network with DARK on {args.figures} '
        f'synthetic figures.\n      The log of MMEngine: {log}',
        flush=True,
    )
    with printing_to(log):  # imports take seconds, and warn
        import torch

        from dark_codec.openmmlab.engine import interruptible

        from .evaluation import evaluate
        from .training import train

    # The data loader's worker has a core of its own: threads that have to wait
    # for one that shares it take twice as long.
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))
    # It sends a hundred small tensors per batch, which takes twice as long by
    # descriptors of open files.
    if 'file_system' in torch.multiprocessing.get_all_sharing_strategies():
        torch.multiprocessing.set_sharing_strategy('file_system')
    options = {
        'train_cfg.max_epochs': args.epochs,
        'train_dataloader.dataset.num_samples': args.figures,
        'val_dataloader.dataset.num_samples': min(args.test_figures, 400),
        'test_dataloader.dataset.num_samples': args.test_figures,
    }
    training = args.work_dir / 'training'
    trained = checkpoint(training, args.epochs)
    with interruptible(INTERRUPTED):
        if trained.exists():
            print('      It is trained already.')
        else:
            with printing_to(log):
                train(CONFIG, training, options)
        print(
            f'[2/2] Predicting {args.test_figures} other figures once, and '
            'reading the keypoints\n      from the heatmaps in five ways.',
            flush=True,
        )
        with printing_to(log):
            table = evaluate(CONFIG, args.work_dir, trained, options)
    print(f'\n{table}')
    print(
        _END.format(
            seconds=time.monotonic() - began,
            folder=args.work_dir,
            steps=next_steps(args.work_dir, trained),
        )
    )


def next_steps(folder: Path, checkpoint: Path) -> str:
    """Return commands for a shell in the present folder."""
    root = FOLDER.parents[1]
    config = shlex.quote(os.path.relpath(CONFIG))
    dump, comparison, diagnosis = (
        shlex.quote(str(folder / name))
        for name in ('dump', 'comparison', 'diagnosis')
    )

    def tool(name: str) -> str:
        path = root / 'tools/analysis_tools' / name
        return shlex.join(map(os.path.relpath, (sys.executable, path)))

    return f"""\
  export PYTHONPATH={shlex.quote(os.path.relpath(root))}
  {tool('dump_heatmaps.py')} --full --out {dump} \\
    {config} \\
    {shlex.quote(str(checkpoint))}
  {tool('compare_decoders.py')} {dump} \\
    --out {comparison}
  {tool('diagnose_heatmaps.py')} {dump} \\
    --out {diagnosis}"""


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:  # while it imports
        print(f'\n{INTERRUPTED}', file=sys.stderr)
        sys.exit(130)
