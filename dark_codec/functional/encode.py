"""Keypoints to heatmaps: Eq. 12-14 of the paper.

Heatmaps have peak 1: the normaliser 1 / (2 pi sigma^2) that Eq. 3 and 14
carry is left out, as in every implementation, since networks are trained on
values of order one.
"""

from __future__ import annotations

import math

from ._backend import Array, arange_like, float32, namespace, outer
from .coords import Size

QUANTISERS = ('floor', 'ceil', 'round')


def quantise_points(points: Array, quantise: str) -> Array:
    """Eq. 13."""
    if quantise == 'floor':
        return namespace(points).floor(points)
    if quantise == 'ceil':
        return namespace(points).ceil(points)
    if quantise == 'round':
        # Half up as int(x + 0.5) does in every code base; torch.round takes
        # halves to even. Like int(), trunc takes (-1.5, -0.5) to 0.
        return namespace(points).trunc(points + 0.5)
    raise ValueError(
        f'quantise must be one of {list(QUANTISERS)}, got {quantise!r}'
    )


def _visible_gaussians(
    centres: Array, visible: Array, size: Size, radius: float
) -> tuple[Array, Array, Array]:
    """Which Gaussians are drawn, and with which weight.

    A keypoint is left out if it is invisible, not finite, or more than
    ``radius`` outside of the map; the latter two also lose their weight.

    Returns:
        tuple: centres with harmless numbers where not finite, a mask of what
        is drawn and the keypoint weights, the latter two shaped as
        ``visible``.
    """
    xp = namespace(centres)
    finite = xp.isfinite(centres[..., 0] + centres[..., 1])
    centres = xp.where(finite[..., None], centres, 0.0)
    inside = finite
    for axis, length in enumerate(size):
        centre = centres[..., axis]
        # MMPose's rule to the pixel: its patch is [c - radius, c + radius + 1)
        inside = (
            inside & (centre - radius < length) & (centre + (radius + 1) >= 0)
        )
    labelled = visible >= 0.5
    weights = xp.where(labelled & ~inside, 0.0, visible)
    return centres, labelled & inside, weights


def _profile(
    centres: Array, length: int, sigma: float, radius: float = math.inf
) -> Array:
    """One axis of a Gaussian: (...) centres to (..., length) values."""
    xp = namespace(centres)
    distance = arange_like(length, centres) - centres[..., None]
    profile = xp.exp(distance * distance * (-0.5 / sigma**2))
    if math.isfinite(radius):
        profile = profile * (xp.abs(distance) <= radius)
    return profile


def _outer_max(profile_x: Array, profile_y: Array) -> Array:
    """(B, N, K, W) and (B, N, K, H) to (B, K, H, W), maximum over N."""
    heatmaps = outer(profile_y, profile_x)
    if heatmaps.shape[1] == 1:
        return heatmaps[:, 0]
    return namespace(heatmaps).amax(heatmaps, 1)


def encode_unbiased(
    points: Array, visible: Array, heatmap_size: Size, sigma: float
) -> tuple[Array, Array]:
    """Gaussians centred where the keypoints are: Eq. 14 with g'.

    Args:
        points (Array): Keypoints (x, y) in heatmap px, (B, N, K, 2).
        visible (Array): Visibilities, (B, N, K); drawn from 0.5 up.
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        sigma (float): Standard deviation in heatmap px.

    Returns:
        tuple[Array, Array]: Heatmaps (B, K, H, W) with peak 1, and
        keypoint weights (B, N, K): the visibilities, 0 where a keypoint is
        not finite or farther than 3 sigma outside of the map. Both float32.
        Several instances are merged by their maximum.
    """
    width, height = heatmap_size
    points, visible = float32(points), float32(visible)
    centres, drawn, weights = _visible_gaussians(
        points, visible, heatmap_size, 3 * sigma
    )
    profile_x = _profile(centres[..., 0], width, sigma) * drawn[..., None]
    profile_y = _profile(centres[..., 1], height, sigma)
    return _outer_max(profile_x, profile_y), weights


def encode_biased(
    points: Array,
    visible: Array,
    heatmap_size: Size,
    sigma: float,
    quantise: str = 'round',
) -> tuple[Array, Array]:
    """Gaussians centred at whole pixels, cut off at 3 sigma: Eq. 13-14.

    What DARK is compared with. Equals MMPose's ``MSRAHeatmap`` with
    ``unbiased=False`` where 3 sigma is an integer (for others MMPose's patch
    is lop-sided).

    Args:
        points (Array): Keypoints (x, y) in heatmap px, (B, N, K, 2).
        visible (Array): Visibilities, (B, N, K); drawn from 0.5 up.
        heatmap_size (tuple[int, int]): Heatmap size (W, H).
        sigma (float): Standard deviation in heatmap px.
        quantise (str): ``'floor'``, ``'ceil'`` or ``'round'`` (halves up).

    Returns:
        tuple[Array, Array]: As :func:`encode_unbiased`.

    Raises:
        ValueError: If ``quantise`` is unknown.
    """
    width, height = heatmap_size
    points, visible = float32(points), float32(visible)
    centres, drawn, weights = _visible_gaussians(
        quantise_points(points, quantise), visible, heatmap_size, 3 * sigma
    )

    profile_x = _profile(centres[..., 0], width, sigma, 3 * sigma)
    profile_y = _profile(centres[..., 1], height, sigma, 3 * sigma)
    return _outer_max(profile_x * drawn[..., None], profile_y), weights
