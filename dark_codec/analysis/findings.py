"""Predictions to diagnose, and what a diagnosis finds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .diagnosis import Diagnosis, Keypoints, diagnose
from .flip_offset import (
    FlipOffset,
    contradiction,
    expected_offset,
    find_alignment,
)

# of a hit, as a share of the person's size: as PCK has it with either
RADII = dict(torso=0.2, box=0.05)


class Case(NamedTuple):
    """Predictions with their labels and metadata.

    Attributes:
        name (str): Of the dump.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        image_ids (np.ndarray): The image of each person, (I,).
        keypoints (Keypoints, optional): With their truth, if there is one.
        truth_alignment (str): How it came from input px to heatmap px.
        size (str): What the hit radius is a share of, of :data:`RADII`.
        plain (np.ndarray, optional): Keypoints in heatmap px, (I, K, 2), of
            the images as they are, NaN where there is none.
        unflipped (np.ndarray, optional): Of the mirrored images.
        configured (str, optional): The config's alignment.
        flip_shift (float, optional): How far un-flipped maps were moved to
            the right before the mean that the keypoints come from, in
            heatmap px, less what the codec corrects; None for plain maps.
    """

    name: str
    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    image_ids: np.ndarray
    keypoints: Keypoints | None
    truth_alignment: str
    size: str
    plain: np.ndarray | None
    unflipped: np.ndarray | None
    configured: str | None = None
    flip_shift: float | None = None


class Findings(NamedTuple):
    """Results of a diagnosis.

    Attributes:
        case (Case): The diagnosed predictions.
        radius (float): Of a hit, as a share of the case's size.
        parts (Diagnosis, optional): Of the error, if there are labels.
        found (FlipOffset, optional): If there are un-flipped predictions.
        warning (str): Empty if the config's alignment is right.
        expected (np.ndarray, optional): Offset that the alignment explains,
            (x, y) in heatmap px.
    """

    case: Case
    radius: float
    parts: Diagnosis | None
    found: FlipOffset | None
    warning: str
    expected: np.ndarray | None


def examine(case: Case, radius: float | None = None) -> Findings:
    """Diagnose what the predictions allow.

    Args:
        case (Case): The predictions.
        radius (float, optional): Of a hit; by default that of :data:`RADII`.

    Raises:
        ValueError: If there are neither labels nor a flip test, or
            predictions and labels do not fit together.
    """
    if case.keypoints is None and case.unflipped is None:
        raise ValueError(
            'there are neither labels nor a flip test: nothing can be said. '
            'Dump again with model.test_cfg.flip_test=True'
        )
    radius = radius or RADII[case.size]
    parts = found = expected = None
    warning = ''
    sizes = (case.input_size, case.heatmap_size)
    if case.plain is not None and case.unflipped is not None:
        found = find_alignment(
            case.plain, case.unflipped, *sizes, case.image_ids
        )
        expected = expected_offset(
            found, *sizes, case.truth_alignment, case.flip_shift
        )
        if case.configured is not None:
            warning = contradiction(found, case.configured)
    if case.keypoints is not None:
        parts = diagnose(case.keypoints, *sizes, case.truth_alignment, radius)
    return Findings(case, radius, parts, found, warning, expected)
