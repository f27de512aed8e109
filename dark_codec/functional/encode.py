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
# The next float32 below a number is its product with this, rounded
_BELOW = 1 - 2**-24

QUANTISERS = ('floor', 'ceil', 'round')


def quantise_points(points: Tensor, quantise: str) -> Tensor:
    """Quantise points: Eq. 13."""
    if quantise == 'floor':
        return points.floor()
    if quantise == 'ceil':
        return points.ceil()
    if quantise == 'round':
        # Half up as int(x + 0.5) does in every code base; torch.round takes
        # halves to even. Like int(), trunc takes (-1.5, -0.5) to 0.
        return (points + 0.5).trunc_()
    raise ValueError(
        f'quantise must be one of {list(QUANTISERS)}, got {quantise!r}'
    )


def _visible_gaussians(
    centres: Tensor, visible: Tensor, size: Size, radius: float
) -> tuple[Tensor, Tensor]:
    """Select the Gaussians to draw, and their weights.

    A keypoint is left out if it is invisible, not finite, or more than
    ``radius`` outside of the map; the latter two also lose their weight.

    Returns:
        tuple: Centres, infinite for what is left out, and the keypoint
        weights, shaped as ``visible``.
    """
    x, y = centres.unbind(-1)
    # MMPose's rule to the pixel: its patch is [c - radius, c + radius + 1)
    first = -(radius + 1)
    right, bottom = ((n + radius) * _BELOW for n in size)
    # two comparisons, and False for NaN
    inside = (x.clamp(first, right) == x) & (y.clamp(first, bottom) == y)
    labelled = visible >= 0.5
    drawn = labelled & inside
    centres = centres.masked_fill(~drawn.unsqueeze(-1), math.inf)
    # what is labelled, and not drawn
    return centres, visible.masked_fill(labelled ^ drawn, 0.0)


def _draw(
    centres: Tensor, size: Size, sigma: float, radius: float = math.inf
) -> Tensor:
    """Draw Gaussians with these centres (B, N, K, 2), maximum over N.

    Args:
        centres (Tensor): In heatmap px; infinite for what is not drawn.
        size (tuple[int, int]): Of the heatmaps, (W, H).
        sigma (float): Standard deviation in heatmap px.
        radius (float): Where they are cut off along each axis, in heatmap px;
            no pixel is that far from a centre to within rounding.

    Returns:
        Tensor: Heatmaps (B, K, H, W), float32.
    """
    pixels = torch.arange(
        max(size), dtype=torch.float32, device=centres.device
    )
    # both axes at once: (B, N, K, 2, max(W, H))
    distance = pixels - centres.unsqueeze(-1)
    lowest = max(_LOWEST, -0.5 * (radius / sigma) ** 2)
    # in place, for new memory costs more than the arithmetic
    exponent = (distance * distance).mul_(-0.5 / sigma**2).clamp_(min=lowest)
    # 0 where it is the lowest to within rounding; faster than a mask
    profiles = torch.threshold(exponent.exp_(), 1.0001 * math.exp(lowest), 0.0)
    across, down = profiles.unbind(-2)
    heatmaps = down[..., : size[1], None] * across[..., None, : size[0]]
    # the maximum over one instance would cost as much as all else
    return heatmaps.squeeze(1) if heatmaps.shape[1] == 1 else heatmaps.amax(1)


def encode_unbiased(
    points: Tensor,
    keypoints_visible: Tensor,
    heatmap_size: Size,
    sigma: float,
) -> tuple[Tensor, Tensor]:
    """Draw Gaussians centred at the keypoints themselves: Eq. 14 with g'.

    Args:
        points (Tensor): Keypoints (x, y) in heatmap px, (B, N, K, 2).
        keypoints_visible (Tensor): Visibilities, (B, N, K); drawn from
            0.5 up.
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        sigma (float): Standard deviation in heatmap px.

    Returns:
        tuple[Tensor, Tensor]: Heatmaps (B, K, H, W) with peak 1, and
        keypoint weights (B, N, K): the visibilities, 0 where a keypoint is
        not finite or farther than 3 sigma outside of the map. Both float32.
        Several instances are merged by their maximum.
    """
    points = points.to(torch.float32)
    visible = keypoints_visible.to(torch.float32)
    centres, weights = _visible_gaussians(
        points, visible, heatmap_size, 3 * sigma
    )
    return _draw(centres, heatmap_size, sigma), weights


def encode_biased(
    points: Tensor,
    keypoints_visible: Tensor,
    heatmap_size: Size,
    sigma: float,
    quantise: str = 'round',
) -> tuple[Tensor, Tensor]:
    """Draw Gaussians centred at whole pixels, cut off at 3 sigma: Eq. 13-14.

    The paper's baseline. Equals MMPose's ``MSRAHeatmap`` with
    ``unbiased=False`` where 3 sigma is an integer (for others MMPose's patch
    is lop-sided).

    Args:
        points (Tensor): Keypoints (x, y) in heatmap px, (B, N, K, 2).
        keypoints_visible (Tensor): Visibilities, (B, N, K); drawn from
            0.5 up.
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        sigma (float): Standard deviation in heatmap px.
        quantise (str): ``'floor'``, ``'ceil'`` or ``'round'`` (halves up).

    Returns:
        tuple[Tensor, Tensor]: As :func:`encode_unbiased`.

    Raises:
        ValueError: If ``quantise`` is unknown.
    """
    points = points.to(torch.float32)
    visible = keypoints_visible.to(torch.float32)
    radius = 3 * sigma
    centres, weights = _visible_gaussians(
        quantise_points(points, quantise), visible, heatmap_size, radius
    )
    # distances are whole: between two of them rounding decides nothing
    cut = math.floor(radius) + 0.5
    return _draw(centres, heatmap_size, sigma, cut), weights
