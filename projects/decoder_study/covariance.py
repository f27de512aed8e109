"""Compare the covariances of the decoders with their errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr
from torch import nn

from dark_codec.analysis.bootstrap import Estimate, bootstrap
from dark_codec.analysis.report import markdown
from projects.decoder_study.scores import THRESHOLDS, score
from projects.decoder_study.tables import absolute
from projects.shared_data import Maps

BINS = 10
# sd of a Gaussian from its median absolute deviation
_ROBUST = 1.4826
# ratio of the axes from which a covariance counts as having a direction
_ELONGATED = 1.15


class Predicted(NamedTuple):
    """Errors, and what was predicted about them.

    Attributes:
        covariance (np.ndarray): Of the peaks in heatmap px^2,
            (I, K, 2, 2).
        excess (np.ndarray): What the covariance has beyond that of the
            training targets, in heatmap px^2, (I, K, 2, 2).
        errors (np.ndarray): In heatmap px, constant offset removed,
            (I, K, 2).
        scores (np.ndarray): Of the peaks, (I, K).
        located (np.ndarray): Within 0.2 torso of the truth, (I, K).
    """

    covariance: np.ndarray
    excess: np.ndarray
    errors: np.ndarray
    scores: np.ndarray
    located: np.ndarray

    @property
    def spread(self) -> np.ndarray:
        """Root of the mean variance in heatmap px, (I, K)."""
        trace = self.covariance[..., 0, 0] + self.covariance[..., 1, 1]
        return np.sqrt(trace / 2)

    @property
    def distances(self) -> np.ndarray:
        """Lengths of the errors in heatmap px, (I, K)."""
        return np.linalg.norm(self.errors, axis=-1)

    def of(self, images: np.ndarray) -> Predicted:
        """Take those of some images, (I,) bool."""
        return Predicted(*(part[images] for part in self))


def predict(decoder: nn.Module, maps: Maps, sigma: float) -> Predicted:
    """Decode with covariances.

    Args:
        decoder: Built with ``covariance=True``.
        maps: What to decode.
        sigma: Of the training targets in heatmap px.

    Raises:
        RuntimeError: If a keypoint has none; the study has no place for it.
    """
    decoded = decoder(maps.heatmaps)
    covariance = decoded.covariance.numpy().astype(np.float64)
    if not np.isfinite(covariance).all():
        raise RuntimeError('a keypoint has no covariance')
    variances, axes = np.linalg.eigh(covariance)
    if not (variances > 0).all():
        raise RuntimeError('a covariance is singular')
    beyond = np.maximum(variances - sigma**2, 0)
    excess = (axes * beyond[..., None, :]) @ axes.swapaxes(-1, -2)
    scores = score(decoded.points.numpy(), maps)
    return Predicted(
        covariance,
        excess,
        scores.errors,
        decoded.scores.numpy().astype(np.float64),
        scores.distances < THRESHOLDS[0] * maps.torso[:, None],
    )


def _ranks(
    spread: np.ndarray,
    scores: np.ndarray,
    distance: np.ndarray,
    chosen: np.ndarray,
) -> list[float]:
    """Rank correlations: spread-error, score-error, spread given score."""
    columns = [spread[chosen], -scores[chosen], distance[chosen]]
    r = spearmanr(np.stack(columns, 1)).statistic
    partial = (r[0, 2] - r[0, 1] * r[1, 2]) / np.sqrt(
        (1 - r[0, 1] ** 2) * (1 - r[1, 2] ** 2)
    )
    return [r[0, 2], r[1, 2], partial]


def _alignment(
    covariance: np.ndarray, errors: np.ndarray, chosen: np.ndarray
) -> float:
    """Mean cosine of twice the angle between long axis and error."""
    xx, xy, yy = (
        covariance[chosen][:, row, column]
        for row, column in ((0, 0), (0, 1), (1, 1))
    )
    mean, radius = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    elongated = (mean + radius) > _ELONGATED**2 * (mean - radius)
    long_axis = np.arctan2(2 * xy, xx - yy)
    x, y = errors[chosen].T
    cosine = np.cos(2 * np.arctan2(y, x) - long_axis)
    return cosine[elongated].mean()


def ranking_table(sets: dict[str, Predicted]) -> str:
    """Show which of spread and score tells large errors from small ones."""
    rows = []
    for name, p in sets.items():
        for subset in ('all', 'located'):
            chosen = p.located | (subset == 'all')
            ranks = bootstrap(_ranks, p.spread, p.scores, p.distances, chosen)
            direction = bootstrap(_alignment, p.covariance, p.errors, chosen)
            cells = absolute(ranks) + absolute(direction)
            rows.append([f'{name}; {subset}', *cells])
    header = [
        'decoder; keypoints',
        'spread',
        '1 - score',
        'spread, given the score',
        'direction',
    ]
    return markdown(header, rows)


def reliability(predicted: Predicted) -> tuple[np.ndarray, Estimate]:
    """Observed errors by bins of predicted standard deviation.

    Both axes of all located keypoints, in bins of equal counts.

    Returns:
        Median predicted sd of each bin, and the observed one (robust, with
        intervals), (BINS,) each, in heatmap px.
    """
    variance = np.diagonal(predicted.covariance, axis1=2, axis2=3)
    deviation = np.sqrt(variance)
    chosen = np.broadcast_to(predicted.located[..., None], deviation.shape)
    edges = np.quantile(deviation[chosen], np.linspace(0, 1, BINS + 1))
    bins = np.digitize(deviation, edges[1:-1])
    bins = np.where(chosen, bins, BINS)

    def observed(errors: np.ndarray, bins: np.ndarray) -> list[float]:
        return [
            _ROBUST * np.median(np.abs(errors[bins == number]))
            for number in range(BINS)
        ]

    middle = [np.median(deviation[bins == number]) for number in range(BINS)]
    return np.array(middle), bootstrap(observed, predicted.errors, bins)
