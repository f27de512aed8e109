"""Modulations: smoothing of a heatmap before the Taylor step."""

from __future__ import annotations

from torch import Tensor, nn

from .checks import checked_sigma
from .functional import (
    RESCALES,
    Peaks,
    gaussian_kernel,
    modulate,
    modulated_stencil,
    opencv_kernel,
)
from .functional.modulate import STENCIL_RADIUS
from .registry import MODULATIONS


@MODULATIONS.register_module()
class GaussianModulation(nn.Module):
    """Smoothing with a Gaussian and rescaling: Eq. 10-11.

    Args:
        sigma (float, optional): Standard deviation of the kernel in heatmap
            px. Within a codec it defaults to that of the training targets,
            as Eq. 10 wants it.
        kernel_size (int, optional): Take OpenCV's kernel of this size in
            place of one with ``sigma``: reproduces DarkPose and MMPose
            (``blur_kernel_size`` there; 11 by default).
        rescale (str): ``'minmax'`` is Eq. 11 to the letter, ``'max'`` is
            what DarkPose and MMPose do and much faster, ``'none'`` leaves
            the smoothed values. The last two decode alike. Defaults to
            ``'minmax'``.
    """

    uses_sigma = True

    def __init__(
        self,
        sigma: float | None = None,
        kernel_size: int | None = None,
        rescale: str = 'minmax',
    ) -> None:
        super().__init__()
        if rescale not in RESCALES:
            raise ValueError(
                f'rescale must be one of {list(RESCALES)}, got {rescale!r}'
            )
        self.rescale = rescale
        if (sigma is None) == (kernel_size is None):
            raise ValueError(
                'GaussianModulation takes either sigma or kernel_size, got '
                f'sigma={sigma!r} and kernel_size={kernel_size!r}'
            )
        if kernel_size is not None:
            self.kernel = opencv_kernel(kernel_size)
        else:
            self.kernel = gaussian_kernel(
                checked_sigma(sigma, "GaussianModulation's sigma")
            )
        # as that of decoders; the minimum is one of the whole map
        self.reach: int | None = None
        if rescale != 'minmax':
            self.reach = len(self.kernel) // 2 + STENCIL_RADIUS

    def forward(self, heatmaps: Tensor) -> Tensor:
        """Modulate heatmaps, (M, H, W) to (M, H, W) float32."""
        return modulate(heatmaps, self.kernel, self.rescale)

    def stencil(self, heatmaps: Tensor, peaks: Peaks) -> Tensor:
        """Return the modulated 5 x 5 px round each peak, (M, 5, 5)."""
        return modulated_stencil(heatmaps, peaks, self.kernel, self.rescale)
