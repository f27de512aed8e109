"""Distribution modulation: smoothing and rescaling, Eq. 10-11 of the paper.

Near the border a part of the kernel lies outside of the map, and plain
smoothing pulls the peak inwards. Here each smoothed value is divided by the
norm of the kernel's visible part (relative to the whole kernel's), which
makes the smoothed map the correlation coefficient with a Gaussian cut off by
the border: on such a Gaussian it is largest at its true centre. Inside the
map the factor is 1.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .peaks import Peaks, gather_windows

RESCALES = ('minmax', 'max', 'none')

# The Taylor step's finite differences reach two pixels from the peak
STENCIL_RADIUS = 2

# Of smoothed values, relative: some 20 sums and products in float32
ROUNDING = 1e-5

Kernel = tuple[float, ...]

# OpenCV's kernels of small sizes are no Gaussians but these, in 256ths
_OPENCV_SMALL = {
    1: (256,),
    3: (64, 128, 64),
    5: (16, 64, 96, 64, 16),
    7: (8, 28, 56, 72, 56, 28, 8),
    9: (4, 13, 30, 51, 60, 51, 30, 13, 4),
}


def gaussian_kernel(sigma: float) -> Kernel:
    """Return a normalised 1-D Gaussian of radius 3 sigma, rounded up.

    Args:
        sigma (float): Standard deviation in heatmap px.

    Returns:
        tuple[float, ...]: An odd number of weights that sum to 1.

    Raises:
        ValueError: If ``sigma`` is no positive number.
    """
    if not (isinstance(sigma, (int, float)) and 0 < sigma < math.inf):
        raise ValueError(
            f'sigma must be a positive number of heatmap px, got {sigma!r}'
        )
    return _gaussian(math.ceil(3 * sigma), sigma)


def _gaussian(radius: int, sigma: float) -> Kernel:
    weights = [
        math.exp(-0.5 * (t / sigma) ** 2) for t in range(-radius, radius + 1)
    ]
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)


def opencv_kernel(kernel_size: int) -> Kernel:
    """Return OpenCV's ``getGaussianKernel(k, 0)``: sigma follows from k.

    What DarkPose and MMPose blur with, fixed tables for small k included.

    Args:
        kernel_size (int): Number of weights, odd.

    Returns:
        tuple[float, ...]: The weights; they sum to 1.

    Raises:
        ValueError: If ``kernel_size`` is no positive odd number.

    Examples:
        >>> opencv_kernel(3)
        (0.25, 0.5, 0.25)
    """
    if (
        not isinstance(kernel_size, int)
        or isinstance(kernel_size, bool)
        or kernel_size < 1
        or kernel_size % 2 == 0
    ):
        raise ValueError(
            'kernel_size must be a positive odd number, got '
            f'{kernel_size!r}; MMPose means 3, 11 and 17 for training sigmas '
            '1, 2 and 3'
        )
    if kernel_size in _OPENCV_SMALL:
        return tuple(n / 256 for n in _OPENCV_SMALL[kernel_size])
    return _gaussian(kernel_size // 2, 0.15 * kernel_size + 0.35)


def kernel_variance(kernel: Kernel) -> float:
    """Return the second moment of a kernel in px^2.

    That of the kernel as it is cut off: 0.973 sigma^2 at 3 sigma.
    """
    middle = len(kernel) // 2
    return math.fsum(
        weight * (tap - middle) ** 2 for tap, weight in enumerate(kernel)
    )


def _weighted_sums(values: Tensor, weights: Kernel, dim: int) -> Tensor:
    """Compute weighted sums of neighbours along a dimension.

    Weight by weight: matmul and convolution drop to half precision under
    autocast, and to TF32 where a user allows that, but the log of a smoothed
    peak needs all 24 bits.
    """
    length = values.shape[dim] - len(weights) + 1
    return sum(
        weight * values.narrow(dim, tap, length)
        for tap, weight in enumerate(weights)
    )  # type: ignore[return-value]


def visible_norm(inside: Tensor, kernel: Kernel) -> Tensor:
    """Return the norm of the kernel inside the map, over its full norm.

    Args:
        inside (Tensor): Which positions of an axis the map has, (M, L), bool.
        kernel (tuple[float, ...]): Of n weights.

    Returns:
        Tensor: Shape (M, L - n + 1); 1 where the kernel sees nothing.
    """
    squares = tuple(weight * weight for weight in kernel)
    share = _weighted_sums(inside.to(torch.float32), squares, 1) / sum(squares)
    return torch.where(share > 0, share, 1.0).sqrt()


def _smooth(
    values: Tensor, inside_x: Tensor, inside_y: Tensor, kernel: Kernel
) -> Tensor:
    """Apply Eq. 10 at the positions one kernel radius inwards.

    Args:
        values (Tensor): Maps with a margin, (M, h, w), 0 outside of the map.
        inside_x (Tensor): Which columns the map has, (M, w) or (1, w).
        inside_y (Tensor): Which rows the map has, (M, h) or (1, h).
        kernel (tuple[float, ...]): Of n weights.

    Returns:
        Tensor: Shape (M, h - n + 1, w - n + 1), float32.
    """
    rows = _weighted_sums(values, kernel, 1)
    smooth = _weighted_sums(rows, kernel, 2)
    norm_x = visible_norm(inside_x, kernel)[:, None, :]
    norm_y = visible_norm(inside_y, kernel)[:, :, None]
    return smooth / (norm_x * norm_y)


def _smooth_maps(heatmaps: Tensor, kernel: Kernel) -> Tensor:
    """Apply Eq. 10 to whole maps, (M, H, W) to (M, H, W), float32."""
    margin = len(kernel) // 2
    height, width = heatmaps.shape[1:]
    heatmaps = heatmaps.to(torch.float32)
    inside = torch.ones(1, max(height, width), device=heatmaps.device)
    return _smooth(
        F.pad(heatmaps, (margin,) * 4),
        F.pad(inside[:, :width], (margin,) * 2),
        F.pad(inside[:, :height], (margin,) * 2),
        kernel,
    )


def _check_rescale(rescale: str) -> None:
    if rescale not in RESCALES:
        raise ValueError(
            f'rescale must be one of {list(RESCALES)}, got {rescale!r}'
        )


def modulate(
    heatmaps: Tensor, kernel: Kernel, rescale: str = 'minmax'
) -> Tensor:
    """Smooth whole heatmaps, and restore their magnitude.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        kernel (tuple[float, ...]): From :func:`gaussian_kernel` or
            :func:`opencv_kernel`.
        rescale (str): ``'minmax'`` is Eq. 11: (h' - min h') / (max h' -
            min h') * max h. ``'max'`` multiplies by max h / max h', as
            DarkPose and MMPose do. ``'none'`` leaves h' as it is.

    Returns:
        Tensor: Shape (M, H, W), float32. Maps that are constant after
        smoothing stay so.

    Raises:
        ValueError: If ``rescale`` is unknown.
    """
    _check_rescale(rescale)
    smooth = _smooth_maps(heatmaps, kernel)
    if rescale == 'none':
        return smooth
    highest = smooth.amax((1, 2), keepdim=True)
    target = heatmaps.amax((1, 2), keepdim=True).to(torch.float32)
    lowest = torch.zeros_like(highest)
    if rescale == 'minmax':
        lowest = smooth.amin((1, 2), keepdim=True)
    span = highest - lowest
    rescaled = (smooth - lowest) * (target / span)
    return torch.where(span > 0, rescaled, smooth)


def modulated_stencil(
    heatmaps: Tensor, peaks: Peaks, kernel: Kernel, rescale: str = 'minmax'
) -> Tensor:
    """Return the modulated map at the 5 x 5 px round each peak.

    What the Taylor step needs of :func:`modulate`, up to a positive factor
    per map, which cancels in the derivatives of its logarithm. With ``'max'``
    and ``'none'`` only a window round the peak is read; ``'minmax'`` needs
    the lowest value of the whole smoothed map.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.
        kernel (tuple[float, ...]): From :func:`gaussian_kernel` or
            :func:`opencv_kernel`.
        rescale (str): As in :func:`modulate`.

    Returns:
        Tensor: Shape (M, 5, 5), rows first, float32. Positions outside of
        the map are there, too: smoothed from the pixels that they reach.

    Raises:
        ValueError: If ``rescale`` is unknown.
    """
    _check_rescale(rescale)
    radius = len(kernel) // 2 + STENCIL_RADIUS
    windows = gather_windows(heatmaps, peaks.x, peaks.y, radius)
    stencil = _smooth(*windows, kernel)
    if rescale == 'minmax':
        lowest = _smooth_maps(heatmaps, kernel).amin((1, 2), keepdim=True)
        difference = stencil - lowest
        # 0 where only rounding makes a difference
        real = difference > ROUNDING * stencil.abs()
        stencil = torch.where(real, difference, 0.0)
    return stencil
