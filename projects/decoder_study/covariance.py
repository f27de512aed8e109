"""Covariances against the errors of keypoints.

A network that is trained with the mean squared error predicts the mean of
the targets that it thinks possible: the training Gaussian, blurred with what
it does not know. So what a peak's covariance C has beyond the targets' own,
C - sigma^2, should be the covariance of the error; the models put that to the
test, on images that they were not fitted to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2, spearmanr

from dark_codec import HeatmapDecoder
from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.report import markdown
from projects.shared_data import Maps

from .scores import THRESHOLDS, difference, score

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

    def of(self, images: np.ndarray) -> Predicted:
        """Take those of some images, (I,) bool."""
        return Predicted(*(part[images] for part in self))


def predict(decoder: HeatmapDecoder, maps: Maps, sigma: float) -> Predicted:
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


# name: covariance of the error by parameters, and where their fit starts
MODELS: dict[str, tuple[Callable, list[float]]] = {
    'b^2': (lambda p, by: by[0] ** 2 * np.eye(2), [1.0]),
    'C': (lambda p, by: p.covariance, []),
    'a^2 C': (lambda p, by: by[0] ** 2 * p.covariance, [0.5]),
    'b^2 + a^2 (C - sigma^2)': (
        lambda p, by: by[0] ** 2 * np.eye(2) + by[1] ** 2 * p.excess,
        [0.5, 1.0],
    ),
    'b^2 / score^2c': (
        lambda p, by: (
            by[0] ** 2 * np.eye(2) * p.scores[..., None, None] ** (-2 * by[1])
        ),
        [1.0, 0.5],
    ),
}


def _mahalanobis_and_density(
    covariance: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances and log densities of errors, (I, K) each."""
    inverse = np.linalg.inv(covariance)
    squared = np.einsum('...i,...ij,...j', errors, inverse, errors)
    determinant = np.linalg.det(covariance)
    return squared, -0.5 * (squared + np.log(determinant)) - np.log(2 * np.pi)


def judge(
    predicted: Predicted, name: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit a model to each half of the images, and judge it on the other.

    It is fitted by maximum likelihood to the located keypoints.

    Returns:
        The mean of the two fits' parameters, (P,); squared Mahalanobis
        distances, and log densities of the errors, (I, K) each.
    """
    model, start = MODELS[name]
    half = np.arange(len(predicted.errors)) % 2 == 0
    squared, density = np.empty((2, *predicted.errors.shape[:2]))
    parameters = []
    for fitted in (half, ~half):
        seen, unseen = predicted.of(fitted), predicted.of(~fitted)

        def cost(by: np.ndarray, seen: Predicted = seen) -> float:
            # squares make both signs of a parameter mean the same
            _, logs = _mahalanobis_and_density(model(seen, by), seen.errors)
            return -logs[seen.located].mean()

        best = np.array(start)
        if start:
            best = minimize(cost, best, method='Nelder-Mead').x
        squared[~fitted], density[~fitted] = _mahalanobis_and_density(
            model(unseen, best), unseen.errors
        )
        parameters.append(np.abs(best))
    return np.mean(parameters, 0), squared, density


def _share(values: np.ndarray, chosen: np.ndarray) -> float:
    return (values * chosen).sum() / chosen.sum()


def model_table(predicted: Predicted) -> str:
    """Coverage and likelihood of every model."""
    located = predicted.located
    _, _, reference = judge(predicted, 'b^2')
    rows = []
    for model in MODELS:
        parameters, squared, density = judge(predicted, model)
        gain = bootstrap(_share, density - reference, located)
        inside = {
            level: 100.0 * (squared < chi2.ppf(level, 2))
            for level in (0.5, 0.95)
        }
        shares = [
            bootstrap(_share, inside[0.5], located),
            bootstrap(_share, inside[0.95], located),
            bootstrap(_share, inside[0.95], np.ones_like(located)),
        ]
        rows.append(
            [
                model,
                ', '.join(f'{x:.2f}' for x in parameters) or '-',
                difference(gain),
                *(share.text(1) for share in shares),
            ]
        )
    header = ['covariance of the error', 'b, a, c', 'log density']
    return markdown([*header, '50 %', '95 %', '95 %, misses too'], rows)


def _ranks(
    spread: np.ndarray,
    scores: np.ndarray,
    distance: np.ndarray,
    chosen: np.ndarray,
) -> np.ndarray:
    """Rank correlations: spread-error, score-error, spread given score."""
    columns = [spread[chosen], -scores[chosen], distance[chosen]]
    r = spearmanr(np.stack(columns, 1)).statistic
    partial = (r[0, 2] - r[0, 1] * r[1, 2]) / np.sqrt(
        (1 - r[0, 1] ** 2) * (1 - r[1, 2] ** 2)
    )
    return np.array([r[0, 2], r[1, 2], partial])


def alignment(
    covariance: np.ndarray, errors: np.ndarray, chosen: np.ndarray
) -> float:
    """Mean cosine of twice the angle between long axis and error."""
    xx, xy, yy = (
        covariance[chosen][:, row, column]
        for row, column in ((0, 0), (0, 1), (1, 1))
    )
    mean, radius = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    elongated = (mean + radius) > _ELONGATED**2 * (mean - radius)
    x, y = errors[chosen].T
    angle = 2 * np.arctan2(y, x) - np.arctan2(2 * xy, xx - yy)
    return np.cos(angle)[elongated].mean()


def ranking_table(predicted: Predicted) -> str:
    """Show which of spread and score tells large errors from small ones."""
    distances = np.linalg.norm(predicted.errors, axis=-1)
    variance = np.trace(predicted.covariance, axis1=2, axis2=3) / 2
    spread = np.sqrt(variance)
    rows = []
    for name in ('all', 'located'):
        chosen = predicted.located | (name == 'all')
        ranks = bootstrap(_ranks, spread, predicted.scores, distances, chosen)
        direction = bootstrap(
            alignment, predicted.covariance, predicted.errors, chosen
        )
        cells = [ranks.at(i).text(2) for i in range(3)]
        cells.append(direction.text(2))
        rows.append([name, f'{np.median(spread[chosen]):.2f}', *cells])
    header = ['keypoints', 'median spread', 'spread', '1 - score']
    header += ['spread, given the score', 'direction']
    return markdown(header, rows)
