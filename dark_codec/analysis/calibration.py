"""Do scores mean what they say? Predicted against measured OKS.

All functions take plain arrays with one row a keypoint, of whatever images:
scores from 0 to 1, and the OKS that each keypoint turned out to have.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from .bootstrap import Estimate, bootstrap

BINS = 10


def oks(distance: np.ndarray, tolerance: np.ndarray) -> np.ndarray:
    """Return the OKS of keypoints.

    Args:
        distance (np.ndarray): From the truth, of any shape.
        tolerance (np.ndarray): 2 sigma_k sqrt(area), in the same unit; a
            shape that broadcasts.
    """
    return np.exp(-0.5 * np.square(distance / tolerance))


def pck_tolerance(threshold: np.ndarray) -> np.ndarray:
    """Return the tolerance whose OKS counts as PCK does.

    For data without OKS: of a distance that is as likely anywhere in the
    plane, OKS with this tolerance and PCK within the threshold sum to the
    same, for 2 pi tolerance^2 is then pi threshold^2.

    Args:
        threshold (np.ndarray): Distance within which PCK counts.
    """
    return threshold / math.sqrt(2)


class Reliability(NamedTuple):
    """Measured OKS by predicted OKS, in bins of equal width.

    Attributes:
        number (np.ndarray): Of keypoints in each bin, (bins,), int64.
        predicted (np.ndarray): Their mean score, (bins,); NaN in empty bins.
        measured (Estimate): Their mean OKS with its interval, (bins,) each;
            NaN in empty bins.
    """

    number: np.ndarray
    predicted: np.ndarray
    measured: Estimate


def reliability(
    scores: np.ndarray,
    measured: np.ndarray,
    image: np.ndarray,
    bins: int = BINS,
) -> Reliability:
    """Compute a reliability curve.

    Args:
        scores (np.ndarray): Predicted OKS, (M,).
        measured (np.ndarray): Measured OKS, (M,).
        image (np.ndarray): Index of each keypoint's image, (M,), int:
            intervals are over images, which are drawn with all keypoints.
        bins (int): Number of bins. Defaults to 10.
    """
    sums = sum_by_bin(scores, measured, image, bins)
    number, predicted, _ = sums.sum(0).T
    with np.errstate(divide='ignore', invalid='ignore'):
        estimate = bootstrap(
            lambda rows: rows[..., 2].sum(0) / rows[..., 0].sum(0), sums
        )
        return Reliability(
            number.astype(np.int64), predicted / number, estimate
        )


def sum_by_bin(
    scores: np.ndarray,
    measured: np.ndarray,
    image: np.ndarray,
    bins: int = BINS,
) -> np.ndarray:
    """Return what calibration is computed from, for resampled images.

    Args:
        scores (np.ndarray): Predicted OKS, (M,).
        measured (np.ndarray): Measured OKS, (M,).
        image (np.ndarray): Identifier of each keypoint's image, (M,).
        bins (int): Number of bins of equal width. Defaults to 10.

    Returns:
        np.ndarray: Of I images, sorted, by the bin of the score: number of
        keypoints, sum of scores and sum of measured OKS, (I, bins, 3).
    """
    images, row = np.unique(image, return_inverse=True)
    number = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    sums = [
        np.bincount(row * bins + number, weights, len(images) * bins)
        for weights in (np.ones(len(scores)), scores, measured)
    ]
    return np.stack(sums, -1).reshape(len(images), bins, 3)


def error_of_sums(sums: np.ndarray) -> np.ndarray:
    """Return calibration errors, (...), of sums by bin (I, ..., bins, 3)."""
    number, predicted, measured = np.moveaxis(sums.sum(0), -1, 0)
    return np.abs(predicted - measured).sum(-1) / number.sum(-1)


def calibration_error(
    scores: np.ndarray, measured: np.ndarray, bins: int = BINS
) -> float:
    """Return the expected calibration error (ECE).

    The mean over keypoints of how far the mean OKS of a score's bin is from
    the bin's mean score.

    Args:
        scores (np.ndarray): Predicted OKS, (M,).
        measured (np.ndarray): Measured OKS, (M,).
        bins (int): Number of bins of equal width. Defaults to 10.

    Raises:
        ValueError: If there is no keypoint, or the lengths differ.

    Examples:
        >>> scores = np.array([0.92, 0.98, 0.31, 0.39])
        >>> oks = np.array([1.0, 0.9, 0.0, 0.5])
        >>> round(calibration_error(scores, oks), 3)
        0.05
    """
    _check(scores, measured)
    one = np.zeros(len(scores))
    return float(error_of_sums(sum_by_bin(scores, measured, one, bins)))


def rank_correlation(scores: np.ndarray, measured: np.ndarray) -> float:
    """Return Spearman's rank correlation; NaN where one is constant."""
    _check(scores, measured)
    if np.ptp(scores) == 0 or np.ptp(measured) == 0:
        return math.nan
    return float(spearmanr(scores, measured).statistic)


class Calibration(NamedTuple):
    """How good scores are, of some keypoints.

    Attributes:
        number (int): Of keypoints.
        score (float): Their mean score.
        measured (float): Their mean OKS.
        error (float): :func:`calibration_error`.
        rank (float): :func:`rank_correlation`.
    """

    number: int
    score: float
    measured: float
    error: float
    rank: float


def calibration(scores: np.ndarray, measured: np.ndarray) -> Calibration:
    """Return how good scores are, of keypoints (M,)."""
    return Calibration(
        len(scores),
        float(scores.mean()),
        float(measured.mean()),
        calibration_error(scores, measured),
        rank_correlation(scores, measured),
    )


def _check(scores: np.ndarray, measured: np.ndarray) -> None:
    if len(scores) != len(measured) or len(scores) == 0:
        raise ValueError(
            'scores and measured OKS must be as many, and at least one, got '
            f'{len(scores)} and {len(measured)}'
        )
