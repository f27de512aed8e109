"""Decoders: heatmaps to keypoints in heatmap px.

Each is an ``nn.Module`` without parameters that maps (B, K, H, W) heatmaps
to :class:`Decoded`, and so also the unit that is exported.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .functional import (
    SHIFTS,
    Peaks,
    find_peaks,
    limit_step,
    quarter_shift,
    raw_stencil,
    taylor_step,
)
from .registry import DECODERS, MODULATIONS, build_part


class Decoded(NamedTuple):
    """What a decoder found in (B, K, H, W) heatmaps.

    Attributes:
        points (Tensor): Keypoints (x, y) in heatmap px, (B, K, 2), float32;
            the middle of the map where nothing could be located.
        scores (Tensor): Heatmap values at the maxima, (B, K), float32; 0
            where nothing could be located.
        refined (Tensor): Whether the decoder's own sub-pixel rule applied,
            (B, K), bool.
    """

    points: Tensor
    scores: Tensor
    refined: Tensor


class HeatmapDecoder(nn.Module):
    """Base of the decoders: finds peaks, and asks for sub-pixel offsets."""

    # a codec gives its own sigma to decoders that use one and have none
    uses_sigma = False

    def offsets(self, heatmaps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
        """Sub-pixel offsets of peaks in flattened heatmaps.

        Args:
            heatmaps (Tensor): Shape (M, H, W).
            peaks (Peaks): The maxima of the heatmaps.

        Returns:
            tuple[Tensor, Tensor]: Offsets (x, y) in heatmap px, (M, 2), and
            a mask (M,) of the peaks to which the decoder's rule applied.
        """
        raise NotImplementedError

    def forward(self, heatmaps: Tensor) -> Decoded:
        """Decode heatmaps.

        Args:
            heatmaps (Tensor): Shape (B, K, H, W), any floating dtype.

        Returns:
            Decoded: Points in heatmap px, scores, and what was refined.
        """
        batch, keypoints, height, width = heatmaps.shape
        maps = heatmaps.reshape(batch * keypoints, height, width)
        peaks = find_peaks(maps)
        offsets, refined = self.offsets(maps, peaks)
        points = torch.stack([peaks.x, peaks.y], 1) + offsets
        valid = peaks.valid
        points = torch.stack(
            [
                torch.where(valid, points[:, 0], (width - 1) / 2),
                torch.where(valid, points[:, 1], (height - 1) / 2),
            ],
            1,
        )
        shape = (batch, keypoints)
        return Decoded(
            points.view(*shape, 2),
            peaks.score.view(shape),
            (refined & valid).view(shape),
        )


@DECODERS.register_module()
class ArgmaxDecoder(HeatmapDecoder):
    """The highest pixel itself: the paper's "no shifting"."""

    def offsets(self, heatmaps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
        """No offsets at all."""
        return (
            torch.zeros(len(heatmaps), 2, device=heatmaps.device),
            torch.ones_like(peaks.valid),
        )


@DECODERS.register_module()
class QuarterShiftDecoder(HeatmapDecoder):
    """The paper's "standard shifting", Eq. 1.

    Args:
        variant (str): ``'sign'``, what HRNet and MMPose compute, or
            ``'second'``, Eq. 1 to the letter; see
            :func:`dark_codec.functional.quarter_shift`. Defaults to
            ``'sign'``.
    """

    def __init__(self, variant: str = 'sign') -> None:
        super().__init__()
        if variant not in SHIFTS:
            raise ValueError(
                f'variant must be one of {list(SHIFTS)}, got {variant!r}'
            )
        self.variant = variant

    def offsets(self, heatmaps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
        """Quarter shifts."""
        return (
            quarter_shift(heatmaps, peaks, self.variant),
            torch.ones_like(peaks.valid),
        )


@DECODERS.register_module()
class TaylorDecoder(HeatmapDecoder):
    """DARK's decoder: a Newton step on the log of the map, Eq. 3-11.

    The step is limited to a trust region of max(1, sigma) px. Where the map
    is no peak in the sense of the method (its log is not negative definite
    or not finite), the keypoint is decoded by the quarter shift and not
    marked as refined.

    Args:
        modulation (str | dict, optional): A registered modulation; ``None``
            decodes the map as it is. Defaults to ``'GaussianModulation'``.
        sigma (float, optional): Standard deviation of the training targets
            in heatmap px. Within a codec it defaults to the codec's.
    """

    uses_sigma = True

    def __init__(
        self,
        modulation: str | dict | None = 'GaussianModulation',
        sigma: float | None = None,
    ) -> None:
        super().__init__()
        if sigma is None or not sigma > 0:
            raise ValueError(
                'TaylorDecoder needs the sigma of the training '
                f'targets, a positive number, got {sigma}'
            )
        self.trust_radius = max(1.0, float(sigma))
        self.modulation = None
        if modulation is not None:
            self.modulation = build_part(
                MODULATIONS, modulation, 'modulation', sigma
            )

    def offsets(self, heatmaps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
        """Taylor steps, and quarter shifts where there is none."""
        if self.modulation is None:
            stencil, moved, fits = raw_stencil(heatmaps, peaks)
            step, solved = taylor_step(stencil)
            step, solved = moved + step, solved & fits
        else:
            step, solved = taylor_step(
                self.modulation.stencil(heatmaps, peaks)
            )
        step = limit_step(step, self.trust_radius)
        shift = quarter_shift(heatmaps, peaks)
        return torch.where(solved[:, None], step, shift), solved
