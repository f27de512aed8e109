"""Why the width of the kernel matters so little on real heatmaps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.report import markdown
from projects.decoder_study.scores import THRESHOLDS, Scores, score, taylor
from projects.decoder_study.tables import absolute, difference
from projects.shared_data import Maps

NARROW, WIDE = 1.0, 2.0  # px
# A second peak: this much of the first, and farther away than this
_SECOND_HEIGHT = 0.5
_SECOND_DISTANCE = 5  # px
_THIRDS = ('lowest', 'middle', 'highest')


class Comparison(NamedTuple):
    """A narrow and a wide kernel on the same maps.

    Attributes:
        narrow (Scores): By the narrow kernel.
        wide (Scores): By the wide kernel.
        torso (np.ndarray): In heatmap px, (I, 1).
        score (np.ndarray): Of the peaks, (I, K).
        spread (np.ndarray): Root of the mean variance of each peak by the
            wide kernel's covariance in heatmap px, (I, K).
        two_peaked (np.ndarray): Where there is a second peak, (I, K).
    """

    narrow: Scores
    wide: Scores
    torso: np.ndarray
    score: np.ndarray
    spread: np.ndarray
    two_peaked: np.ndarray


def has_second_peak(heatmaps: Tensor) -> np.ndarray:
    """Return the mask of maps with a second peak half as high, (I, K)."""
    images, keypoints, height, width = heatmaps.shape
    size = 2 * _SECOND_DISTANCE + 1
    pooled = F.max_pool2d(heatmaps, size, 1, _SECOND_DISTANCE)
    highest = heatmaps.amax((2, 3), keepdim=True)
    peak = heatmaps.flatten(2).argmax(2)
    y, x = peak // width, peak % width
    far_x = (torch.arange(width) - x[..., None]).abs() > _SECOND_DISTANCE
    far_y = (torch.arange(height) - y[..., None]).abs() > _SECOND_DISTANCE
    second = (
        (heatmaps == pooled)
        & (heatmaps >= _SECOND_HEIGHT * highest)
        & (far_x[:, :, None, :] | far_y[..., None])
    )
    return second.any(3).any(2).numpy()


def compare(maps: Maps) -> Comparison:
    """Decode maps by the narrow and by the wide kernel."""
    narrow, wide = (
        taylor(WIDE, True, sigma=sigma, rescale='max')(maps.heatmaps)
        for sigma in (NARROW, WIDE)
    )
    variance = wide.covariance.numpy()
    return Comparison(
        score(narrow.points.numpy(), maps),
        score(wide.points.numpy(), maps),
        maps.torso[:, None],
        wide.scores.numpy(),
        np.sqrt((variance[..., 0, 0] + variance[..., 1, 1]) / 2),
        has_second_peak(maps.heatmaps),
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> float:
    return above.sum() / below.sum()


def _row(name: str, c: Comparison, chosen: np.ndarray) -> list[str]:
    """One row of the table, from the chosen (I, K) keypoints."""
    move = c.wide.errors - c.narrow.errors
    near, far = c.narrow.distances, c.wide.distances
    # Where the truth lies on the way from the narrow kernel's position (0)
    # to the wide one's (1), by least squares; misses would drown it.
    located = chosen & (far < THRESHOLDS[0] * c.torso)
    along = -(c.narrow.errors * move).sum(-1) * located
    squares = np.square(move).sum(-1) * located
    limit = THRESHOLDS[2] * c.torso
    hits = 100.0 * ((near < limit) * 1.0 - (far < limit)) * chosen
    return [
        name,
        str(chosen.sum()),
        f'{np.median(c.spread[chosen]):.2f}',
        f'{100 * c.two_peaked[chosen].mean():.0f} %',
        f'{np.median(far[chosen]):.2f}',
        f'{np.median(np.linalg.norm(move, axis=-1)[chosen]):.3f}',
        *absolute(bootstrap(_ratio, along, squares)),
        *difference(bootstrap(_ratio, hits, chosen)),
        *difference(bootstrap(_ratio, (near - far) * chosen, chosen), 3),
    ]


def kernel_table(sets: dict[str, Comparison]) -> str:
    """Narrow against wide by thirds of the peaks' scores."""
    rows = []
    for name, comparison in sets.items():
        values = comparison.score
        edges = np.quantile(values, [1 / 3, 2 / 3])
        third = np.digitize(values, edges)
        rows.append(_row(f'{name}; all', comparison, third >= 0))
        for number, label in enumerate(_THIRDS):
            chosen = third == number
            rows.append(_row(f'{name}; {label} third', comparison, chosen))
    header = [
        'maps; peaks by score',
        'keypoints',
        'spread',
        'two peaks',
        'error',
        'way',
        'truth on the way',
        'PCK@0.05, narrow - wide',
        'mean error, narrow - wide',
    ]
    return markdown(header, rows)


def crossings(comparison: Comparison) -> tuple[int, int]:
    """Keypoints inside 0.05 torso by the narrow, or the wide, kernel only."""
    limit = THRESHOLDS[2] * comparison.torso
    narrow = comparison.narrow.distances < limit
    wide = comparison.wide.distances < limit
    return int((narrow & ~wide).sum()), int((wide & ~narrow).sum())
