"""Decoders, their errors on real heatmaps, and scores with intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from mmpose.codecs.utils import get_heatmap_maximum, refine_keypoints_dark
from torch import Tensor

from dark_codec import (
    ArgmaxDecoder,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)
from dark_codec.analysis.bootstrap import Estimate, bootstrap_mean
from dark_codec.functional import kernel_variance
from projects.shared_data import Maps

# fractions of the torso
THRESHOLDS = (0.2, 0.1, 0.05)
KERNEL_SIZES = range(3, 18, 2)
WIDTHS = tuple(1 + 0.25 * i for i in range(9))

BASELINE = 'DARK as in MMPose'
DEFAULT = 'DARK, Eq. 10-11 (default)'
FIT = 'Gaussian fit'
MMPOSE = "MMPose's own code"

Decode = Callable[[Tensor], np.ndarray]


class Scores(NamedTuple):
    """Scores of a decoder on one set of maps.

    Attributes:
        offset (np.ndarray): What was removed: the median of prediction -
            truth over all keypoints, (x, y) in heatmap px.
        errors (np.ndarray): Predictions - truth - offset in heatmap px,
            (I, K, 2).
        per_image (np.ndarray): PCK in % at each of :data:`THRESHOLDS`, then
            the mean error in heatmap px, (I, 4).
    """

    offset: np.ndarray
    errors: np.ndarray
    per_image: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Lengths of the errors in heatmap px, (I, K)."""
        return np.linalg.norm(self.errors, axis=-1)

    def against(self, baseline: Scores) -> Estimate:
        """Paired differences of ``per_image``, each (4,)."""
        return bootstrap_mean(self.per_image - baseline.per_image)


def score(
    points: np.ndarray, maps: Maps, offset: np.ndarray | None = None
) -> Scores:
    """Score keypoints (I, K, 2), after their constant offset is removed.

    Args:
        points: In heatmap px.
        maps: What they were decoded from.
        offset: The constant offset; the median by default.
    """
    errors = points - maps.truth
    if offset is None:
        offset = np.median(errors, (0, 1))
    errors = errors - offset
    distance = np.linalg.norm(errors, axis=-1)
    hits = [
        100 * (distance < share * maps.torso[:, None]).mean(1)
        for share in THRESHOLDS
    ]
    per_image = np.stack([*hits, distance.mean(1)], 1)
    return Scores(offset, errors, per_image)


def taylor(
    train_sigma: float, covariance: bool = False, **modulation: object
) -> TaylorDecoder:
    """A Taylor decoder with a Gaussian modulation of these arguments."""
    return TaylorDecoder(
        dict(type='GaussianModulation', **modulation),
        sigma=train_sigma,
        covariance=covariance,
    )


def decode(decoder: torch.nn.Module, heatmaps: Tensor) -> np.ndarray:
    """Keypoints (I, K, 2) in heatmap px."""
    return decoder(heatmaps).points.numpy()


def decode_by_mmpose(heatmaps: Tensor, kernel_size: int) -> np.ndarray:
    """Return the same by the functions that MMPose's MSRAHeatmap calls."""
    points = []
    for sample in heatmaps.numpy():
        peaks, _ = get_heatmap_maximum(sample)
        # both arguments are changed in place
        points += list(
            refine_keypoints_dark(peaks[None], sample.copy(), kernel_size)
        )
    return np.stack(points)


def main_decoders(sigma: float, kernel_size: int) -> dict[str, Decode]:
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
        'DARK, Eq. 10, maximum rescaled': taylor(sigma, rescale='max'),
        DEFAULT: taylor(sigma),
        FIT: GaussianFitDecoder(sigma),
    }
    decoders = {
        name: lambda heatmaps, module=module: decode(module, heatmaps)
        for name, module in modules.items()
    }
    decoders[MMPOSE] = lambda heatmaps: decode_by_mmpose(heatmaps, kernel_size)
    return decoders


class Swept(NamedTuple):
    """A decoder of the sweep over kernels."""

    family: str
    kernel: str
    # root of the kernel's second moment in heatmap px; the fit's sigma
    width: float
    decoder: torch.nn.Module


def swept_decoders(sigma: float) -> list[Swept]:
    """Every kernel and width, for maps trained with this sigma."""
    swept = []
    for rescale in ('max', 'minmax'):
        family = f'Taylor, {rescale}'
        kernels = [
            (f'OpenCV {size}', dict(kernel_size=size)) for size in KERNEL_SIZES
        ]
        kernels += [
            (f'sigma {width:g}', dict(sigma=width)) for width in WIDTHS
        ]
        for name, kernel in kernels:
            module = taylor(sigma, **kernel, rescale=rescale)
            width = kernel_variance(module.modulation.kernel) ** 0.5
            swept.append(Swept(family, name, width, module))
    for width in WIDTHS:
        fit = GaussianFitDecoder(width)
        swept.append(Swept('fit', f'sigma {width:g}', width, fit))
    return swept
