"""Models of a keypoint's error, judged on images they were not fitted to.

A network that is trained with the mean squared error predicts the mean of
the targets that it thinks possible: the training Gaussian, blurred with what
it does not know. So what a peak's covariance has beyond the targets' own,
C - sigma^2, should be the covariance of the error; the models put that to the
test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.report import markdown
from projects.decoder_study.covariance import Predicted
from projects.decoder_study.tables import absolute, difference

LEVELS = (0.5, 0.68, 0.9, 0.95)

Parameters = np.ndarray
Model = Callable[[Predicted, Parameters], np.ndarray]


class Judged(NamedTuple):
    """Results of a model on images that it was not fitted to.

    Attributes:
        parameters (np.ndarray): Mean of the two fits', (P,).
        mahalanobis (np.ndarray): Squared distances, (I, K).
        density (np.ndarray): Log densities of the errors, (I, K).
    """

    parameters: np.ndarray
    mahalanobis: np.ndarray
    density: np.ndarray


def _constant(p: Predicted, by: Parameters) -> np.ndarray:
    return np.broadcast_to(by[0] ** 2 * np.eye(2), p.covariance.shape)


def _score(p: Predicted, by: Parameters) -> np.ndarray:
    return _constant(p, by) * _scale(p, by[1])


def _as_it_is(p: Predicted, by: Parameters) -> np.ndarray:
    return p.covariance


def _scaled(p: Predicted, by: Parameters) -> np.ndarray:
    return by[0] ** 2 * p.covariance


def _excess(p: Predicted, by: Parameters) -> np.ndarray:
    return by[1] ** 2 * p.excess + _constant(p, by)


def _both(p: Predicted, by: Parameters) -> np.ndarray:
    return _excess(p, by) * _scale(p, by[2])


def _scale(p: Predicted, power: float) -> np.ndarray:
    return (p.scores ** (-2 * power))[..., None, None]


# name: model and where its fit starts
MODELS: dict[str, tuple[Model, list[float]]] = {
    'b^2': (_constant, [1.0]),
    'C': (_as_it_is, []),
    'a^2 C': (_scaled, [0.5]),
    'b^2 + a^2 (C - sigma^2)': (_excess, [0.5, 1.0]),
    'b^2 / score^2c': (_score, [1.0, 0.5]),
    '(b^2 + a^2 (C - sigma^2)) / score^2c': (_both, [0.5, 1.0, 0.1]),
}


def _mahalanobis_and_density(
    covariance: np.ndarray, errors: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    xx, xy, yy = (covariance[..., i, j] for i, j in ((0, 0), (0, 1), (1, 1)))
    x, y = errors[..., 0], errors[..., 1]
    determinant = xx * yy - xy * xy
    squared = (yy * x * x - 2 * xy * x * y + xx * y * y) / determinant
    return squared, -0.5 * (squared + np.log(determinant)) - np.log(2 * np.pi)


def judge(predicted: Predicted, name: str) -> Judged:
    """Fit a model to each half of the images, and judge it on the other.

    It is fitted by maximum likelihood to the located keypoints.
    """
    model, start = MODELS[name]
    half = np.arange(len(predicted.errors)) % 2 == 0
    shape = predicted.errors.shape[:2]
    squared, density = np.empty(shape), np.empty(shape)
    parameters = []
    for fitted in (half, ~half):
        best = np.array(start)
        if start:
            seen = predicted.of(fitted)

            def cost(by: Parameters, seen: Predicted = seen) -> float:
                # squares make both signs of a parameter mean the same
                _, logs = _mahalanobis_and_density(
                    model(seen, by), seen.errors
                )
                return -logs[seen.located].mean()

            best = minimize(cost, best, method='Nelder-Mead').x
        unseen = predicted.of(~fitted)
        squared[~fitted], density[~fitted] = _mahalanobis_and_density(
            model(unseen, best), unseen.errors
        )
        parameters.append(np.abs(best))
    return Judged(np.mean(parameters, 0), squared, density)


def inside(judged: Judged, level: float) -> np.ndarray:
    """Return the mask of errors in the ellipse of a nominal level, (I, K)."""
    return judged.mahalanobis < chi2.ppf(level, 2)


def _share(marked: np.ndarray, chosen: np.ndarray) -> float:
    return 100 * marked.sum() / chosen.sum()


def _gain(density: np.ndarray, chosen: np.ndarray) -> float:
    return (density * chosen).sum() / chosen.sum()


def model_table(sets: dict[str, Predicted]) -> str:
    """Coverage and likelihood of every model, for every decoder."""
    rows = []
    for name, predicted in sets.items():
        located = predicted.located
        everything = np.ones_like(located)
        reference = judge(predicted, 'b^2').density
        for model in MODELS:
            judged = judge(predicted, model)
            gain = bootstrap(_gain, judged.density - reference, located)
            shares = [
                bootstrap(_share, inside(judged, level) & located, located)
                for level in LEVELS
            ]
            shares.append(bootstrap(_share, inside(judged, 0.95), everything))
            rows.append(
                [
                    f'{name}; {model}',
                    ', '.join(f'{x:.2f}' for x in judged.parameters) or '-',
                    *difference(gain),
                    *(absolute(share, 1)[0] for share in shares),
                ]
            )
    header = ['decoder; covariance of the error', 'b, a, c', 'log density']
    header += [f'{100 * level:g} %' for level in LEVELS]
    return markdown([*header, '95 %, misses too'], rows)


def duel_table(sets: dict[str, Predicted]) -> str:
    """Paired differences in log density between models."""
    excess, score = 'b^2 + a^2 (C - sigma^2)', 'b^2 / score^2c'
    both = '(b^2 + a^2 (C - sigma^2)) / score^2c'
    rows = []
    for name, predicted in sets.items():
        density = {m: judge(predicted, m).density for m in MODELS}
        for first, second in (
            (excess, 'a^2 C'),
            (excess, score),
            (both, score),
            (both, excess),
        ):
            gain = density[first] - density[second]
            estimate = bootstrap(_gain, gain, predicted.located)
            cells = difference(estimate, 3)
            rows.append([f'{name}; {first}', second, *cells])
    header = ['decoder; covariance of the error', 'against', 'log density']
    return markdown(header, rows)
