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

# Of an exponential; less is 0. Products of smaller values are subnormal, and
# processors take ten times as long for such numbers.
_LOWEST = -40.0

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
        tuple: centres with harmless numbers where they are left out for the
        latter two, a mask of what is drawn and the keypoint weights, both
        shaped as ``visible``.
    """
    x, y = centres.unbind(-1)
    # MMPose's rule to the pixel: its patch is [c - radius, c + radius + 1).
    # Comparisons with NaN are False.
    nearest, (right, bottom) = -(radius + 1), (n + radius for n in size)
    inside = (x >= nearest) & (x < right) & (y >= nearest) & (y < bottom)
    centres = torch.where(inside[..., None], centres, 0.0)
    labelled = visible >= 0.5
    weights = torch.where(labelled & ~inside, 0.0, visible)
    return centres, labelled & inside, weights


def _draw(
    centres: Tensor,
    drawn: Tensor,
    size: Size,
    sigma: float,
    radius: float = math.inf,
) -> Tensor:
    """Gaussians with these centres (B, N, K, 2), maximum over N.

    Args:
        centres (Tensor): In heatmap px, finite.
        drawn (Tensor): Which of them are drawn, (B, N, K), bool.
        size (tuple[int, int]): Of the heatmaps, (W, H).
        sigma (float): Standard deviation in heatmap px.
        radius (float): Where they are cut off along each axis, in heatmap px.

    Returns:
        Tensor: Heatmaps (B, K, H, W), float32.
    """
    pixels = torch.arange(
        max(size), dtype=torch.float32, device=centres.device
    )
    # both axes at once: (B, N, K, 2, max(W, H))
    distance = pixels - centres[..., None]
    exponent = distance * distance * (-0.5 / sigma**2)
    seen = (exponent > _LOWEST) & drawn[..., None, None]
    if radius < math.inf:
        seen = seen & (distance.abs() <= radius)
    profiles = exponent.clamp(min=_LOWEST).exp() * seen
    across, down = profiles[..., 0, : size[0]], profiles[..., 1, : size[1]]
    heatmaps = down[..., :, None] * across[..., None, :]
    # to look for the maximum of one would cost as much as all else
    return heatmaps[:, 0] if heatmaps.shape[1] == 1 else heatmaps.amax(1)


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
    points, visible = points.to(torch.float32), visible.to(torch.float32)
    centres, drawn, weights = _visible_gaussians(
        points, visible, heatmap_size, 3 * sigma
    )
    return _draw(centres, drawn, heatmap_size, sigma), weights


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
    points, visible = points.to(torch.float32), visible.to(torch.float32)
    centres, drawn, weights = _visible_gaussians(
        quantise_points(points, quantise), visible, heatmap_size, 3 * sigma
    )
    heatmaps = _draw(centres, drawn, heatmap_size, sigma, 3 * sigma)
    return heatmaps, weights
