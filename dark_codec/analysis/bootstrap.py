"""Bootstrap intervals over images, and paired differences.

The keypoints of one image are not independent, so whole images are drawn
with replacement. The same seed draws the same images: differences between
decoders are paired.

``scipy.stats.bootstrap`` draws the same images and gives the same intervals
(the tests compare), but takes neither a single image nor rows of any shape
without a wrapper longer than what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A statistic with its percentile interval.

    Attributes:
        value (np.ndarray): The statistic of the images as they are.
        low (np.ndarray): Lower end of the interval, shaped as ``value``.
        high (np.ndarray): Upper end of the interval.
    """

    value: Any
    low: Any
    high: Any

    def at(self, *index: int) -> Estimate:
        """Return one entry of a statistic that is an array."""
        return Estimate(*(float(part[index]) for part in self))

    def times(self, factor: Any) -> Estimate:
        """Return the estimate in another unit."""
        return Estimate(*(part * factor for part in self))

    def text(self, digits: int = 3) -> str:
        """Return such as ``'0.123 [0.100, 0.140]'``, for one number."""
        value, low, high = (f'{number:.{digits}f}' for number in self)
        return value if np.isnan(self.low) else f'{value} [{low}, {high}]'


def bootstrap_mean(
    values: np.ndarray,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Compute the mean over images with its interval.

    For paired differences, pass the differences.

    Args:
        values (np.ndarray): One row per image, (I, ...).
        draws (int): Number of resamples. Defaults to 2000.
        level (float): Coverage of the interval. Defaults to 0.95.
        seed (int): Seed of the resampling. Defaults to 0.

    Returns:
        Estimate: Each entry of shape (...).

    Raises:
        ValueError: If there is no image, or an argument is out of range.

    Examples:
        >>> estimate = bootstrap_mean(np.array([0.0, 1.0]))
        >>> float(estimate.value), float(estimate.low), float(estimate.high)
        (0.5, 0.0, 1.0)
    """
    values = np.asarray(values, dtype=np.float64)
    return bootstrap(
        lambda rows: rows.mean(0), values, draws=draws, level=level, seed=seed
    )


def bootstrap(
    statistic: Callable[..., Any],
    *arrays: np.ndarray,
    draws: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Compute any statistic of images with its interval.

    Args:
        statistic (Callable): Called with each array resampled; returns a
            number or an array.
        *arrays (np.ndarray): One row per image, (I, ...).
        draws (int): Number of resamples. Defaults to 500.
        level (float): Coverage of the interval. Defaults to 0.95.
        seed (int): Seed of the resampling. Defaults to 0.

    Returns:
        Estimate: Each entry shaped as what ``statistic`` returns.

    Raises:
        ValueError: If arrays differ in length, there is no image, or an
            argument is out of range.
    """
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) != 1:
        raise ValueError(
            f'arrays must have one row per image each, got lengths {lengths}'
        )
    images = lengths[0]
    if images < 1:
        raise ValueError('the bootstrap needs at least one image, got none')
    if draws < 1:
        raise ValueError(f'draws must be positive, got {draws!r}')
    if not 0 < level < 1:
        raise ValueError(f'level must lie between 0 and 1, got {level!r}')
    rng = np.random.default_rng(seed)
    resampled = [
        statistic(*(array[index] for array in arrays))
        for index in rng.integers(0, images, (draws, images))
    ]
    tail = 50 * (1 - level)
    low, high = np.percentile(resampled, [tail, 100 - tail], axis=0)
    return Estimate(statistic(*arrays), low, high)
