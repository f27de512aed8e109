"""Real heatmaps, which several projects read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

# Heatmaps of 25 photographs; see the README beside the file
REAL_HEATMAPS = (
    Path(__file__).resolve().parents[1] / 'tests/data/real_heatmaps.npz'
)
_KEYS = ('heatmaps', 'heatmaps_flip', 'gt', 'torso')


class Maps(NamedTuple):
    """Heatmaps of I images with their truth.

    Attributes:
        heatmaps (Tensor): (I, K, H, W), float32.
        truth (np.ndarray): Keypoints (x, y) in heatmap px, (I, K, 2).
        torso (np.ndarray): Torso sizes in heatmap px, (I,).
    """

    heatmaps: Tensor
    truth: np.ndarray
    torso: np.ndarray


def load(path: Path) -> tuple[Maps, Tensor]:
    """Read the plain maps, and the un-flipped ones of the mirrored images.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold such heatmaps.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'no heatmaps in {path}; name the file with --data'
        )
    try:
        with np.load(path) as archive:
            arrays = {key: archive[key] for key in _KEYS if key in archive}
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise ValueError(f'{path} is no npz archive: {error}') from error
    shapes = {key: array.shape for key, array in arrays.items()}
    # what the maps' shape makes of the others
    maps = shapes.get('heatmaps', ())
    expected = dict(
        heatmaps=maps,
        heatmaps_flip=maps,
        gt=(*maps[:2], 2),
        torso=maps[:1],
    )
    if len(maps) != 4 or shapes != expected:
        raise ValueError(
            f'{path} must hold heatmaps and heatmaps_flip (I, K, H, W), gt '
            f'(I, K, 2) and torso (I,), got {shapes}'
        )
    plain, flipped = (
        torch.from_numpy(arrays[key].astype(np.float32)) for key in _KEYS[:2]
    )
    truth, torso = (arrays[key].astype(np.float64) for key in _KEYS[2:])
    return Maps(plain, truth, torso), flipped
