"""Decoders: heatmaps to keypoints in heatmap px.

Each is an ``nn.Module`` without parameters that maps (B, K, H, W) heatmaps
to :class:`Decoded`, and so also the unit that is exported.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import kernels
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
from .functional.fit import window_radius
from .functional.modulate import STENCIL_RADIUS
from .kernels import Recipe
from .modulations import GaussianModulation
from .registry import DECODERS, MODULATIONS, build_part


class Decoded(NamedTuple):
    """Keypoints decoded from (B, K, H, W) heatmaps.

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

    @classmethod
    def from_table(cls, table: Tensor, shape: tuple[int, int]) -> Decoded:
        """Unpack a table of :meth:`HeatmapDecoder.decode_table`.

        Args:
            table (Tensor): Shape (B * K, 4) or (B * K, 8), float32.
            shape (tuple[int, int]): B and K.

        Returns:
            Decoded: Views of the table, but for ``refined``.
        """
        rows = table.view(*shape, table.shape[1])
        covariance = None
        if rows.shape[2] > 4:
            covariance = rows[..., 4:].unflatten(2, (2, 2))
        return cls(rows[..., :2], rows[..., 2], rows[..., 3] > 0, covariance)

    def to_table(self) -> Tensor:
        """Pack all into one table, (B * K, 4 or 8): inverts `from_table`."""
        parts = [
            self.points.flatten(0, -2),
            self.scores.reshape(-1, 1),
            self.refined.reshape(-1, 1),
        ]
        if self.covariance is not None:
            parts.append(self.covariance.reshape(-1, 4))
        return torch.cat(parts, 1)


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
    """Base class of decoders: finds peaks, and calls :meth:`refine`.

    Attributes:
        uses_sigma (bool): Whether a codec passes its sigma to the constructor
            where the config has none.
        reach (int, optional): Distance from the highest pixel that the
            decoder reads, in heatmap px; None for the whole map.
    """

    uses_sigma = False
    reach: int | None = None

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Refine the peaks of flattened heatmaps.

        Args:
            heatmaps (Tensor): Shape (M, H, W).
            peaks (Peaks): The maxima of the heatmaps.

        Returns:
            Refinement: One for each heatmap.
        """
        raise NotImplementedError

    @property
    def recipe(self) -> Recipe | None:
        """Parameters of a fused kernel that decodes as this decoder does.

        None where there is no such kernel, as for decoders of users:
        :meth:`decode_maps` decodes.
        """
        return None

    def decode_maps(self, heatmaps: Tensor) -> Decoded:
        """Decode flattened heatmaps by the functions of the paper.

        Reference for the kernels, and used where there is none.

        Args:
            heatmaps (Tensor): Shape (M, H, W), any floating dtype.

        Returns:
            Decoded: With (M, ...) for (B, K, ...).
        """
        height, width = heatmaps.shape[1:]
        peaks = find_peaks(heatmaps)
        offset, solved, covariance = self.refine(heatmaps, peaks)
        refined = solved & peaks.valid
        if covariance is not None:
            covariance = unknown_where(covariance, refined)
        x = torch.where(peaks.valid, peaks.x + offset[:, 0], (width - 1) / 2)
        y = torch.where(peaks.valid, peaks.y + offset[:, 1], (height - 1) / 2)
        points = torch.stack([x, y], 1)
        return Decoded(points, peaks.score, refined, covariance)

    def decode_table(self, heatmaps: Tensor) -> Tensor:
        """Decode heatmaps into one table: one copy takes it to the host.

        Args:
            heatmaps (Tensor): As in :meth:`forward`, which see for errors.

        Returns:
            Tensor: Shape (B * K, 4), float32, on the heatmaps' device. The
            columns are x, y (heatmap px), score and refined (0 or 1); with
            covariances (B * K, 8), followed by xx, xy, yx, yy (heatmap px^2).
        """
        check_heatmaps(heatmaps)
        if heatmaps.requires_grad:
            heatmaps = heatmaps.detach()
        if heatmaps.dtype == torch.float64:
            # the argmax must not depend on digits that float32 lacks
            heatmaps = heatmaps.to(torch.float32)
        recipe = self.recipe
        kernel = kernels.pick(heatmaps) if recipe is not None else None
        if recipe is not None and kernel is not None:
            return kernel(heatmaps, recipe)
        return self.decode_maps(heatmaps.flatten(0, 1)).to_table()

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
        table = self.decode_table(heatmaps)
        return Decoded.from_table(
            table, (heatmaps.shape[0], heatmaps.shape[1])
        )


def check_heatmaps(heatmaps: Tensor) -> None:
    """Check the type and shape of heatmaps.

    Args:
        heatmaps (Tensor): Shape (B, K, H, W), any floating dtype.

    Raises:
        TypeError: If the heatmaps are no floating-point tensor.
        ValueError: If they have another number of dimensions.
    """
    if not (isinstance(heatmaps, Tensor) and heatmaps.is_floating_point()):
        kind = getattr(heatmaps, 'dtype', type(heatmaps).__name__)
        raise TypeError(
            f'heatmaps must be a floating-point tensor, got {kind}'
        )
    if heatmaps.ndim != 4:
        raise ValueError(
            'heatmaps must have shape (B, K, H, W), got '
            f'{tuple(heatmaps.shape)}'
        )


@DECODERS.register_module()
class ArgmaxDecoder(HeatmapDecoder):
    """Decode to the highest pixel: the paper's "no shifting"."""

    reach = 0

    @property
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

    @property
    def recipe(self) -> Recipe | None:
        """Parameters of the kernel; None for subclasses and 'second'."""
        known = type(self) is QuarterShiftDecoder and self.variant == 'sign'
        return Recipe('sign') if known else None

    def refine(self, heatmaps: Tensor, peaks: Peaks) -> Refinement:
        """Return quarter shifts."""
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
        sigma = _checked_sigma(sigma, 'TaylorDecoder')
        self.trust_radius = max(1.0, sigma)
        self.covariance = covariance
        self.modulation = None
        self.reach = STENCIL_RADIUS
        self._smoothing_variance = 0.0
        if modulation is not None:
            self.modulation = build_part(
                MODULATIONS, modulation, 'modulation', sigma
            )
            self.reach = getattr(self.modulation, 'reach', None)
            self._smoothing_variance = kernel_variance(self.modulation.kernel)

    @property
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
        self.sigma = _checked_sigma(sigma, 'GaussianFitDecoder')
        self.covariance = covariance
        self.reach = window_radius(self.sigma)

    @property
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
