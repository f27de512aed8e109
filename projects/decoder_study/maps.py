"""Shift, average, halve and cut heatmaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from projects.shared_data import Maps

# MMPose moves the un-flipped heatmaps by one pixel before the mean. Under the
# asymmetric alignment with a stride of 4 they lie 1 - 1/4 px away.
MMPOSE_SHIFT = 1.0
EXACT_SHIFT = 0.75
# columns of a map that is cut at the border; half of the whole map
_CUT_WIDTH = 24


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
