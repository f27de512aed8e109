"""The base class of decoders, and what they return.

A decoder maps (B, K, H, W) heatmaps to :class:`Decoded`. One of your own:
docs/extend.md.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from . import kernels
from .functional import Peaks, find_peaks, unknown_where
from .kernels import Recipe


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
            the keypoint is not refined. In a graph of ``torch.jit.trace``,
            which has no None, (0, 2, 2) for the other decoders.
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
        # not looked at while compiling, which knows no cached_property
        recipe = None if kernels.is_traced(heatmaps) else self.recipe
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
        decoded = Decoded.from_table(
            table, (heatmaps.shape[0], heatmaps.shape[1])
        )
        if decoded.covariance is None and _is_jit_traced():
            # None cannot be an output there
            decoded = decoded._replace(covariance=table.new_empty(0, 2, 2))
        return decoded


def _is_jit_traced() -> bool:
    """Return whether torch.jit.trace runs, but not for ONNX."""
    return torch.jit.is_tracing() and not torch.onnx.is_in_onnx_export()


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
