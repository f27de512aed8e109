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

import cv2
import numpy as np

from ._backend import (
    Array,
    bilinear_forms,
    filter_maps,
    float32,
    lowest_filtered,
    namespace,
    quiet,
    table_like,
)
from .peaks import Peaks, gather_windows

RESCALES = ('minmax', 'max', 'none')

# The Taylor step's finite differences reach two pixels from the peak
STENCIL_RADIUS = 2

# Of smoothed values, relative: some 20 sums and products in float32
_ROUNDING = 1e-5

Kernel = tuple[float, ...]


def gaussian_kernel(sigma: float) -> Kernel:
    """A normalised 1-D Gaussian that ends at 3 sigma, rounded up.

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
    radius = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return tuple((weights / weights.sum()).tolist())


def opencv_kernel(kernel_size: int) -> Kernel:
    """OpenCV's ``getGaussianKernel(k, 0)``, whose sigma follows from k.

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
        or kernel_size < 1
        or kernel_size % 2 == 0
    ):
        raise ValueError(
            'kernel_size must be a positive odd number, got '
            f'{kernel_size!r}; MMPose means 3, 11 and 17 for training sigmas '
            '1, 2 and 3'
        )
    weights = cv2.getGaussianKernel(kernel_size, 0, cv2.CV_64F)
    return tuple(weights[:, 0].tolist())


def _visible_norm(
    kernel: Kernel, positions: np.ndarray, length: int
) -> np.ndarray:
    """Norm of the kernel's part inside [0, length), relative to the whole."""
    radius = len(kernel) // 2
    reach = positions[:, None] + np.arange(-radius, radius + 1)
    energy = np.square(kernel) * ((reach >= 0) & (reach < length))
    # positions so far outside that they see nothing divide 0 by 1
    visible = energy.sum(1)
    return np.sqrt(np.where(visible > 0, visible, 1) / np.square(kernel).sum())


def _smoothing_rows(
    kernel: Kernel, positions: np.ndarray, first: int, window: int, length: int
) -> np.ndarray:
    """Weights of the pixels [first, first + window) at each position."""
    radius = len(kernel) // 2
    tap = first + np.arange(window) - positions[:, None] + radius
    inside = (tap >= 0) & (tap < len(kernel))
    weights = np.where(inside, np.take(kernel, tap, mode='clip'), 0)
    norm = _visible_norm(kernel, positions, length)
    return (weights / norm[:, None]).astype(np.float32)


def visible_gain(kernel: Kernel, length: int) -> np.ndarray:
    """What smoothed values are multiplied with along an axis."""
    norm = _visible_norm(kernel, np.arange(length), length)
    return (1 / norm).astype(np.float32)


def stencil_rows(kernel: Kernel, window: int, length: int) -> np.ndarray:
    """Smooths one axis of a window at the five positions round the peak.

    One matrix for each place that a peak can have in its window, for that
    tells where the border is: (window, 5, window).
    """
    offsets = np.arange(-STENCIL_RADIUS, STENCIL_RADIUS + 1)
    rows = []
    for place in range(window):
        # a window only moves when it would cross a border
        moved_from_start = place <= window // 2
        first = 0 if moved_from_start else length - window
        rows.append(
            _smoothing_rows(
                kernel, first + place + offsets, first, window, length
            )
        )
    return np.stack(rows)


def _check_rescale(rescale: str) -> None:
    if rescale not in RESCALES:
        raise ValueError(
            f'rescale must be one of {list(RESCALES)}, got {rescale!r}'
        )


def modulate(
    heatmaps: Array, kernel: Kernel, rescale: str = 'minmax'
) -> Array:
    """Smooth whole heatmaps and give them their magnitude back.

    Args:
        heatmaps (Array): Shape (M, H, W), any floating dtype.
        kernel (tuple[float, ...]): From :func:`gaussian_kernel` or
            :func:`opencv_kernel`.
        rescale (str): ``'minmax'`` is Eq. 11: (h' - min h') / (max h' -
            min h') * max h. ``'max'`` multiplies by max h / max h', as
            DarkPose and MMPose do. ``'none'`` leaves h' as it is.

    Returns:
        Array: Shape (M, H, W), float32. Maps that are constant after
        smoothing stay so.

    Raises:
        ValueError: If ``rescale`` is unknown.
    """
    _check_rescale(rescale)
    xp = namespace(heatmaps)
    smooth = filter_maps(heatmaps, kernel, visible_gain)
    if rescale == 'none':
        return smooth
    highest = xp.amax(smooth, (1, 2))[:, None, None]
    target = float32(xp.amax(heatmaps, (1, 2)))[:, None, None]
    lowest = xp.zeros_like(highest)
    if rescale == 'minmax':
        lowest = xp.amin(smooth, (1, 2))[:, None, None]
    span = highest - lowest
    with quiet(span):
        rescaled = (smooth - lowest) * (target / span)
    return xp.where(span > 0, rescaled, smooth)


def modulated_stencil(
    heatmaps: Array, peaks: Peaks, kernel: Kernel, rescale: str = 'minmax'
) -> Array:
    """The modulated map at the 5 x 5 px round each peak.

    What the Taylor step needs of :func:`modulate`, up to a positive factor
    per map, which cancels in the derivatives of its logarithm. With ``'max'``
    and ``'none'`` only a window round the peak is read; ``'minmax'`` needs
    the lowest value of the whole smoothed map.

    Args:
        heatmaps (Array): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.
        kernel (tuple[float, ...]): From :func:`gaussian_kernel` or
            :func:`opencv_kernel`.
        rescale (str): As in :func:`modulate`.

    Returns:
        Array: Shape (M, 5, 5), rows first, float32. Positions outside of
        the map are there, too: smoothed from the pixels that they reach.

    Raises:
        ValueError: If ``rescale`` is unknown.
    """
    _check_rescale(rescale)
    height, width = heatmaps.shape[1:]
    windows, column, row = gather_windows(
        heatmaps, peaks.x, peaks.y, len(kernel) // 2 + STENCIL_RADIUS
    )
    window_h, window_w = windows.shape[1:]
    along_y = table_like(windows, stencil_rows, kernel, window_h, height)
    along_x = table_like(windows, stencil_rows, kernel, window_w, width)
    stencil = bilinear_forms(along_y[row], windows, along_x[column])
    if rescale == 'minmax':
        lowest = lowest_filtered(heatmaps, kernel, visible_gain)
        stencil = above_lowest(stencil, lowest[:, None, None])
    return stencil


def above_lowest(stencil: Array, lowest: Array) -> Array:
    """Stencil - lowest, and 0 where only rounding makes a difference."""
    xp = namespace(stencil)
    difference = stencil - lowest
    real = difference > _ROUNDING * xp.abs(stencil)
    return xp.where(real, difference, 0.0)


def kernel_variance(kernel: Kernel) -> float:
    """Second moment of a kernel in px^2.

    That of the kernel as it is cut off: 0.973 sigma^2 at 3 sigma.
    """
    taps = np.arange(len(kernel)) - len(kernel) // 2
    return float((np.asarray(kernel) * taps**2).sum())
