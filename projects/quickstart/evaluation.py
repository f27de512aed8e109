"""One checkpoint, one prediction, decoded in several ways."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dark_codec.analysis.bootstrap import Estimate, bootstrap
from dark_codec.analysis.prediction import (
    PAPER_DECODERS,
    Prediction,
    redecode,
)

DECODERS = {
    **PAPER_DECODERS,
    'Gaussian fit (beyond the paper)': 'GaussianFitDecoder',
}


class Score(NamedTuple):
    """Scores of one decoder.

    Attributes:
        metrics (dict): From ``CocoMetric``, 0 to 1.
        points (np.ndarray): Decoded keypoints in image px, (I, K, 2).
        error (Estimate): Mean distance from the truth in image px, over the
            labelled keypoints.
        gain (Estimate): How much smaller than that of argmax.
        over_shift (Estimate): How much smaller than that of the quarter
            shift.
    """

    metrics: dict[str, float]
    points: np.ndarray
    error: Estimate
    gain: Estimate
    over_shift: Estimate


def score_all(prediction: Prediction) -> dict[str, Score]:
    """Decode the heatmaps by each of :data:`DECODERS`, and score them."""
    decoded = {
        name: redecode(prediction, decoder)
        for name, decoder in DECODERS.items()
    }
    points = np.stack([points for _, points in decoded.values()], 1)
    distance = np.linalg.norm(points - prediction.truth[:, None], axis=-1)
    labelled = prediction.labelled
    # paired: the same keypoints by the first decoder and by the second
    gains = (distance[:, [k]] - distance for k in range(2))
    parts = np.stack([distance, *gains], 1) * labelled[:, None, None]
    mean = bootstrap(_mean, parts.sum(-1), labelled.sum(-1))
    return {
        name: Score(*decoded[name], *(_entry(mean, k, i) for k in range(3)))
        for i, name in enumerate(DECODERS)
    }


def _mean(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over keypoints, of which figures have different numbers."""
    return sums.sum(0) / counts.sum()


def _entry(estimate: Estimate, *index: int) -> Estimate:
    return Estimate(*(float(part[index]) for part in estimate))
