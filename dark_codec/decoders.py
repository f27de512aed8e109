"""Decoders: heatmaps to keypoints in heatmap px.

Each is an ``nn.Module`` without parameters that maps (B, K, H, W) heatmaps
to :class:`Decoded`, and so also the unit that is exported.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
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
from .functional._backend import (
    PIECE,
    Array,
    completed,
    host_array,
    namespace,
    pairs,
    quiet,
    select,
    table_like,
    zeros_like,
)
from .functional.host import decode_peaks
from .functional.peaks import map_middle
from .modulations import GaussianModulation
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

    def as_tensors(self, shape: tuple[int, ...]) -> Decoded:
        """Tensors of shape (B, K, ...) from arrays or tensors (B * K, ...)."""
        parts: Any = [
            None
            if part is None
            else torch.as_tensor(part).reshape(*shape, *part.shape[1:])
            for part in self
        ]
        return Decoded(*parts)


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

    def refine(self, heatmaps: Array, peaks: Peaks) -> Refinement:
        """Refine the peaks of flattened heatmaps.

        Args:
            heatmaps (Array): Shape (M, H, W).
            peaks (Peaks): The maxima of the heatmaps.

        Returns:
            Refinement: One for each heatmap.
        """
        raise NotImplementedError

    def decode_maps(self, heatmaps: Array) -> Decoded:
        """Decode flattened heatmaps, arrays or tensors.

        Args:
            heatmaps (Array): Shape (M, H, W).

        Returns:
            Decoded: Of the same kind as the heatmaps, with (M, ...) for
            (B, K, ...).
        """
        height, width = heatmaps.shape[1:]
        peaks = find_peaks(heatmaps)
        with quiet(heatmaps):
            offset, solved, covariance = self.refine(heatmaps, peaks)
        refined = solved & peaks.valid
        if covariance is not None:
            covariance = unknown_where(covariance, refined)
        points = pairs(peaks.x, peaks.y) + offset
        middle = table_like(points, map_middle, width, height)
        points = select(peaks.valid, points, middle)
        return Decoded(points, peaks.score, refined, covariance)

    def forward(self, heatmaps: Tensor) -> Decoded:
        """Decode heatmaps.

        Args:
            heatmaps (Tensor): Shape (B, K, H, W), any floating dtype.

        Returns:
            Decoded: Points in heatmap px, scores, and what was refined.

        Raises:
            TypeError: If the heatmaps are no floating-point tensor.
            ValueError: If they have another number of dimensions.
        """
        decoded = self.decode_maps(flatten_maps(heatmaps))
        return decoded.as_tensors(heatmaps.shape[:2])


def flatten_maps(heatmaps: Tensor) -> Array:
    """Check heatmaps, and flatten them: an array on the host.

    Args:
        heatmaps (Tensor): Shape (B, K, H, W), any floating dtype.

    Returns:
        Array: Shape (B * K, H, W).

    Raises:
        TypeError: If the heatmaps are no floating-point tensor.
        ValueError: If they have another number of dimensions.
    """
    maps: Any = host_array(heatmaps)
    if maps is None:
        is_tensor = isinstance(heatmaps, Tensor)
        if not (is_tensor and heatmaps.is_floating_point()):
            kind = getattr(heatmaps, 'dtype', type(heatmaps).__name__)
            raise TypeError(
                f'heatmaps must be a floating-point tensor, got {kind}'
            )
        maps = heatmaps.detach()
        if maps.dtype == torch.float64:
            # as arrays are: finer differences must not move the arg max
            maps = maps.to(torch.float32)
    if maps.ndim != 4:
        raise ValueError(
            f'heatmaps must have shape (B, K, H, W), got {tuple(maps.shape)}'
        )
    batch, keypoints, height, width = maps.shape
    return maps.reshape(batch * keypoints, height, width)


@DECODERS.register_module()
class ArgmaxDecoder(HeatmapDecoder):
    """The highest pixel itself: the paper's "no shifting"."""

    def refine(self, heatmaps: Array, peaks: Peaks) -> Refinement:
        """No offset at all."""
        return Refinement(
            zeros_like(heatmaps, (len(heatmaps), 2)), _everywhere(peaks)
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

    def refine(self, heatmaps: Array, peaks: Peaks) -> Refinement:
        """A quarter shift for each peak."""
        return Refinement(
            quarter_shift(heatmaps, peaks, self.variant), _everywhere(peaks)
        )


def _everywhere(peaks: Peaks) -> Array:
    """A mask (M,) that is True for all."""
    return namespace(peaks.valid).ones_like(peaks.valid)


def _checked_sigma(sigma: float | None, decoder: str) -> float:
    if sigma is None or not 0 < sigma < float('inf'):
        raise ValueError(
            f'{decoder} needs the sigma of the training targets, a positive '
            f'number of heatmap px, got {sigma!r}'
        )
    return float(sigma)


def _or_quarter_shift(
    refinement: Refinement, heatmaps: Array, peaks: Peaks
) -> Refinement:
    """Quarter shifts for peaks that a decoder's own rule cannot refine."""

    def shifts(rows: Any) -> Array:
        return quarter_shift(
            heatmaps[rows], Peaks(*(part[rows] for part in peaks))
        )

    offset = completed(refinement.solved, refinement.offset, shifts)
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
        self._smoothing_variance = 0.0
        if modulation is not None:
            self.modulation = build_part(
                MODULATIONS, modulation, 'modulation', sigma
            )
            self._smoothing_variance = kernel_variance(self.modulation.kernel)
        # what decode_peaks does; others may modulate as they like
        self._plain: Any = None
        if type(self.modulation) is GaussianModulation and not covariance:
            self._plain = self.modulation.kernel, self.modulation.rescale

    def decode_maps(self, heatmaps: Array) -> Decoded:
        """Decode as all decoders do, but faster on the host; args as there."""
        on_host = namespace(heatmaps) is np and len(heatmaps) > 0
        if not on_host or self._plain is None:
            return super().decode_maps(heatmaps)
        if len(heatmaps) <= PIECE:
            return self._decode_on_host(heatmaps)
        pieces = np.array_split(heatmaps, -(-len(heatmaps) // PIECE))
        parts: Any = [self._decode_on_host(piece)[:3] for piece in pieces]
        whole: list[Any] = [np.concatenate(same) for same in zip(*parts)]
        return Decoded(whole[0], whole[1], whole[2])

    def _decode_on_host(self, maps: np.ndarray) -> Decoded:
        kernel, rescale = self._plain
        with quiet(maps):
            found: Any = decode_peaks(maps, kernel, rescale, self.trust_radius)
        if found is None:
            return super().decode_maps(maps)
        points, scores = found
        refined: Any = np.ones(len(maps), bool)
        return Decoded(points, scores, refined)

    def refine(self, heatmaps: Array, peaks: Peaks) -> Refinement:
        """Taylor steps, and quarter shifts where there is none."""
        if self.modulation is None:
            stencil, fits = raw_stencil(heatmaps, peaks)
        else:
            stencil, fits = self.modulation.stencil(heatmaps, peaks), None
        derivatives = log_derivatives(stencil)
        step, solved = newton_step(derivatives)
        if fits is not None:
            solved = solved & fits
        offset = limit_step(step, self.trust_radius)
        covariance = None
        if self.covariance:
            variance = self._smoothing_variance
            covariance = spread(derivatives, variance, variance)
        return _or_quarter_shift(
            Refinement(offset, solved, covariance), heatmaps, peaks
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

    def refine(self, heatmaps: Array, peaks: Peaks) -> Refinement:
        """Fitted centres, and quarter shifts where nothing fits."""
        refinement = Refinement(
            *fit_gaussian(heatmaps, peaks, self.sigma, self.covariance)
        )
        return _or_quarter_shift(refinement, heatmaps, peaks)
