"""Trains what is missing, one run after another."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mmengine.config import Config

from dark_codec.openmmlab.config import head_decoder
from dark_codec.openmmlab.engine.logs import read_scalars
from projects.trainings import last_epoch

from .runs import Run

ROOT = Path(__file__).resolve().parents[3]
# glibc would give every large tensor back to the system and fetch it anew,
# which took a quarter of the time
_KEEP_MEMORY = {
    'MALLOC_MMAP_THRESHOLD_': str(2**25),
    'MALLOC_TRIM_THRESHOLD_': str(2**31),
}


class TrainingFailed(Exception):
    """A training ended with an error, which it has printed."""


def epochs(run: Run) -> int:
    """After how many epochs a run is over."""
    return Config.fromfile(run.path).train_cfg.max_epochs


def describe(config: str, runs: list[Run]) -> dict[str, Any]:
    """Size (height x width), encoder, epochs and trained seeds of a config."""
    cfg = Config.fromfile(Run(config, 0).path)
    codec = head_decoder(cfg)
    width, height = codec['input_size']
    return dict(
        size=f'{height}x{width}',
        encoder=codec.get('encoder', dict(type='UnbiasedEncoder')),
        epochs=cfg.train_cfg.max_epochs,
        seeds=[run.seed for run in runs if run.config == config],
    )


def is_trained(run: Run, work_dir: Path) -> bool:
    """Tell whether the last checkpoint of a run is there."""
    return last_epoch(run.folder(work_dir)) >= epochs(run)


def train_missing(runs: list[Run], work_dir: Path) -> None:
    """Train by ``tools/train.py``, from where each run was interrupted.

    Args:
        runs (list[Run]): In this order.
        work_dir (Path): Holds a folder for each.

    Raises:
        TrainingFailed: If the tool fails.
    """
    for number, run in enumerate(runs, 1):
        print(f'[{number}/{len(runs)}] {run.config}, seed {run.seed}', end='')
        if is_trained(run, work_dir):
            print(': trained already', flush=True)
            continue
        print(flush=True)
        command = [sys.executable, ROOT / 'tools' / 'train.py', run.path]
        command += ['--work-dir', run.folder(work_dir), '--resume']
        command += ['--no-validate', '--cfg-options']
        command += [f'randomness.seed={run.seed}']
        code = subprocess.call(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, **_KEEP_MEMORY},
        )
        if code:
            raise TrainingFailed(
                f'{run.config}, seed {run.seed}: exit code {code}. The same '
                'command goes on from the last checkpoint'
            )


def summarise_log(folder: Path) -> dict[str, float]:
    """Sum up what a training took and where its loss ended.

    Args:
        folder (Path): The training's work dir.

    Returns:
        dict[str, float]: ``iterations``, ``minutes`` (of the iterations, by
        the wall clock), and ``loss``, the mean of the last 100 iterations.
    """
    curves = read_scalars(folder).training
    losses = curves['loss']
    ends = list(losses)
    # an entry's time is the mean since the entry before
    lengths = [end - begin for begin, end in zip([0, *ends], ends)]
    seconds = sum(
        length * curves['time'][end] for end, length in zip(ends, lengths)
    )
    last = [losses[end] for end in ends[-2:]]
    return dict(
        iterations=ends[-1],
        minutes=round(seconds / 60, 1),
        loss=round(sum(last) / len(last), 6),
    )
