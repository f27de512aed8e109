"""Reader of the numbers that MMEngine logged in a training."""

from __future__ import annotations

import json
from pathlib import Path


def read_curve(work_dir: Path, name: str) -> dict[int, float]:
    """Read a logged number of a training, over all its sessions.

    Args:
        work_dir (Path): Of the training; it holds
            ``<time>/vis_data/scalars.json``.
        name (str): Such as ``loss``, which is logged by iteration, or
            ``coco/AP``, by epoch.

    Returns:
        dict[int, float]: Values by step, in order. Those that an interrupted
        session logged after its last checkpoint are replaced by those of the
        next session; empty if there is no log.
    """
    curve = {}
    # named by their start time
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines(keepends=True):
            # the last one is incomplete where the session was killed
            entry = json.loads(line) if line.endswith('\n') else {}
            if name in entry:
                curve[entry['step']] = entry[name]
    return dict(sorted(curve.items()))
