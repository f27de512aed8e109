"""The training: begun, resumed or already done; and what it logged."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from projects.trainings import checkpoint, last_epoch

from .workdir import WorkDir

ROOT = Path(__file__).parents[2]
CONFIG = (
    Path(__file__).parent
    / 'configs'
    / 'td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py'
)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class TrainingFailed(Exception):
    """The training ended with an error, which it has printed."""


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
    command = [sys.executable, ROOT / 'tools' / 'train.py', CONFIG]
    command += ['--work-dir', work_dir.training, '--cfg-options']
    command += [f'{key}={value}' for key, value in options.items()]
    if done:
        print(f'Resuming after epoch {done} of {epochs}.', flush=True)
        command += ['--resume', checkpoint(work_dir.training, done)]
    started = time.monotonic()
    try:
        _call([str(part) for part in command])
    finally:
        seconds = round(time.monotonic() - started, 1)
        first, last = done + 1, last_epoch(work_dir.training)
        if last >= first:
            work_dir.add_session(
                dict(first_epoch=first, last_epoch=last, seconds=seconds)
            )


def _call(command: list[str]) -> None:
    """Run a command that ends, with all its processes, when this one does."""
    process = subprocess.Popen(
        command, start_new_session=True, preexec_fn=_die_with_parent
    )
    try:
        code = process.wait()
    finally:
        # after Ctrl-C; those who load its data would stay behind
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code:
        raise TrainingFailed(f'the training failed with exit code {code}')


def _die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it dies."""
    if sys.platform == 'linux':
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def read_curve(folder: Path) -> tuple[dict[int, float], dict[int, float]]:
    """Read what a training logged, over all its sessions.

    Args:
        folder (Path): The training's work dir.

    Returns:
        tuple: Loss by iteration, and AP (0 to 1) by epoch.
    """
    # takes seconds to import
    from dark_codec.engine.logs import read_scalars

    scalars = read_scalars(folder)
    losses = scalars.training.get('loss', {})
    return losses, scalars.validation.get('coco/AP', {})
