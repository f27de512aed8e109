"""Check and write the pictures of tools."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from ..openmmlab.engine import AtomicLocalBackend
from .checks import check_output

_SUFFIXES = ('.png', '.jpg', '.pdf', '.svg')


def check_picture(path: str) -> None:
    """Check that ``--out`` can be written as a picture."""
    check_output('--out', path, _SUFFIXES)


def save_picture(figure: Figure, path: str) -> None:
    """Write a picture atomically, and print its path."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=Path(path).suffix[1:], dpi=100)
    AtomicLocalBackend().put(buffer.getvalue(), path)
    print(f'drawn: {path}')
