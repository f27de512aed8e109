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
    fit_gaussian,
    kernel_variance,
    limit_step,
    log_derivatives,
    newton_step,
    quarter_shift,
    raw_stencil,
    spread,
    unknown_where,
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
        covariance (Tensor, optional): How far the heatmaps spread round the
            keypoints in heatmap px^2, (B, K, 2, 2), x first, float32, for
            decoders built with ``covariance=True``. Infinite variances where
            the keypoint is not refined.
    """

    points: Tensor
    scores: Tensor
    refined: Tensor
    covariance: Tensor | None = None


class Refinement(NamedTuple):
    """Sub-pixel positions of M peaks.

    Attributes:
        offset (Tensor): From the peak, (x, y) in heatmap px, (M, 2).
        solved (Tensor): Where the decoder's rule applied, (M,), bool.
        covariance (Tensor, optional): (M, 2, 2) in heatmap px^2.
    """

    offset: Tensor
    solved: Tensor
    covariance: Tensor | None = None


class HeatmapDecoder(nn.Module):
    """Base of the decoders: finds peaks, and asks for their refinement."""

    # a codec gives its own sigma to decoders that use one and have none
    uses_sigma = False

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Refine the peaks of flattened heatmaps.

        Args:
            heatmaps (Tensor): Shape (M, H, W).
            peaks (Peaks): The maxima of the heatmaps.

        Returns:
            Refinement: One for each heatmap.
        """
        raise NotImplementedError

    def forward(self, heatmaps: Tensor) -> Decoded:
        """Decode heatmaps.

        Args:
            heatmaps (Tensor): Shape (B, K, H, W), any floating dtype.

        Returns:
            Decoded: Points in heatmap px, scores, and what was refined.

        Raises:
            ValueError: If the heatmaps have another number of dimensions.
            TypeError: If their dtype is no floating one.
        """
        if heatmaps.ndim != 4:
            raise ValueError(
                'heatmaps must have shape (B, K, H, W), got '
                f'{tuple(heatmaps.shape)}'
            )
        if not heatmaps.is_floating_point():
            raise TypeError(
                f'heatmaps must have a floating dtype, got {heatmaps.dtype}'
            )
        batch, keypoints, height, width = heatmaps.shape
        shape = (batch, keypoints)
        maps = heatmaps.reshape(batch * keypoints, height, width)
        peaks = find_peaks(maps)
        offset, solved, covariance = self.refine(maps, peaks)
        refined = solved & peaks.valid
        if covariance is not None:
            covariance = unknown_where(covariance, refined)
            covariance = covariance.view(*shape, 2, 2)
        middle = ((width - 1) / 2, (height - 1) / 2)
        points = torch.stack(
            [
                torch.where(peaks.valid, peak + offset[:, axis], middle[axis])
                for axis, peak in enumerate((peaks.x, peaks.y))
            ],
            1,
        )
        return Decoded(
            points.view(*shape, 2),
            peaks.score.view(shape),
            refined.view(shape),
            covariance,
        )


@DECODERS.register_module()
class ArgmaxDecoder(HeatmapDecoder):
    """The highest pixel itself: the paper's "no shifting"."""

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """No offset at all."""
        return Refinement(
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

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """A quarter shift for each peak."""
        return Refinement(
            quarter_shift(heatmaps, peaks, self.variant),
            torch.ones_like(peaks.valid),
        )


def _checked_sigma(sigma: float | None, decoder: str) -> float:
    if sigma is None or not 0 < sigma < float('inf'):
        raise ValueError(
            f'{decoder} needs the sigma of the training targets, a positive '
            f'number of heatmap px, got {sigma!r}'
        )
    return float(sigma)


def _or_quarter_shift(
    refinement: Refinement, heatmaps: Tensor, peaks: Peaks
) -> Refinement:
    """Quarter shifts for peaks that a decoder's own rule cannot refine."""
    offset = torch.where(
        refinement.solved[:, None],
        refinement.offset,
        quarter_shift(heatmaps, peaks),
    )
    return refinement._replace(offset=offset)


@DECODERS.register_module()
class TaylorDecoder(HeatmapDecoder):
    """DARK's decoder: a Newton step on the log of the map, Eq. 3-11.

    The step is limited to a trust region of max(1, sigma) px. Where the map
    is no peak in the sense of the method (its log is not negative definite
    or not finite), the keypoint is decoded by the quarter shift and not
    marked as refined.

    Args:
        modulation (str | dict, optional): A registered modulation; ``None``
            decodes the map as it is, and peaks nearer than 2 px to the
            border by the quarter shift. Defaults to ``'GaussianModulation'``.
        sigma (float, optional): Standard deviation of the training targets
            in heatmap px. Within a codec it defaults to the codec's.
        covariance (bool): Whether to return covariances: -D''^-1 less the
            modulation kernel's second moment, exact for Gaussians farther
            than the kernel from the border. Defaults to False.
    """

    uses_sigma = True

    def __init__(
        self,
        modulation: str | dict | None = 'GaussianModulation',
        sigma: float | None = None,
        covariance: bool = False,
    ) -> None:
        super().__init__()
        sigma = _checked_sigma(sigma, 'TaylorDecoder')
        self.trust_radius = max(1.0, sigma)
        self.covariance = covariance
        self.modulation = None
        if modulation is not None:
            self.modulation = build_part(
                MODULATIONS, modulation, 'modulation', sigma
            )

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Taylor steps, and quarter shifts where there is none."""
        if self.modulation is None:
            stencil, fits = raw_stencil(heatmaps, peaks)
            smoothing = 0.0
        else:
            stencil = self.modulation.stencil(heatmaps, peaks)
            fits = torch.ones_like(peaks.valid)
            smoothing = kernel_variance(self.modulation.kernel)
        derivatives = log_derivatives(stencil)
        step, solved = newton_step(derivatives)
        offset = limit_step(step, self.trust_radius)
        covariance = None
        if self.covariance:
            covariance = spread(derivatives, smoothing, smoothing)
        return _or_quarter_shift(
            Refinement(offset, solved & fits, covariance), heatmaps, peaks
        )


@DECODERS.register_module()
class GaussianFitDecoder(HeatmapDecoder):
    """Maximum-likelihood fit of the training Gaussian, border-aware.

    Goes beyond the paper: equals the Taylor decoder's limit where a peak
    lies inside the map, and is exact where the border cuts it off; see
    :mod:`dark_codec.functional.fit`. Peaks that no Gaussian fits are decoded
    by the quarter shift and not marked as refined.

    Args:
        sigma (float, optional): Standard deviation of the training targets
            in heatmap px. Within a codec it defaults to the codec's.
        covariance (bool): Whether to return covariances. Defaults to False.
    """

    uses_sigma = True

    def __init__(
        self, sigma: float | None = None, covariance: bool = False
    ) -> None:
        super().__init__()
        self.sigma = _checked_sigma(sigma, 'GaussianFitDecoder')
        self.covariance = covariance

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Fitted centres, and quarter shifts where nothing fits."""
        refinement = Refinement(
            *fit_gaussian(heatmaps, peaks, self.sigma, self.covariance)
        )
        return _or_quarter_shift(refinement, heatmaps, peaks)
