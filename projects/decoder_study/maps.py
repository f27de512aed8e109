"""Sets of real heatmaps with their truth, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from _shared_data import shared_data
from torch import Tensor

_FILE = 'heatmaps/lsp_test_first250_coco12.npz'
_KEYS = ('heatmaps', 'heatmaps_flip', 'gt', 'torso')
# MMPose moves the un-flipped heatmaps by one pixel before the mean. Under the
# asymmetric alignment with a stride of 4 they lie 1 - 1/4 px away.
MMPOSE_SHIFT = 1.0
EXACT_SHIFT = 0.75
# columns of a map that is cut at the border; half of the whole map
_CUT_WIDTH = 24


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


class Cut(NamedTuple):
    """Heatmaps whose peaks lie near the left border, and the way back.

    Attributes:
        heatmaps (Tensor): (I, K, H, 24).
        left (Tensor): First column in the (mirrored) map, (I, K).
        mirrored (Tensor): Whether the map was mirrored first, (I, K).
        width (int): Of the whole map.
    """

    heatmaps: Tensor
    left: Tensor
    mirrored: Tensor
    width: int

    def to_whole(self, points: np.ndarray) -> np.ndarray:
        """Points (I, K, 2) in the cut maps to those in the whole maps."""
        x = points[..., 0] + self.left.numpy()
        x = np.where(self.mirrored.numpy(), self.width - 1 - x, x)
        return np.stack([x, points[..., 1]], -1)


def default_file() -> Path:
    """The heatmaps under DARK_CODEC_DATA, or beside the checkout."""
    return shared_data() / _FILE


def load(path: Path) -> tuple[Maps, Tensor]:
    """Read the plain maps, and the un-flipped ones of the mirrored images.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it does not hold such heatmaps.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f'no heatmaps in {path}; name the file with --data, or the '
            f'folder that holds {_FILE} with DARK_CODEC_DATA'
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


def shift_right(heatmaps: Tensor, shift: float) -> Tensor:
    """Move maps by 0 to 1 px, linear in between; the first column stays."""
    moved = heatmaps.clone()
    moved[..., 1:] = heatmaps[..., :-1]
    return shift * moved + (1 - shift) * heatmaps


def flip_average(plain: Maps, flipped: Tensor, shift: float) -> Maps:
    """Mean of plain and un-flipped maps, the latter moved to the right."""
    mean = (plain.heatmaps + shift_right(flipped, shift)) / 2
    return plain._replace(heatmaps=mean)


def halve(maps: Maps, how: str) -> Maps:
    """Half the resolution, by the mean of 2 x 2 px or by every second one."""
    if how == 'mean':
        heatmaps = F.avg_pool2d(maps.heatmaps, 2)
        truth = (maps.truth + 0.5) / 2 - 0.5
    else:
        heatmaps = maps.heatmaps[..., ::2, ::2].contiguous()
        truth = maps.truth / 2
    return Maps(heatmaps, truth, maps.torso / 2)


def cut_at_border(heatmaps: Tensor, distance: int) -> Cut:
    """Cut maps so that each one's peak is so many px from the left border.

    Where what is left to the right of the peak would be too little, the map
    is mirrored first.
    """
    width = heatmaps.shape[3]
    peak = heatmaps.flatten(2).argmax(2) % width
    mirrored = peak - distance + _CUT_WIDTH > width
    maps = torch.where(mirrored[..., None, None], heatmaps.flip(3), heatmaps)
    peak = torch.where(mirrored, width - 1 - peak, peak)
    # a peak may already be nearer than that
    left = (peak - distance).clamp(0, width - _CUT_WIDTH)
    columns = left[..., None] + torch.arange(_CUT_WIDTH)
    index = columns[:, :, None].expand(-1, -1, heatmaps.shape[2], -1)
    return Cut(maps.gather(3, index), left, mirrored, width)
