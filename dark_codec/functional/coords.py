"""Coordinates between the input frame and the heatmap frame.

The mapping between them is the alignment, see
:mod:`dark_codec.functional.alignments`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .alignments import get_alignment

Size = tuple[int, int]
Pair = tuple[float, float]


def frame_of(
    input_size: Size, heatmap_size: Size, alignment: str
) -> tuple[Pair, Pair]:
    """Return the scale and offset of the heatmap in the input.

    Args:
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`.ALIGNMENTS`.

    Returns:
        tuple[tuple[float, float], tuple[float, float]]: Scale and offset as
        (x, y): input px = heatmap px * scale + offset.

    Raises:
        ValueError: If ``alignment`` is unknown or does not fit these
            sizes.
    """
    kind = get_alignment(alignment)
    if min(*input_size, *heatmap_size) < kind.min_length:
        raise ValueError(
            f'alignment={alignment!r} needs at least {kind.min_length} pixels '
            f'on each side, got input_size={tuple(input_size)} and '
            f'heatmap_size={tuple(heatmap_size)}'
        )
    x, y = map(kind.axis, input_size, heatmap_size)
    return (x[0], y[0]), (x[1], y[1])


def scale_points(points: Tensor, scale: Pair, offset: Pair) -> Tensor:
    """Scale and shift points (x, y), (..., 2), float32.

    By Python numbers for each axis: a tensor of two would have to be copied
    to the device at every call.
    """
    points = points.to(torch.float32)
    if scale[0] == scale[1] and offset == (0, 0):
        return points * scale[0]
    axes = [points[..., axis] * scale[axis] + offset[axis] for axis in (0, 1)]
    return torch.stack(axes, -1)


def input_to_heatmap(
    points: Tensor, input_size: Size, heatmap_size: Size, alignment: str
) -> Tensor:
    """Map points from input px to heatmap px.

    Args:
        points (Tensor): Points (x, y) in input px, shape (..., 2).
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`.ALIGNMENTS`.

    Returns:
        Tensor: Points in heatmap px, shape (..., 2), float32.

    Raises:
        ValueError: If ``alignment`` is unknown or does not fit these
            sizes.

    Examples:
        >>> import torch
        >>> x = torch.tensor([[96.0, 128.0]])
        >>> input_to_heatmap(x, (192, 256), (48, 64), 'asymmetric')
        tensor([[24., 32.]])
        >>> input_to_heatmap(x, (192, 256), (48, 64), 'half_pixel')
        tensor([[23.6250, 31.6250]])
    """
    scale, offset = frame_of(input_size, heatmap_size, alignment)
    points = points.to(torch.float32)
    if scale[0] == scale[1] and offset == (0, 0):
        return points / scale[0]
    axes = [
        (points[..., axis] - offset[axis]) / scale[axis] for axis in (0, 1)
    ]
    return torch.stack(axes, -1)


def heatmap_to_input(
    points: Tensor, input_size: Size, heatmap_size: Size, alignment: str
) -> Tensor:
    """Map points from heatmap px to input px: inverts `input_to_heatmap`.

    Args and errors as there; takes heatmap px and returns input px, shape
    (..., 2), float32.
    """
    frame = frame_of(input_size, heatmap_size, alignment)
    return scale_points(points, *frame)


def covariance_to_input(
    covariance: Tensor, input_size: Size, heatmap_size: Size, alignment: str
) -> Tensor:
    """Map covariances from heatmap px^2 to input px^2.

    Args:
        covariance (Tensor): Shape (..., 2, 2), x first, in heatmap px^2.
        input_size (tuple[int, int]): Input size (w, h).
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        alignment (str): One of :data:`.ALIGNMENTS`.

    Returns:
        Tensor: Shape (..., 2, 2), in input px^2.
    """
    scale, _ = frame_of(input_size, heatmap_size, alignment)
    return scale_covariance(covariance, *scale)


def scale_covariance(covariance: Tensor, x: float, y: float) -> Tensor:
    """Scale covariances by factors of x and y.

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
