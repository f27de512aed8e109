"""Find where the error of predicted keypoints comes from.

Each labelled keypoint is one of three, after a constant offset is removed:

- *hit*: within the radius of its true place
- *swap*: not a hit, but within the radius of the true place of its partner
  on the other side, left for right (Ronchi and Perona, "Benchmarking and
  Error Diagnosis in Multi-Instance Pose Estimation", ICCV 2017, call it an
  inversion)
- *miss*: neither

The mean error splits into four parts that add up to it: what swaps and
misses contribute, what is left of the hits' error without the constant offset
(*scatter*), and what the *offset* adds to that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..functional import get_alignment
from .bootstrap import Estimate, bootstrap
from .robust import by_image, median, robust_std

KINDS = ('hit', 'swap', 'miss')
PARTS = ('offset', 'scatter', 'swap', 'miss')
_HIT, _SWAP, _MISS = range(3)

Size = tuple[int, int]


class Keypoints(NamedTuple):
    """Predicted keypoints of I people, and their truth.

    Attributes:
        points (np.ndarray): Predictions (x, y) in heatmap px, (I, K, 2).
        truth (np.ndarray): True positions in heatmap px, (I, K, 2).
        labelled (np.ndarray): Which are labelled, (I, K), bool.
        size (np.ndarray): What the hit radius is a share of, such as the
            torso or the box, in heatmap px, (I,). People without a positive
            one are left out.
        peaks (np.ndarray): Highest pixels (x, y) of the heatmaps, (I, K, 2).
        flip_indices (np.ndarray): Each keypoint's partner on the other
            side, or itself, (K,), as in MMPose's metainfo.
        image_ids (np.ndarray, optional): The image of each person, (I,).
            Defaults to one person per image.
    """

    points: np.ndarray
    truth: np.ndarray
    labelled: np.ndarray
    size: np.ndarray
    peaks: np.ndarray
    flip_indices: np.ndarray
    image_ids: np.ndarray | None = None


class Border(NamedTuple):
    """Keypoints whose peak lies in the outermost pixels of the map.

    Attributes:
        keypoints (float): Their share of all keypoints.
        error (float): Their share of the summed error.
        kinds (np.ndarray): Their share of the hits, swaps and misses, (3,);
            NaN where there are none.
    """

    keypoints: float
    error: float
    kinds: np.ndarray


class Diagnosis(NamedTuple):
    """Sources of the error.

    Attributes:
        kinds (np.ndarray): Index into :data:`KINDS` for each keypoint, -1
            for those left out, (I, K).
        shares (Estimate): Of :data:`KINDS`; the values add up to 1. (3,).
        offset (Estimate): Median of prediction - truth over the hits,
            (x, y) in heatmap px, (2,).
        scatter (Estimate): Robust standard deviation round it, likewise.
        error (dict[str, float]): Mean error in heatmap px, by its parts,
            :data:`PARTS`. The offset's is below 0 where removing it makes
            the mean error larger, which a median may do.
        error_input (dict[str, float]): The same in input px.
        border (Border): What peaks at the border contribute.
        stride (np.ndarray): Input px per heatmap px, (x, y): offset and
            scatter times this are in input px.
        left_out (int): People without a size.
    """

    kinds: np.ndarray
    shares: Estimate
    offset: Estimate
    scatter: Estimate
    error: dict[str, float]
    error_input: dict[str, float]
    border: Border
    stride: np.ndarray
    left_out: int


def diagnose(
    keypoints: Keypoints,
    input_size: Size,
    heatmap_size: Size,
    alignment: str,
    radius: float = 0.2,
    draws: int = 500,
) -> Diagnosis:
    """Split the error into offset, scatter, swaps, misses and border.

    Args:
        keypoints (Keypoints): Predictions and truth.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): How the truth came from input px to heatmap px.
        radius (float): A hit is that near, as a share of the size.
            Defaults to 0.2.
        draws (int): Resamples for the intervals. Defaults to 500.

    Returns:
        Diagnosis: With 95 % intervals over images.

    Raises:
        ValueError: If an argument is invalid, nothing is labelled, or a
            prediction is not finite.
    """
    used = _check(keypoints, radius)
    residuals = keypoints.points - keypoints.truth
    # all labelled keypoints give a first offset, their hits a better one
    start = median(residuals[used])
    hits = classify(keypoints, radius, start) == _HIT
    if not hits.any():
        raise ValueError(
            f'no keypoint lies within radius={radius} sizes of its true '
            'place: are sizes, truth and points all in heatmap px?'
        )
    located = np.where(hits[..., None], residuals, np.nan)
    grouped = by_image(located, keypoints.image_ids)
    offset = bootstrap(median, grouped, draws=draws)
    kinds = classify(keypoints, radius, offset.value)
    scatter = bootstrap(
        lambda rows: robust_std(rows, median(rows)), grouped, draws=draws
    )
    axis = get_alignment(alignment).axis
    stride = np.array(
        [axis(*sizes)[0] for sizes in zip(input_size, heatmap_size)]
    )
    parts = error_parts(residuals, kinds, offset.value)
    return Diagnosis(
        kinds,
        _shares(kinds, keypoints.image_ids, draws),
        offset,
        scatter,
        parts,
        error_parts(residuals * stride, kinds, offset.value * stride),
        _border(keypoints, kinds, heatmap_size),
        stride,
        int((~(keypoints.size > 0)).sum()),
    )


def _check(keypoints: Keypoints, radius: float) -> np.ndarray:
    """Check the arguments; return the mask of keypoints that count."""
    shape = keypoints.truth.shape
    expected = dict(
        points=shape,
        truth=(*shape[:2], 2),
        labelled=shape[:2],
        size=shape[:1],
        peaks=shape,
        flip_indices=shape[1:2],
    )
    shapes = {name: getattr(keypoints, name).shape for name in expected}
    if shapes != expected:
        raise ValueError(
            'points, truth and peaks must have shape (I, K, 2), labelled '
            f'(I, K), size (I,) and flip_indices (K,), got {shapes}'
        )
    flip = keypoints.flip_indices
    if not np.array_equal(flip[flip], np.arange(len(flip))):
        raise ValueError(
            'flip_indices must lead back from the partner to the keypoint, '
            f'got {flip.tolist()}'
        )
    if not radius > 0:
        raise ValueError(f'radius must be positive, got {radius!r}')
    used = keypoints.labelled & (keypoints.size > 0)[:, None]
    if not used.any():
        raise ValueError('no labelled keypoint of a person with a size')
    for name in ('points', 'truth'):
        bad = ~np.isfinite(getattr(keypoints, name)[used]).all(-1)
        if bad.any():
            raise ValueError(
                f'{name} must be finite where labelled; {bad.sum()} of '
                f'{len(bad)} are not'
            )
    return used


def classify(
    keypoints: Keypoints, radius: float, offset: np.ndarray
) -> np.ndarray:
    """Tell hits, swaps and misses apart.

    Args:
        keypoints (Keypoints): Predictions and truth.
        radius (float): A hit is that near, as a share of the size.
        offset (np.ndarray): Taken from the predictions first, in heatmap
            px, (2,).

    Returns:
        np.ndarray: Index into :data:`KINDS`, -1 where nothing is labelled
        or the person has no size, (I, K).
    """
    points, truth, labelled, size, _, flip, _ = keypoints
    used = labelled & (size > 0)[:, None]
    reach = radius * size[:, None]
    points = points - offset
    hit = np.linalg.norm(points - truth, axis=-1) <= reach
    partner = labelled[:, flip] & (flip != np.arange(len(flip)))
    apart = np.linalg.norm(points - truth[:, flip], axis=-1)
    swap = partner & (apart <= reach)
    kinds = np.select([~used, hit, swap], [-1, _HIT, _SWAP], _MISS)
    return kinds.astype(np.int8)


def error_parts(
    residuals: np.ndarray, kinds: np.ndarray, offset: np.ndarray
) -> dict[str, float]:
    """Split the mean error into :data:`PARTS`, which add up to it.

    Args:
        residuals (np.ndarray): Prediction - truth, (I, K, 2).
        kinds (np.ndarray): From :func:`classify`, (I, K).
        offset (np.ndarray): The constant offset, (2,), as the residuals.

    Returns:
        dict[str, float]: In the residuals' unit.
    """
    count = (kinds >= 0).sum()
    sums = [
        np.linalg.norm(residuals[kinds == kind], axis=-1).sum()
        for kind in range(len(KINDS))
    ]
    hits = residuals[kinds == _HIT] - offset
    scatter = np.linalg.norm(hits, axis=-1).sum()
    values = (sums[_HIT] - scatter, scatter, sums[_SWAP], sums[_MISS])
    return {part: float(value / count) for part, value in zip(PARTS, values)}


def _shares(
    kinds: np.ndarray, image_ids: np.ndarray | None, draws: int
) -> Estimate:
    counts = np.stack(
        [(kinds == kind).sum(1) for kind in range(len(KINDS))], -1
    )

    def share(rows: np.ndarray) -> np.ndarray:
        total = np.nansum(rows, (0, 1))
        return total / max(total.sum(), 1)

    return bootstrap(share, by_image(counts, image_ids), draws=draws)


def at_border(peaks: np.ndarray, heatmap_size: Size) -> np.ndarray:
    """Return the mask of peaks (..., 2) in the outermost pixels of a map."""
    last = np.array(heatmap_size) - 1
    return ((peaks <= 0) | (peaks >= last)).any(-1)


def _border(
    keypoints: Keypoints, kinds: np.ndarray, heatmap_size: Size
) -> Border:
    border = at_border(keypoints.peaks, heatmap_size)
    used = kinds >= 0
    errors = np.linalg.norm(keypoints.points - keypoints.truth, axis=-1)
    total = errors[used].sum()
    by_kind = [border[kinds == kind] for kind in range(len(KINDS))]
    return Border(
        float(border[used].mean()),
        float(errors[border & used].sum() / total) if total else 0.0,
        np.array([np.mean(b) if len(b) else np.nan for b in by_kind]),
    )
