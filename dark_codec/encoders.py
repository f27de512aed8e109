"""Encoders: keypoints in heatmap px to heatmaps."""

from __future__ import annotations

from torch import Tensor

from .functional import QUANTISERS, encode_biased, encode_unbiased
from .functional.coords import Size
from .registry import ENCODERS


@ENCODERS.register_module()
class UnbiasedEncoder:
    """Gaussians centred at the keypoints themselves (Sec. 3.2)."""

    def __call__(
        self, points: Tensor, visible: Tensor, heatmap_size: Size, sigma: float
    ) -> tuple[Tensor, Tensor]:
        """See :func:`dark_codec.functional.encode_unbiased`."""
        return encode_unbiased(points, visible, heatmap_size, sigma)


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
        self, points: Tensor, visible: Tensor, heatmap_size: Size, sigma: float
    ) -> tuple[Tensor, Tensor]:
        """See :func:`dark_codec.functional.encode_biased`."""
        return encode_biased(
            points, visible, heatmap_size, sigma, self.quantise
        )
