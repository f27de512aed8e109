"""Expected OKS of a keypoint, read from its heatmap.

A network trained by MSE on targets ``exp(-|x - mu|^2 / (2 s^2))`` predicts
their mean. Let it believe that the keypoint exists with probability p, and
then lies at mu ~ N(m, C). Round m the mean of its targets is

    h(x) = a exp(-(x - m)' S^-1 (x - m) / 2),    S = s^2 1 + C,

with a = p s^2 / sqrt(det S). DARK's Hessian gives S, so

    p = a sqrt(det S) / s^2.

OKS is ``exp(-|mu - m|^2 / (2 t^2))`` with the keypoint's tolerance t, and 0
for a keypoint that is not there. Its expectation is the same integral again:

    E[OKS] = p / sqrt(det(1 + C / t^2)).

More than one keypoint there cannot be. Where p > 1 the map is wider than its
height allows (tails, smoothing at a border); the height is the surer of the
two, and C shrinks to the k C of mass 1:

    a^2 det(1 + k C / s^2) = 1.

For t = s that is a: the height of a peak is the expected OKS of a keypoint
whose tolerance happens to be the sigma of the targets, and of no other.

Source: our own, from Eq. 3 and 6-8 of the paper. OKS: Ronchi and Perona,
ICCV 2017, and cocodataset.org/#keypoints-eval, where k = 2 sigma_k and s^2 is
the person's area, so that t = 2 sigma_k sqrt(area).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .coords import Size


def oks_tolerance(sigmas: Tensor, area: float, heatmap_size: Size) -> Tensor:
    """Return each keypoint's tolerance t = 2 sigma_k sqrt(area).

    Args:
        sigmas (Tensor): COCO's sigma of each keypoint, (K,).
        area (float): The person's area as a share of the heatmap's.
        heatmap_size (Size): Size (W, H).

    Returns:
        Tensor: In heatmap px, (K,).
    """
    width, height = heatmap_size
    return sigmas * (2 * math.sqrt(area * width * height))


def expected_oks(
    height: Tensor,
    covariance: Tensor,
    points: Tensor,
    heatmap_size: Size,
    sigma: float,
    tolerance: Tensor,
    spread: float = 1.0,
) -> Tensor:
    """Compute the expected OKS of keypoints.

    Args:
        height (Tensor): Values of the highest pixels, (..., K).
        covariance (Tensor): S, the maps' covariances round their peaks in
            heatmap px^2, (..., K, 2, 2), as decoders return them: infinite
            where they are unknown. Those keypoints keep their height.
        points (Tensor): m, the peaks' positions in heatmap px, (..., K, 2).
            A peak is higher than its highest pixel, at s = 1 px by 8 % on
            average and by up to 28 %.
        heatmap_size (Size): Size (W, H).
        sigma (float): s, that of the training targets in heatmap px.
        tolerance (Tensor): t in heatmap px, (K,).
        spread (float): The share of C that is error of the keypoint. Defaults
            to 1, what the derivation says.

    Returns:
        Tensor: Shape (..., K), float32, from 0 to 1.
    """
    height, covariance, points, tolerance = (
        x.float() for x in (height, covariance, points, tolerance)
    )
    # in units of s^2, in which the targets' own covariance is 1
    covariance = covariance / sigma**2
    xx, xy, yy = (covariance[..., i, j] for i, j in ((0, 0), (0, 1), (1, 1)))
    known = (xx + yy).isfinite()
    mean, half = 0.5 * (xx + yy), 0.5 * (xx - yy)
    mean, half, xy = (torch.where(known, v, 0.0) for v in (mean, half, xy))
    radius = (half * half + xy * xy).sqrt()
    # no mean of Gaussians is narrower than they are
    larger = (mean + radius).clamp(min=1)
    smaller = (mean - radius).clamp(min=1)
    # S^-1 in the form of (mean, half, xy)
    inverse_mean = 0.5 * (1 / larger + 1 / smaller)
    scale = 0.5 * (1 / larger - 1 / smaller) / radius.clamp(min=1e-12)
    inverse = inverse_mean, scale * half, scale * xy
    square = _highest_pixel(points, heatmap_size, inverse) / sigma**2
    peak = height.clamp(min=0) * (0.5 * square).exp()
    present = (peak * (larger * smaller).sqrt()).clamp(max=1)
    # k, above 1 where the mass is below; in the form that bears det C = 0
    trace, det = larger + smaller - 2, (larger - 1) * (smaller - 1)
    excess = (peak.clamp(min=1e-6) ** -2 - 1).clamp(min=0)
    root = (trace * trace + 4 * det * excess).sqrt()
    allowed = (2 * excess / (trace + root).clamp(min=1e-12)).clamp(max=1)
    share = allowed * spread * sigma**2 / (tolerance * tolerance)
    product = (1 + (larger - 1) * share) * (1 + (smaller - 1) * share)
    return torch.where(known, present / product.sqrt(), height.clamp(0, 1))


def _highest_pixel(
    points: Tensor,
    heatmap_size: Size,
    inverse: tuple[Tensor, Tensor, Tensor],
) -> Tensor:
    """Return the least d' A d of the four pixels round each point.

    Args:
        points (Tensor): Points (x, y) in heatmap px, (..., K, 2).
        heatmap_size (Size): Size (W, H).
        inverse (tuple[Tensor, Tensor, Tensor]): Half of A's trace, half the
            difference of its xx and yy, and its xy, (..., K) each.
    """
    # (..., K, 2): to the pixel before and to the one behind
    x, y = (
        points[..., axis, None]
        - torch.stack([below, below + 1], -1).clamp(0, heatmap_size[axis] - 1)
        for axis, below in enumerate(points.floor().unbind(-1))
    )
    x, y = x[..., :, None], y[..., None, :]
    mean, half, xy = (part[..., None, None] for part in inverse)
    squares = mean * (x * x + y * y) + half * (x * x - y * y) + 2 * xy * x * y
    return squares.amin((-2, -1))
