"""The alignment that a network was trained with, found without labels.

A network that sees a mirrored image predicts a mirrored heatmap. Its columns
reversed ("un-flipped"), the map equals that of the plain image only if the
alignment is flip-consistent. With stride s, `asymmetric` leaves 1 - 1/s px::

    plain        x / s
    mirrored     (w - 1 - x) / s
    un-flipped   W - 1 - (w - 1 - x) / s  =  x / s - (1 - 1/s)

Un-flipped means here: columns reversed, left and right keypoints exchanged,
and no shift.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ..functional import ALIGNMENTS, get_alignment, input_to_heatmap
from .bootstrap import Estimate, bootstrap
from .robust import by_image, median, robust_std

Size = tuple[int, int]

CONSISTENT, NEITHER = 'flip-consistent', 'neither'
# Coordinates that were rounded before the targets were drawn, in heatmap px:
# plain and un-flipped predictions are off by half a pixel, in opposite
# directions.
_ROUNDED = {'': 0.0, ', rounded down': -1.0, ', rounded up': 1.0}
# least number of images for a warning: intervals of fewer are too narrow
_MIN_IMAGES = 20


class FlipOffset(NamedTuple):
    """Distance of plain predictions from un-flipped ones, and its meaning.

    Attributes:
        offset (Estimate): Median of plain - un-flipped, (x, y) in heatmap
            px, each entry (2,).
        scatter (np.ndarray): Robust standard deviation of that, (2,).
        signatures (dict[str, float]): What theory says of x, in heatmap px,
            for 'asymmetric' and 'flip-consistent' (`half_pixel` or
            `align_corners`).
        verdict (str): One of these, or 'neither'.
        reason (str): Why.
        memorised (dict[str, float]): What theory says of x where the network
            has learnt these very images by training on them, for
            'asymmetric' and 'flip-consistent'. A mirrored training crop lies
            one input px from the mirrored input of the flip test.
        images (int): Number of images.
    """

    offset: Estimate
    scatter: np.ndarray
    signatures: dict[str, float]
    verdict: str
    reason: str
    memorised: dict[str, float]
    images: int


def flip_signature(
    input_size: Size, heatmap_size: Size, alignment: str
) -> float:
    """Return how far a plain heatmap lies to the right of the un-flipped one.

    Args:
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`dark_codec.functional.ALIGNMENTS`.

    Returns:
        float: Along x, in heatmap px.

    Examples:
        >>> flip_signature((192, 256), (48, 64), 'asymmetric')
        0.75
        >>> flip_signature((192, 256), (48, 64), 'half_pixel')
        0.0
    """
    return get_alignment(alignment).flip_gap(input_size[0], heatmap_size[0])


def _signatures(input_size: Size, heatmap_size: Size) -> dict[str, float]:
    """Return all signatures; flip-consistent alignments share a name."""
    signatures = {}
    for name in ALIGNMENTS:
        signature = flip_signature(input_size, heatmap_size, name)
        signatures[name if signature else CONSISTENT] = signature
    return signatures


def _alignments_of(verdict: str, signatures: dict[str, float]) -> list[str]:
    """Return the names of the alignments that a verdict stands for."""
    if verdict != CONSISTENT:
        return [verdict]
    return [name for name in ALIGNMENTS if name not in signatures]


def alignment_offset(
    input_size: Size, heatmap_size: Size, alignment: str, other: str
) -> np.ndarray:
    """Return the offset between a keypoint in two alignments.

    Args:
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`dark_codec.functional.ALIGNMENTS`.
        other (str): Likewise.

    Returns:
        np.ndarray: (x, y) in heatmap px in the middle of the map, (2,).

    Examples:
        >>> alignment_offset((192, 256), (48, 64), 'asymmetric', 'half_pixel')
        array([0.375, 0.375], dtype=float32)
    """
    middle = (torch.tensor(input_size) - 1) / 2
    one, two = (
        input_to_heatmap(middle, input_size, heatmap_size, name)
        for name in (alignment, other)
    )
    return (one - two).numpy()


def find_alignment(
    plain: np.ndarray,
    unflipped: np.ndarray,
    input_size: Size,
    heatmap_size: Size,
    image_ids: np.ndarray | None = None,
    draws: int = 500,
) -> FlipOffset:
    """Find the alignment that a network's predictions match.

    The predictions must be finer than a pixel: argmax and the quarter shift
    move in steps, and so do their medians.

    Args:
        plain (np.ndarray): Predictions on images, (x, y) in heatmap px,
            (I, K, 2); NaN where there is none.
        unflipped (np.ndarray): On the same images mirrored, with columns
            reversed and left and right exchanged, but not shifted.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        image_ids (np.ndarray, optional): The image of each row, (I,): the
            bootstrap draws images. Defaults to one row per image.
        draws (int): Resamples for the interval. Defaults to 500.

    Returns:
        FlipOffset: With the verdict.

    Raises:
        ValueError: If shapes differ, or there is no pair at all.
    """
    if plain.shape != unflipped.shape or plain.shape[2:] != (2,):
        raise ValueError(
            'plain and unflipped must both have shape (I, K, 2), got '
            f'{plain.shape} and {unflipped.shape}'
        )
    apart = np.asarray(plain, np.float64) - unflipped
    if np.isnan(apart).any(-1).all():
        raise ValueError('no keypoint is predicted both plain and un-flipped')
    images = by_image(apart, image_ids)
    offset = bootstrap(median, images, draws=draws)
    signatures = _signatures(input_size, heatmap_size)
    one_pixel = heatmap_size[0] / input_size[0]
    memorised = {name: x + one_pixel for name, x in signatures.items()}
    verdict, reason = _judge(offset, signatures)
    if verdict == NEITHER:
        reason += _of_memory(offset.value[0], signatures, memorised)
    return FlipOffset(
        offset,
        robust_std(apart, offset.value),
        signatures,
        verdict,
        reason,
        memorised,
        len(images),
    )


def _judge(offset: Estimate, signatures: dict[str, float]) -> tuple[str, str]:
    """Return the verdict and the reason for it."""
    gap = _gap(signatures)
    if gap == 0:
        return NEITHER, 'with stride 1 the alignments do not differ in x'
    x, y = offset.value
    if abs(y) > gap / 4:
        return NEITHER, (
            f'{y:+.3f} px in y, where a mirror changes nothing: are these '
            'the same images, mirrored left to right?'
        )
    known = {
        name + rounding: value + shift
        for rounding, shift in _ROUNDED.items()
        for name, value in signatures.items()
    }
    text = f'{x:.3f} px [{offset.low[0]:.3f}, {offset.high[0]:.3f}] in x'
    near = _nearest(known, x)
    for end in (offset.low[0], offset.high[0]):
        other = _nearest(known, end)
        if other != near:
            return NEITHER, (
                f'{text} does not tell {near} ({known[near]:.3f}) from '
                f'{other} ({known[other]:.3f}): more images may'
            )
    if abs(x - known[near]) > gap / 4:
        return NEITHER, (
            f'{text} is far from what theory says, '
            + ' and '.join(f'{value:.3f}' for value in signatures.values())
        )
    reason = f'{text} is nearest to {near}, {known[near]:.3f}'
    return (near if near in signatures else NEITHER), reason


def _of_memory(
    x: float, signatures: dict[str, float], memorised: dict[str, float]
) -> str:
    """Explain the offset of a network that has memorised the images."""
    gap = _gap(signatures)
    near = _nearest(memorised, x)
    if abs(x - memorised[near]) >= gap / 4:
        return ''
    return (
        f'; {near} gives {memorised[near]:.3f} on training images that the '
        'network has memorised'
    )


def _gap(signatures: dict[str, float]) -> float:
    """Return the distance of the alignments from each other in x."""
    return max(signatures.values()) - min(signatures.values())


def _nearest(known: dict[str, float], x: float) -> str:
    return min(known, key=lambda name: abs(known[name] - x))


def expected_offset(
    found: FlipOffset,
    input_size: Size,
    heatmap_size: Size,
    truth_alignment: str,
    flip_shift: float | None = None,
) -> np.ndarray | None:
    """Return the offset from the truth that the alignment alone explains.

    Args:
        found (FlipOffset): From :func:`find_alignment`.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        truth_alignment (str): How the truth came from input px to heatmap
            px, one of :data:`dark_codec.functional.ALIGNMENTS`.
        flip_shift (float, optional): Of predictions from means over a flip
            test: how far un-flipped maps were moved to the right, in heatmap
            px. None (the default) for plain predictions.

    Returns:
        np.ndarray | None: (x, y) in heatmap px, (2,); None if the verdict is
        'neither'.
    """
    if found.verdict == NEITHER:
        return None
    # half_pixel and align_corners agree in the middle of the map
    trained = _alignments_of(found.verdict, found.signatures)[0]
    offset = alignment_offset(
        input_size, heatmap_size, trained, truth_alignment
    )
    if flip_shift is not None:
        offset[0] += (flip_shift - found.signatures[found.verdict]) / 2
    return offset


def contradiction(found: FlipOffset, alignment: str) -> str:
    """Return a warning if a config's alignment does not fit.

    Args:
        found (FlipOffset): From :func:`find_alignment`.
        alignment (str): The config's.

    Returns:
        str: Empty if the predictions do not contradict it, or come from
        less than 20 images.
    """
    if len(found.signatures) == 1 or found.images < _MIN_IMAGES:
        return ''
    configured = alignment if alignment in found.signatures else CONSISTENT
    if found.verdict == configured:
        return ''
    if found.verdict == NEITHER:
        if _agrees(found, configured):
            return ''
        return (
            f"the config says alignment='{alignment}'; the heatmaps match "
            f'no alignment: {found.reason}'
        )
    meant = ' or '.join(
        map(repr, _alignments_of(found.verdict, found.signatures))
    )
    return (
        f"the config says alignment='{alignment}', but the heatmaps match "
        f'{meant}: {found.reason}. Decode with the alignment that the network '
        'was trained with'
    )


def _agrees(found: FlipOffset, name: str) -> bool:
    """Return whether the offset may be an alignment's, memorised or not."""
    gap = _gap(found.signatures)
    (low, low_y), (high, high_y) = found.offset.low, found.offset.high
    return max(low_y, -high_y) <= gap / 4 and any(
        low - gap / 4 < theory[name] < high + gap / 4
        for theory in (found.signatures, found.memorised)
    )
