"""Errors of biased encoding: Eq. 13 of the paper."""

from __future__ import annotations

import numpy as np
import torch

from dark_codec import DARKCodec
from dark_codec.functional import (
    QUANTISERS,
    heatmap_to_input,
    input_to_heatmap,
)
from dark_codec.functional.encode import quantise_points


def quantisation_errors(
    points: np.ndarray, codec: DARKCodec
) -> dict[str, np.ndarray]:
    """Return the distances of quantised keypoints from the exact ones.

    Args:
        points (np.ndarray): Keypoints (x, y) in input px, (n, 2).
        codec (DARKCodec): Says how input px map to heatmap px.

    Returns:
        dict[str, np.ndarray]: Distances in input px, (n,), by quantiser.
    """
    frames = (codec.input_size, codec.heatmap_size, codec.alignment)
    exact = input_to_heatmap(torch.from_numpy(points), *frames)
    moved = {
        name: heatmap_to_input(quantise_points(exact, name), *frames)
        for name in QUANTISERS
    }
    return {
        name: np.linalg.norm(there.numpy() - points, axis=1)
        for name, there in moved.items()
    }


def median_keypoint(points: np.ndarray, codec: DARKCodec) -> np.ndarray:
    """Return the keypoint with the median error under floor.

    Args:
        points (np.ndarray): Keypoints (x, y) in input px, (n, 2).
        codec (DARKCodec): Says how input px map to heatmap px.

    Returns:
        np.ndarray: (x, y).
    """
    floor = quantisation_errors(points, codec)['floor']
    median = np.abs(floor - np.median(floor)).argmin()
    frames = (codec.input_size, codec.heatmap_size, codec.alignment)
    return input_to_heatmap(torch.from_numpy(points[median]), *frames).numpy()
