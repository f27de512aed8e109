"""Reader of the scalars that MMEngine logged in a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

Curve = dict[int, float]


class Scalars(NamedTuple):
    """Numbers of a training, by name and then by step.

    Attributes:
        training (dict[str, Curve]): Losses, learning rate, times and so on,
            by iteration.
        validation (dict[str, Curve]): Metrics, by ``unit``.
        unit (str): ``'epoch'``, or ``'iteration'`` where the training counts
            these.
    """

    training: dict[str, Curve]
    validation: dict[str, Curve]
    unit: str


def read_scalars(work_dir: Path) -> Scalars:
    """Read the logged scalars of a training, over all its sessions.

    Args:
        work_dir (Path): Of the training; it holds
            ``<time>/vis_data/scalars.json``.

    Returns:
        Scalars: Values that an interrupted session logged after its last
        checkpoint are replaced by those of the next session; empty if there
        is no log.
    """
    training: dict[str, Curve] = {}
    validation: dict[str, Curve] = {}
    unit = 'iteration'
    # named by their start time
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for entry in _entries(log):
            in_training = 'iter' in entry
            if in_training and 'epoch' in entry:
                unit = 'epoch'
            curves = training if in_training else validation
            step = entry.pop('step')
            for name, value in entry.items():
                if isinstance(value, (int, float)):
                    curves.setdefault(name, {})[step] = value
    return Scalars(_in_order(training), _in_order(validation), unit)


def _entries(log: Path) -> list[dict]:
    """Return the lines of a log, without an incomplete last line."""
    lines = log.read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith('\n')]


def _in_order(curves: dict[str, Curve]) -> dict[str, Curve]:
    return {
        name: dict(sorted(curve.items())) for name, curve in curves.items()
    }
