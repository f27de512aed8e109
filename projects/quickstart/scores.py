"""Scores of decoders on one prediction, and whether they differ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dark_codec.analysis.bootstrap import Estimate, bootstrap_mean
from dark_codec.analysis.decoders_by_name import BY_TITLE
from projects.prediction import Prediction, redecode

BASELINES = ('argmax', 'quarter shift')
METRICS = {'AP': 'AP', 'AP50': 'AP .5', 'AP75': 'AP .75', 'AR': 'AR'}


class Score(NamedTuple):
    """Scores of one decoder.

    Attributes:
        metrics (dict): AP, AP50, AP75 and AR of COCO, 0 to 1.
        points (np.ndarray): Decoded keypoints in image px, (I, K, 2).
        errors (np.ndarray): Their mean distance from the truth in each
            image, in px, (I,).
    """

    metrics: dict[str, float]
    points: np.ndarray
    errors: np.ndarray


def score_all(prediction: Prediction) -> dict[str, Score]:
    """Decode the heatmaps by each of the decoders, and score them."""
    scores = {}
    for name, decoder in BY_TITLE.items():
        metrics, points = redecode(prediction, decoder)
        distances = np.linalg.norm(points - prediction.truth, axis=-1)
        coco = {key: metrics[f'coco/{x}'] for key, x in METRICS.items()}
        scores[name] = Score(coco, points, distances.mean(1))
    return scores


def gain(scores: dict[str, Score], name: str, other: str) -> Estimate:
    """Return how much smaller a decoder's error is than that of another."""
    return bootstrap_mean(scores[other].errors - scores[name].errors)


def best(scores: dict[str, Score]) -> list[str]:
    """Return the decoder with the least error, and its equals.

    Those whose paired difference from it has an interval that holds 0.
    """
    first = min(scores, key=lambda name: scores[name].errors.mean())
    return [name for name in scores if gain(scores, first, name).low <= 0]


def as_json(scores: dict[str, Score], name: str) -> dict[str, Any]:
    """Return a decoder's row for programs; errors in image px."""
    return dict(
        scores[name].metrics,
        error_px=_as_mean(bootstrap_mean(scores[name].errors)),
        **{
            f'less than {other}, px': _as_mean(gain(scores, name, other))
            for other in BASELINES
        },
    )


def _as_mean(estimate: Estimate) -> dict[str, float]:
    mean, low, high = map(float, estimate)
    return dict(mean=mean, low=low, high=high)
