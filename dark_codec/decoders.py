"""Decoders: heatmaps to keypoints in heatmap px.

Each is an ``nn.Module`` without parameters that maps (B, K, H, W) heatmaps
to :class:`dark_codec.Decoded`, and so also the unit that is exported.
"""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from .checks import checked_flag, checked_sigma
from .functional import (
    SHIFTS,
    Peaks,
    fit_gaussian,
    kernel_variance,
    limit_step,
    log_derivatives,
    newton_step,
    quarter_shift,
    raw_stencil,
    spread,
)
from .functional.fit import window_radius
from .functional.modulate import STENCIL_RADIUS
from .heatmap_decoder import HeatmapDecoder, Refinement
from .kernels import Recipe
from .modulations import GaussianModulation
from .registry import DECODERS, MODULATIONS, build_part

_SIGMA_OF = "{}'s sigma, that of the training targets,"


@DECODERS.register_module()
class ArgmaxDecoder(HeatmapDecoder):
    """Decode to the highest pixel: the paper's "no shifting"."""

    reach = 0

    @cached_property
    def recipe(self) -> Recipe | None:
        """Parameters of the kernel; None for subclasses."""
        return Recipe('argmax') if type(self) is ArgmaxDecoder else None

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Return offsets of 0."""
        offset = torch.stack([peaks.score, peaks.score], 1) * 0
        return Refinement(offset, torch.ones_like(peaks.valid))


@DECODERS.register_module()
class QuarterShiftDecoder(HeatmapDecoder):
    """Shift by a quarter of a pixel: the paper's "standard shifting", Eq. 1.

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
        self.reach = 1 if variant == 'sign' else None

    @cached_property
    def recipe(self) -> Recipe | None:
        """Parameters of the kernel; None for subclasses."""
        known = type(self) is QuarterShiftDecoder
        return Recipe(self.variant) if known else None

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Return quarter shifts."""
        return Refinement(
            quarter_shift(heatmaps, peaks, self.variant),
            torch.ones_like(peaks.valid),
        )


def _or_quarter_shift(
    refinement: Refinement, heatmaps: Tensor, peaks: Peaks
) -> Refinement:
    """Use quarter shifts where the decoder's own rule does not apply."""
    shift = quarter_shift(heatmaps, peaks)
    offset = torch.where(refinement.solved[:, None], refinement.offset, shift)
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
        sigma = checked_sigma(sigma, _SIGMA_OF.format('TaylorDecoder'))
        self.trust_radius = max(1.0, sigma)
        self.covariance = checked_flag(covariance, 'covariance')
        self.modulation = None
        self.reach = STENCIL_RADIUS
        self._smoothing_variance = 0.0
        if modulation is not None:
            self.modulation = build_part(
                MODULATIONS, modulation, 'modulation', sigma
            )
            self.reach = getattr(self.modulation, 'reach', None)
            self._smoothing_variance = kernel_variance(self.modulation.kernel)

    @cached_property
    def recipe(self) -> Recipe | None:
        """Parameters of the kernel; None for parts that users wrote."""
        if type(self) is not TaylorDecoder:
            return None
        kernel, minmax = None, False
        if self.modulation is not None:
            if type(self.modulation) is not GaussianModulation:
                return None
            kernel = self.modulation.kernel
            minmax = self.modulation.rescale == 'minmax'
        return Recipe(
            'taylor',
            kernel=kernel,
            minmax=minmax,
            trust_radius=self.trust_radius,
            covariance=self.covariance,
        )

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Return Taylor steps, or quarter shifts where not solved."""
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
        self.sigma = checked_sigma(
            sigma, _SIGMA_OF.format('GaussianFitDecoder')
        )
        self.covariance = checked_flag(covariance, 'covariance')
        self.reach = window_radius(self.sigma)

    @cached_property
    def recipe(self) -> Recipe | None:
        """Parameters of the kernel; None for subclasses."""
        if type(self) is not GaussianFitDecoder:
            return None
        return Recipe(
            'fit',
            trust_radius=max(1.0, self.sigma),
            sigma=self.sigma,
            covariance=self.covariance,
        )

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Return fitted centres, or quarter shifts where not solved."""
        refinement = Refinement(
            *fit_gaussian(heatmaps, peaks, self.sigma, self.covariance)
        )
        return _or_quarter_shift(refinement, heatmaps, peaks)
