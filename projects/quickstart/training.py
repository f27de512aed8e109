"""The training: begun, resumed or already done; and what it logged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from projects.trainings import checkpoint, last_epoch

from .chatter import Chatter, hear_training, tail
from .workdir import WorkDir

ROOT = Path(__file__).parents[2]
CONFIG = (
    Path(__file__).parent
    / 'configs'
    / 'td-hm_res18-slim_dark-half-pixel-1xb32-12e_easy-figures-64x48.py'
)


class TrainingFailed(Exception):
    """The training ended with an error; the message shows what it printed."""


def train(work_dir: WorkDir, epochs: int, options: dict[str, int]) -> None:
    """Train by ``tools/train.py``, from where an earlier training ended.

    Args:
        work_dir (WorkDir): Holds the checkpoints.
        epochs (int): When the training is over.
        options (dict): Settings that replace those of the config.

    Raises:
        TrainingFailed: If the tool fails.
    """
    done = last_epoch(work_dir.training)
    if done >= epochs:
        print(f'Trained already, {done} epochs: evaluating again.', flush=True)
        return
    # unbuffered, for the progress
    command = [sys.executable, '-u', ROOT / 'tools' / 'train.py', CONFIG]
    command += ['--work-dir', work_dir.training, '--cfg-options']
    command += [f'{key}={value}' for key, value in options.items()]
    if done:
        print(f'Resuming after epoch {done} of {epochs}.', flush=True)
        command += ['--resume', checkpoint(work_dir.training, done)]
    started = time.monotonic()
    try:
        _call([str(part) for part in command], work_dir.log, epochs)
    finally:
        seconds = round(time.monotonic() - started, 1)
        first, last = done + 1, last_epoch(work_dir.training)
        if last >= first:
            work_dir.add_session(
                dict(first_epoch=first, last_epoch=last, seconds=seconds)
            )


def _call(command: list[str], log: Path, epochs: int) -> None:
    """Run a command that ends, with all its processes, when this one does."""
    # takes seconds to import
    from dark_codec.openmmlab.engine import die_with_parent

    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors='replace',
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    try:
        # takes seconds to import, as the command does meanwhile
        from dark_codec.openmmlab.engine.progress import Progress

        with Progress('Training') as progress:
            with Chatter(log, hear_training(progress, epochs)) as file:
                file.writelines(process.stdout)
        code = process.wait()
    finally:
        # after Ctrl-C; what loads its data dies with it on Linux only
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        raise TrainingFailed(
            f'the training failed with exit code {code}. {log} ends with\n'
            f'{tail(log)}'
        )


def read_curve(folder: Path) -> tuple[dict[int, float], dict[int, float]]:
    """Read what a training logged, over all its sessions.

    Args:
        folder (Path): The training's work dir.

    Returns:
        tuple: Loss by iteration, and AP (0 to 1) by epoch.
    """
    # takes seconds to import
    from dark_codec.openmmlab.engine.logs import read_scalars

    scalars = read_scalars(folder)
    losses = scalars.training.get('loss', {})
    return losses, scalars.validation.get('coco/AP', {})
