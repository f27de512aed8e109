"""Calibration of scores, on scores whose calibration is known."""

import math

import numpy as np
import pytest

from dark_codec.analysis.calibration import (
    calibration_error,
    oks,
    pck_tolerance,
    rank_correlation,
    reliability,
)


def test_calibration_error_by_a_loop(rng):
    scores, measured = rng.uniform(0, 1, (2, 500))
    scores[:2] = 0, 1
    expected = 0
    for number in range(10):
        upper = 2 if number == 9 else (number + 1) / 10
        of_bin = (scores >= number / 10) & (scores < upper)
        gap = scores[of_bin].mean() - measured[of_bin].mean()
        expected += of_bin.sum() / 500 * abs(gap)
    assert calibration_error(scores, measured) == pytest.approx(expected)


def test_probabilities_are_calibrated(rng):
    scores = rng.uniform(0, 1, 100_000)
    happened = (rng.uniform(0, 1, 100_000) < scores).astype(float)
    assert calibration_error(scores, happened) < 0.01
    assert calibration_error(scores**2, happened) > 0.1
    assert rank_correlation(scores, scores**2) == pytest.approx(1)


def test_reliability_curve(rng):
    """Counts and means of each bin, and the truth within its intervals."""
    image = np.repeat(np.arange(2000), 10)
    scores = rng.uniform(0, 0.899, 20_000)
    happened = (rng.uniform(0, 1, 20_000) < scores).astype(float)
    curve = reliability(scores, happened, image)
    assert curve.number.sum() == 20_000 and curve.number[-1] == 0
    assert np.isnan(curve.measured.value[-1])
    assert np.isnan(curve.predicted[-1])
    for number in range(9):
        of_bin = (scores * 10).astype(int) == number
        assert curve.number[number] == of_bin.sum()
        mean = happened[of_bin].mean()
        assert curve.measured.value[number] == pytest.approx(mean)
        assert curve.predicted[number] == pytest.approx(scores[of_bin].mean())
        low, high = curve.measured.low[number], curve.measured.high[number]
        # of 2200 keypoints each
        assert low < mean < high and high - low < 0.06


def test_intervals_are_over_images(rng):
    """Keypoints of one image that fail together count once."""
    image = np.repeat(np.arange(100), 50)
    failed = np.repeat(rng.uniform(0, 1, 100) < 0.5, 50).astype(float)
    curve = reliability(np.full(5000, 0.55), failed, image)
    assert curve.measured.high[5] - curve.measured.low[5] > 0.15


def test_oks_and_its_equivalent_of_pck(rng):
    assert oks(np.array(3.0), np.array(3.0)) == pytest.approx(math.exp(-0.5))
    # points anywhere: as many count
    distance = np.linalg.norm(rng.uniform(-20, 20, (200_000, 2)), axis=1)
    expected = (distance < 4).mean()
    assert oks(distance, pck_tolerance(4)).mean() == pytest.approx(
        expected, rel=0.03
    )


def test_nothing_to_compare():
    with pytest.raises(ValueError, match='at least one, got 0 and 0'):
        calibration_error(np.empty(0), np.empty(0))
    assert math.isnan(rank_correlation(np.ones(3), np.arange(3)))
