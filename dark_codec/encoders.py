"""Encoders: keypoints in heatmap px to heatmaps.

An encoder is a callable that takes keypoints (x, y) in heatmap px,
(B, N, K, 2), their visibilities (B, N, K), the heatmap size (W, H) and the
codec's sigma in heatmap px, and returns heatmaps (B, K, H, W) and keypoint
weights (B, N, K), float32, on the device of the keypoints.
"""

from __future__ import annotations

from torch import Tensor

from .functional import QUANTISERS, encode_biased, encode_unbiased
from .functional.coords import Size
from .registry import ENCODERS


@ENCODERS.register_module()
class UnbiasedEncoder:
    """Gaussians centred at the keypoints themselves (Sec. 3.2)."""

    def __call__(
        self,
        points: Tensor,
        keypoints_visible: Tensor,
        heatmap_size: Size,
        sigma: float,
    ) -> tuple[Tensor, Tensor]:
        """See :func:`dark_codec.functional.encode_unbiased`."""
        return encode_unbiased(points, keypoints_visible, heatmap_size, sigma)


@ENCODERS.register_module()
class BiasedEncoder:
    """Gaussians centred at whole pixels, the paper's baseline (Eq. 13).

    Args:
        quantise (str): ``'floor'``, ``'ceil'`` or ``'round'`` (halves up, as
            MMPose's ``MSRAHeatmap``). Defaults to ``'round'``.
    """

    def __init__(self, quantise: str = 'round') -> None:
        if quantise not in QUANTISERS:
            raise ValueError(
                f'quantise must be one of {list(QUANTISERS)}, got {quantise!r}'
            )
        self.quantise = quantise

    def __call__(
        self,
        points: Tensor,
        keypoints_visible: Tensor,
        heatmap_size: Size,
        sigma: float,
    ) -> tuple[Tensor, Tensor]:
        """See :func:`dark_codec.functional.encode_biased`."""
        return encode_biased(
            points, keypoints_visible, heatmap_size, sigma, self.quantise
        )
