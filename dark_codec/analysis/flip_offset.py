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

    @property
    def gap(self) -> float:
        """Distance of the alignments from each other in x."""
        values = self.signatures.values()
        return max(values) - min(values)

    def alignments(self) -> list[str]:
        """Return the names of the alignments that the verdict stands for."""
        if self.verdict != CONSISTENT:
            return [self.verdict]
        return [name for name in ALIGNMENTS if name not in self.signatures]


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
    signatures = {}
    for name in ALIGNMENTS:
        x = get_alignment(name).flip_gap(input_size[0], heatmap_size[0])
        signatures[name if x else CONSISTENT] = x
    one_pixel = heatmap_size[0] / input_size[0]
    memorised = {name: x + one_pixel for name, x in signatures.items()}
    found = FlipOffset(
        offset,
        robust_std(apart, offset.value),
        signatures,
        NEITHER,
        '',
        memorised,
        len(images),
    )
    verdict, reason = _judge(found)
    return found._replace(verdict=verdict, reason=reason)


def _judge(found: FlipOffset) -> tuple[str, str]:
    """Return the verdict and the reason for it."""
    gap = found.gap
    if gap == 0:
        return NEITHER, 'with stride 1 the alignments do not differ in x'
    (x, y), low, high = found.offset.value, found.offset.low, found.offset.high
    if abs(y) > gap / 4:
        return NEITHER, (
            f'{y:+.3f} px in y, where a mirror changes nothing: are these '
            'the same images, mirrored left to right?'
        )
    known = {
        name + rounding: value + shift
        for rounding, shift in _ROUNDED.items()
        for name, value in found.signatures.items()
    }
    text = f'{x:.3f} px [{low[0]:.3f}, {high[0]:.3f}] in x'
    near, *ends = (_nearest(known, place) for place in (x, low[0], high[0]))
    other = next((end for end in ends if end != near), None)
    if other is not None:
        reason = (
            f'{text} does not tell {near} ({known[near]:.3f}) from '
            f'{other} ({known[other]:.3f}): more images may'
        )
    elif abs(x - known[near]) > gap / 4:
        values = [f'{value:.3f}' for value in found.signatures.values()]
        reason = f'{text} is far from what theory says, ' + ' and '.join(
            values
        )
    else:
        reason = f'{text} is nearest to {near}, {known[near]:.3f}'
        if near in found.signatures:
            return near, reason
    learnt = _nearest(found.memorised, x)
    if abs(x - found.memorised[learnt]) < gap / 4:
        reason += (
            f'; {learnt} gives {found.memorised[learnt]:.3f} on training '
            'images that the network has memorised'
        )
    return NEITHER, reason


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
    middle = (torch.tensor(input_size) - 1) / 2
    trained, truth = (
        input_to_heatmap(middle, input_size, heatmap_size, alignment).numpy()
        for alignment in (found.alignments()[0], truth_alignment)
    )
    offset = trained - truth
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
        # the interval may reach an alignment's value, memorised or not
        reach = found.gap / 4
        (low, low_y), (high, high_y) = found.offset.low, found.offset.high
        if max(low_y, -high_y) <= reach and any(
            low - reach < theory[configured] < high + reach
            for theory in (found.signatures, found.memorised)
        ):
            return ''
        return (
            f"the config says alignment='{alignment}'; the heatmaps match "
            f'no alignment: {found.reason}'
        )
    meant = ' or '.join(map(repr, found.alignments()))
    return (
        f"the config says alignment='{alignment}', but the heatmaps match "
        f'{meant}: {found.reason}. Decode with the alignment that the network '
        'was trained with'
    )
