"""Errors of keypoints on real heatmaps, with intervals, as text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dark_codec.analysis.bootstrap import Estimate, bootstrap_mean
from projects.shared_data import Maps

# fractions of the torso
THRESHOLDS = (0.2, 0.1, 0.05)
MEASURES = [*(f'PCK@{threshold:g}' for threshold in THRESHOLDS), 'mean error']


class Scores(NamedTuple):
    """Scores of a decoder on one set of maps.

    Attributes:
        offset (np.ndarray): What was removed: the median of prediction -
            truth over all keypoints, (x, y) in heatmap px.
        errors (np.ndarray): Predictions - truth - offset in heatmap px,
            (I, K, 2).
        per_image (np.ndarray): The :data:`MEASURES`: PCK in %, then the mean
            error in heatmap px, (I, 4).
    """

    offset: np.ndarray
    errors: np.ndarray
    per_image: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Lengths of the errors in heatmap px, (I, K)."""
        return np.linalg.norm(self.errors, axis=-1)

    def against(self, baseline: Scores) -> Estimate:
        """Paired differences of ``per_image``, each (4,)."""
        return bootstrap_mean(self.per_image - baseline.per_image)


def score(
    points: np.ndarray, maps: Maps, offset: np.ndarray | None = None
) -> Scores:
    """Score keypoints (I, K, 2), after their constant offset is removed.

    Args:
        points: In heatmap px.
        maps: What they were decoded from.
        offset: The constant offset; the median by default.
    """
    errors = points - maps.truth
    if offset is None:
        offset = np.median(errors, (0, 1))
    errors = errors - offset
    distance = np.linalg.norm(errors, axis=-1)
    hits = [
        100 * (distance < share * maps.torso[:, None]).mean(1)
        for share in THRESHOLDS
    ]
    per_image = np.stack([*hits, distance.mean(1)], 1)
    return Scores(offset, errors, per_image)


def difference(estimate: Estimate, digits: int = 2) -> str:
    """Such as `+0.10 [-0.20, +0.40]`, bold where 0 is outside."""
    # adding 0 makes a rounded -0.00 a +0.00
    value, low, high = (round(float(x), digits) + 0.0 for x in estimate)
    text = f'{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]'
    return f'**{text}**' if low > 0 or high < 0 else text
