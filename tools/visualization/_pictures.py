"""What the tools for pictures share: files, and the codec of a config."""

from __future__ import annotations

import os
from pathlib import Path

from _common import check_output
from matplotlib.figure import Figure
from mmengine.config import Config

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


def head_decoder(cfg: Config) -> dict:
    """The codec config of the head, of the finest level."""
    head = cfg.model.head
    # VisPredictHead wraps another head
    decoder = head.get('pose_cfg', head).get('decoder') or {}
    return decoder[-1] if isinstance(decoder, (list, tuple)) else decoder
