"""Scores of decoders on one prediction, and whether they differ."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.stats import bootstrap

from dark_codec.analysis.prediction import DECODERS, Prediction, redecode

METRICS = {'AP': 'AP', 'AP50': 'AP .5', 'AP75': 'AP .75', 'AR': 'AR'}


class Interval(NamedTuple):
    """A mean with its 95 % interval, the figures drawn anew."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]'


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
    for name, decoder in DECODERS.items():
        metrics, points = redecode(prediction, decoder)
        distances = np.linalg.norm(points - prediction.truth, axis=-1)
        coco = {key: metrics[f'coco/{x}'] for key, x in METRICS.items()}
        scores[name] = Score(coco, points, distances.mean(1))
    return scores


def mean(values: np.ndarray) -> Interval:
    """Return the mean of one value per image, with its interval."""
    drawn = bootstrap(
        (values,),
        np.mean,
        n_resamples=2000,
        batch=100,  # all at once take gigabytes
        method='percentile',
        rng=0,
    )
    low, high = drawn.confidence_interval
    return Interval(float(values.mean()), float(low), float(high))


def gain(scores: dict[str, Score], name: str, other: str) -> Interval:
    """Return how much smaller a decoder's error is than that of another."""
    return mean(scores[other].errors - scores[name].errors)


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
        error_px=mean(scores[name].errors)._asdict(),
        **{
            f'less than {other}, px': gain(scores, name, other)._asdict()
            for other in ('argmax', 'quarter shift')
        },
    )
