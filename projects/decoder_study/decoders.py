"""The decoders that the study compares, and MMPose's own code."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mmpose.codecs.utils import get_heatmap_maximum, refine_keypoints_dark
from torch import Tensor

from dark_codec import (
    ArgmaxDecoder,
    GaussianFitDecoder,
    HeatmapDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)

BASELINE = 'DARK as in MMPose'
MAX = 'DARK, Eq. 10, maximum rescaled'
DEFAULT = 'DARK, Eq. 10-11 (default)'
FIT = 'Gaussian fit'
MMPOSE = "MMPose's own code"

# heatmaps (I, K, H, W) to keypoints (I, K, 2) in heatmap px
Decode = Callable[[Tensor], np.ndarray]


def taylor(
    train_sigma: float, covariance: bool = False, **modulation: object
) -> TaylorDecoder:
    """A Taylor decoder with a Gaussian modulation of these arguments."""
    return TaylorDecoder(
        dict(type='GaussianModulation', **modulation),
        sigma=train_sigma,
        covariance=covariance,
    )


def points_by(decoder: HeatmapDecoder) -> Decode:
    """Take the keypoints only of what a decoder gives."""
    return lambda heatmaps: decoder(heatmaps).points.numpy()


def points_by_mmpose(kernel_size: int) -> Decode:
    """The functions that MMPose's MSRAHeatmap calls."""

    def decode(heatmaps: Tensor) -> np.ndarray:
        points = []
        for sample in heatmaps.numpy():
            peaks, _ = get_heatmap_maximum(sample)
            # both arguments are changed in place
            points += list(
                refine_keypoints_dark(peaks[None], sample.copy(), kernel_size)
            )
        return np.stack(points)

    return decode


def decoders(sigma: float, kernel_size: int) -> dict[str, Decode]:
    """The decoders that users choose from, by name.

    Args:
        sigma: Of the training targets in heatmap px.
        kernel_size: What MMPose sets for them.
    """
    modules = {
        BASELINE: taylor(sigma, kernel_size=kernel_size, rescale='max'),
        'argmax': ArgmaxDecoder(),
        'quarter shift': QuarterShiftDecoder(),
        'quarter shift, Eq. 1 literally': QuarterShiftDecoder('second'),
        'DARK without modulation': TaylorDecoder(None, sigma=sigma),
        MAX: taylor(sigma, rescale='max'),
        DEFAULT: taylor(sigma),
        FIT: GaussianFitDecoder(sigma),
    }
    return {
        **{name: points_by(module) for name, module in modules.items()},
        MMPOSE: points_by_mmpose(kernel_size),
    }
