"""Keypoints to heatmaps: Eq. 12-14 of the paper.

Heatmaps have peak 1: the normaliser 1 / (2 pi sigma^2) that Eq. 3 and 14
carry is left out, as in every implementation, since networks are trained on
values of order one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .coords import Size

QUANTISERS = ('floor', 'ceil', 'round')


def quantise_points(points: Tensor, quantise: str) -> Tensor:
    """Eq. 13."""
    if quantise == 'floor':
        return points.floor()
    if quantise == 'ceil':
        return points.ceil()
    if quantise == 'round':
        # Half up as int(x + 0.5) does in every code base; torch.round takes
        # halves to even. Like int(), trunc takes (-1.5, -0.5) to 0.
        return (points + 0.5).trunc()
    raise ValueError(
        f'quantise must be one of {list(QUANTISERS)}, got {quantise!r}'
    )


def _visible_gaussians(
    centres: Tensor, visible: Tensor, size: Size, radius: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Which Gaussians are drawn, and with which weight.

    A keypoint is left out if it is invisible, not finite, or more than
    ``radius`` outside of the map; the latter two also lose their weight.

    Returns:
        tuple: centres with harmless numbers where not finite, a mask of what
        is drawn and the keypoint weights, the latter two shaped as
        ``visible``.
    """
    finite = (centres[..., 0] + centres[..., 1]).isfinite()
    centres = torch.where(finite[..., None], centres, 0.0)
    inside = finite
    for axis, length in enumerate(size):
        centre = centres[..., axis]
        # MMPose's rule to the pixel: its patch is [c - radius, c + radius + 1)
        inside = (
            inside & (centre - radius < length) & (centre + (radius + 1) >= 0)
        )
    labelled = visible >= 0.5
    weights = torch.where(labelled & ~inside, 0.0, visible)
    return centres, labelled & inside, weights


def _profile(
    centres: Tensor, length: int, sigma: float, radius: float = math.inf
) -> Tensor:
    """One axis of a Gaussian: (...) centres to (..., length) values."""
    pixels = torch.arange(length, dtype=torch.float32, device=centres.device)
    distance = pixels - centres[..., None]
    profile = (distance * distance * (-0.5 / sigma**2)).exp()
    if math.isfinite(radius):
        profile = profile * (distance.abs() <= radius)
    return profile


def _outer_max(profile_x: Tensor, profile_y: Tensor) -> Tensor:
    """(B, N, K, W) and (B, N, K, H) to (B, K, H, W), maximum over N."""
    heatmaps = profile_y[..., :, None] * profile_x[..., None, :]
    if heatmaps.shape[1] == 1:
        return heatmaps[:, 0]
    return heatmaps.amax(1)


def encode_unbiased(
    points: Tensor, visible: Tensor, heatmap_size: Size, sigma: float
) -> tuple[Tensor, Tensor]:
    """Gaussians centred where the keypoints are: Eq. 14 with g'.

    Args:
        points (Tensor): Keypoints (x, y) in heatmap px, (B, N, K, 2).
        visible (Tensor): Visibilities, (B, N, K); drawn from 0.5 up.
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        sigma (float): Standard deviation in heatmap px.

    Returns:
        tuple[Tensor, Tensor]: Heatmaps (B, K, H, W) with peak 1, and
        keypoint weights (B, N, K): the visibilities, 0 where a keypoint is
        not finite or farther than 3 sigma outside of the map. Both float32.
        Several instances are merged by their maximum.
    """
    width, height = heatmap_size
    points, visible = points.to(torch.float32), visible.to(torch.float32)
    centres, drawn, weights = _visible_gaussians(
        points, visible, heatmap_size, 3 * sigma
    )
    profile_x = _profile(centres[..., 0], width, sigma) * drawn[..., None]
    profile_y = _profile(centres[..., 1], height, sigma)
    return _outer_max(profile_x, profile_y), weights


def encode_biased(
    points: Tensor,
    visible: Tensor,
    heatmap_size: Size,
    sigma: float,
    quantise: str = 'round',
) -> tuple[Tensor, Tensor]:
    """Gaussians centred at whole pixels, cut off at 3 sigma: Eq. 13-14.

    What DARK is compared with. Equals MMPose's ``MSRAHeatmap`` with
    ``unbiased=False`` where 3 sigma is an integer (for others MMPose's patch
    is lop-sided).

    Args:
        points (Tensor): Keypoints (x, y) in heatmap px, (B, N, K, 2).
        visible (Tensor): Visibilities, (B, N, K); drawn from 0.5 up.
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        sigma (float): Standard deviation in heatmap px.
        quantise (str): ``'floor'``, ``'ceil'`` or ``'round'`` (halves up).

    Returns:
        tuple[Tensor, Tensor]: As :func:`encode_unbiased`.

    Raises:
        ValueError: If ``quantise`` is unknown.
    """
    width, height = heatmap_size
    points, visible = points.to(torch.float32), visible.to(torch.float32)
    centres, drawn, weights = _visible_gaussians(
        quantise_points(points, quantise), visible, heatmap_size, 3 * sigma
    )

    profile_x = _profile(centres[..., 0], width, sigma, 3 * sigma)
    profile_y = _profile(centres[..., 1], height, sigma, 3 * sigma)
    return _outer_max(profile_x * drawn[..., None], profile_y), weights
