"""Medians and deviations of keypoints, NaN where there is none."""

from __future__ import annotations

import numpy as np

# of a normal distribution: standard deviation / median absolute deviation
_STD_BY_MAD = 1.4826


def by_image(
    values: np.ndarray, image_ids: np.ndarray | None = None
) -> np.ndarray:
    """Put people of one image into one row, for the bootstrap over images.

    Args:
        values (np.ndarray): One row per person, (I, ...).
        image_ids (np.ndarray, optional): Their images, (I,). Defaults to
            one person per image.

    Returns:
        np.ndarray: One row per image, (G, P, ...), float64, with P people in
        the fullest image; NaN where an image has fewer.

    Raises:
        ValueError: If there is not one id per person.

    Examples:
        >>> by_image(np.array([1.0, 2.0, 3.0]), np.array([7, 5, 7]))
        array([[ 2., nan],
               [ 1.,  3.]])
    """
    if image_ids is None:
        image_ids = np.arange(len(values))
    if np.shape(image_ids) != (len(values),):
        raise ValueError(
            f'image_ids must have shape ({len(values)},), one for each '
            f'person, got {np.shape(image_ids)}'
        )
    _, image, people = np.unique(
        image_ids, return_inverse=True, return_counts=True
    )
    rows = np.full((len(people), max(people), *values.shape[1:]), np.nan)
    order = np.argsort(image, kind='stable')
    number = np.concatenate([np.arange(n) for n in people])  # in the image
    rows[image[order], number] = values[order]
    return rows


def median(vectors: np.ndarray) -> np.ndarray:
    """Return the median of each component of vectors (..., D), (D,).

    Vectors with NaN are left out; NaN if none remains.
    """
    flat = vectors.reshape(-1, vectors.shape[-1])
    flat = flat[~np.isnan(flat).any(1)]
    # numpy warns of the median of an empty array
    return np.median(flat, 0) if len(flat) else np.full(flat.shape[1], np.nan)


def robust_std(vectors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the robust standard deviation round a centre.

    The median absolute deviation, scaled to the standard deviation of a
    normal distribution.

    Args:
        vectors (np.ndarray): (..., D); NaN is left out.
        centre (np.ndarray): (D,).

    Returns:
        np.ndarray: (D,).
    """
    return _STD_BY_MAD * median(np.abs(vectors - centre))
