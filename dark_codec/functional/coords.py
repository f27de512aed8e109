"""Coordinates between the input frame and the heatmap frame.

With stride s (input px per heatmap px), in the terms of ONNX Resize:

- ``asymmetric``: X = x / s, MMPose's MSRA codec
- ``half_pixel``: X = (x + 0.5) / s - 0.5, exactly flip-consistent
- ``align_corners``: X = x (W - 1) / (w - 1), DarkPose and UDP
"""

from __future__ import annotations

import torch
from torch import Tensor

ALIGNMENTS = ('asymmetric', 'half_pixel', 'align_corners')

Size = tuple[int, int]


def _stride_and_shift(
    input_size: Size, heatmap_size: Size, alignment: str
) -> tuple[list[float], float]:
    """The numbers of X = (x + shift) / stride - shift, strides as (x, y)."""
    if alignment not in ALIGNMENTS:
        raise ValueError(
            f'alignment must be one of {list(ALIGNMENTS)}, got {alignment!r}'
        )
    sizes = zip(input_size, heatmap_size)
    if alignment == 'align_corners':
        if min(*input_size, *heatmap_size) < 2:
            raise ValueError(
                "alignment='align_corners' needs at least 2 pixels on each "
                f'side, got input_size={tuple(input_size)} and '
                f'heatmap_size={tuple(heatmap_size)}'
            )
        return [(i - 1) / (h - 1) for i, h in sizes], 0.0
    stride = [i / h for i, h in sizes]
    return stride, 0.5 if alignment == 'half_pixel' else 0.0


def input_to_heatmap(
    points: Tensor, input_size: Size, heatmap_size: Size, alignment: str
) -> Tensor:
    """Map points from input px to heatmap px.

    Args:
        points (Tensor): Points (x, y) in input px, shape (..., 2).
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`ALIGNMENTS`.

    Returns:
        Tensor: Points in heatmap px, shape (..., 2), float32.

    Raises:
        ValueError: If ``alignment`` is unknown or cannot be had with these
            sizes.

    Examples:
        >>> import torch
        >>> x = torch.tensor([[96.0, 128.0]])
        >>> input_to_heatmap(x, (192, 256), (48, 64), 'asymmetric')
        tensor([[24., 32.]])
        >>> input_to_heatmap(x, (192, 256), (48, 64), 'half_pixel')
        tensor([[23.6250, 31.6250]])
    """
    stride, shift = _stride_and_shift(input_size, heatmap_size, alignment)
    # Python numbers per axis: a tensor of two strides would have to be
    # copied to the device at every call
    points = points.to(torch.float32)
    if stride[0] == stride[1]:
        return (points + shift) / stride[0] - shift
    axes = [(points[..., i] + shift) / s - shift for i, s in enumerate(stride)]
    return torch.stack(axes, -1)


def heatmap_to_input(
    points: Tensor, input_size: Size, heatmap_size: Size, alignment: str
) -> Tensor:
    """Map points from heatmap px to input px: inverts `input_to_heatmap`.

    Args and errors as there; takes heatmap px and returns input px, shape
    (..., 2), float32.
    """
    stride, shift = _stride_and_shift(input_size, heatmap_size, alignment)
    points = points.to(torch.float32)
    if stride[0] == stride[1] and shift == 0:
        return points * stride[0]
    axes = [(points[..., i] + shift) * s - shift for i, s in enumerate(stride)]
    return torch.stack(axes, -1)


def covariance_to_input(
    covariance: Tensor, input_size: Size, heatmap_size: Size, alignment: str
) -> Tensor:
    """Map covariances from heatmap px^2 to input px^2.

    Args:
        covariance (Tensor): Shape (..., 2, 2), x first, in heatmap px^2.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`ALIGNMENTS`.

    Returns:
        Tensor: Shape (..., 2, 2), in input px^2.
    """
    stride, _ = _stride_and_shift(input_size, heatmap_size, alignment)
    return scale_covariance(covariance, *stride)


def scale_covariance(covariance: Tensor, x: float, y: float) -> Tensor:
    """What stretching x and y by these factors makes of covariances.

    Args:
        covariance (Tensor): Shape (..., 2, 2), x first.
        x (float): Factor along x.
        y (float): Factor along y.

    Returns:
        Tensor: Shape (..., 2, 2).
    """
    scales = (x * x, x * y, x * y, y * y)
    flat = covariance.reshape(*covariance.shape[:-2], 4)
    scaled = [flat[..., i] * scale for i, scale in enumerate(scales)]
    return torch.stack(scaled, -1).reshape(covariance.shape)
