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
    number = _bin(scores, bins)
    images, row = np.unique(image, return_inverse=True)
    shape = (len(images), bins)
    count, total = (
        np.bincount(row * bins + number, weights, len(images) * bins)
        for weights in (np.ones(len(row)), measured)
    )
    sums = np.bincount(number, scores, bins)
    with np.errstate(divide='ignore', invalid='ignore'):
        counts = count.reshape(shape).sum(0)
        estimate = bootstrap(
            lambda count, total: total.sum(0) / count.sum(0),
            count.reshape(shape),
            total.reshape(shape),
        )
        return Reliability(counts.astype(np.int64), sums / counts, estimate)


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
    gap = np.bincount(_bin(scores, bins), scores - measured, bins)
    return float(np.abs(gap).sum() / len(scores))


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


def calibration_by_keypoint(
    scores: np.ndarray, measured: np.ndarray, keypoint: np.ndarray
) -> dict[int, Calibration]:
    """Return the same for each keypoint that occurs.

    Args:
        scores (np.ndarray): Predicted OKS, (M,).
        measured (np.ndarray): Measured OKS, (M,).
        keypoint (np.ndarray): Index of each keypoint in the skeleton, (M,).
    """
    return {
        int(index): calibration(
            scores[keypoint == index], measured[keypoint == index]
        )
        for index in np.unique(keypoint)
    }


def _bin(scores: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin of each score, of 0 to bins - 1."""
    return np.clip((scores * bins).astype(np.int64), 0, bins - 1)


def _check(scores: np.ndarray, measured: np.ndarray) -> None:
    if len(scores) != len(measured) or len(scores) == 0:
        raise ValueError(
            'scores and measured OKS must be as many, and at least one, got '
            f'{len(scores)} and {len(measured)}'
        )
