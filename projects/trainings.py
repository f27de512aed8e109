"""Find the checkpoints of a training by their epochs."""

from __future__ import annotations

from pathlib import Path


def last_epoch(folder: Path) -> int:
    """The last epoch whose checkpoint is complete; 0 if there is none."""
    latest = folder / 'last_checkpoint'
    if not latest.exists():
        return 0
    # an absolute path, of which the folder may have been moved
    name = Path(latest.read_text().strip()).stem
    epoch = int(name.removeprefix('epoch_'))
    return epoch if checkpoint(folder, epoch).exists() else 0


def checkpoint(folder: Path, epoch: int) -> Path:
    """The checkpoint of an epoch."""
    return folder / f'epoch_{epoch}.pth'
