"""What the tools for pictures share."""

from __future__ import annotations

import os
from pathlib import Path

from _common import check_output
from matplotlib.figure import Figure

_SUFFIXES = ('.png', '.jpg', '.pdf', '.svg')


def check_picture(path: str) -> None:
    """Make sure that ``--out`` can be written as a picture."""
    check_output('--out', path, _SUFFIXES)


def save_picture(figure: Figure, path: str) -> None:
    """Write a picture, whole or not at all, and say where."""
    folder, name = os.path.split(path)
    unfinished = Path(folder, f'.unfinished_{name}')
    figure.savefig(unfinished, dpi=100)
    os.replace(unfinished, path)
    print(f'drawn: {path}')
