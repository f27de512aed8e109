"""From a peak to a sub-pixel position: Eq. 1 and Eq. 3-9 of the paper."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .modulate import STENCIL_RADIUS
from .peaks import Peaks, gather_windows

SHIFTS = ('sign', 'second')

# Relative to the stencil's centre: log(0) must not arise, and what is lower
# than this beside a peak is no Gaussian's flank (float32 has 7 digits).
_LOWEST = 1e-10
# In 1/px^2; a Gaussian of this curvature has a sigma of 100 px. Flatter tops
# are rounding noise.
_MIN_CURVATURE = 1e-4


def quarter_shift(
    heatmaps: Tensor, peaks: Peaks, variant: str = 'sign'
) -> Tensor:
    """A quarter of a pixel towards the higher neighbours: Eq. 1.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.
        variant (str): ``'sign'`` steps by 0.25 px along each axis towards
            the higher of the two neighbours, as HRNet and MMPose do.
            ``'second'`` is Eq. 1 to the letter: 0.25 px from the highest
            towards the second-highest pixel of the whole map.

    Returns:
        Tensor: Offsets (x, y) from the peak in heatmap px, (M, 2), float32.
        A peak on the border is not shifted across that axis, since one of
        its neighbours is unknown.

    Raises:
        ValueError: If ``variant`` is unknown.
    """
    if variant == 'sign':
        return _sign_shift(heatmaps, peaks)
    if variant == 'second':
        return _second_shift(heatmaps, peaks)
    raise ValueError(f'variant must be one of {list(SHIFTS)}, got {variant!r}')


def _sign_shift(heatmaps: Tensor, peaks: Peaks) -> Tensor:
    height, width = heatmaps.shape[1:]
    flat = heatmaps.flatten(1)
    index = peaks.y * width + peaks.x
    inside_x = (peaks.x > 0) & (peaks.x < width - 1)
    inside_y = (peaks.y > 0) & (peaks.y < height - 1)
    # on the border both neighbours are the peak itself, and the sign is 0
    step_x, step_y = inside_x.to(index.dtype), inside_y * width
    neighbours = torch.stack(
        [index + step_x, index + step_y, index - step_x, index - step_y], 1
    )
    ahead, behind = flat.gather(1, neighbours).to(torch.float32).split(2, 1)
    # not sign(ahead - behind): the difference of infinities is NaN
    return 0.25 * (
        (ahead > behind).to(torch.float32) - (ahead < behind).to(torch.float32)
    )


def _second_shift(heatmaps: Tensor, peaks: Peaks) -> Tensor:
    height, width = heatmaps.shape[1:]
    first = (peaks.y * width + peaks.x)[:, None]
    if height * width == 1:
        return torch.zeros_like(first, dtype=torch.float32).expand(-1, 2)
    others = heatmaps.flatten(1).scatter(1, first, -math.inf)
    second = others.argmax(1)
    y = torch.div(second, width, rounding_mode='floor')
    towards = torch.stack([second - y * width - peaks.x, y - peaks.y], 1)
    towards = towards.to(torch.float32)
    length = towards.square().sum(1, keepdim=True).sqrt()
    # second is the peak itself where all else is -inf
    return 0.25 * towards / length.clamp(min=1)


def raw_stencil(
    heatmaps: Tensor, peaks: Peaks
) -> tuple[Tensor, Tensor, Tensor]:
    """The 5 x 5 px round each peak as they are, without modulation.

    Near the border the stencil is moved into the map: a Taylor series may be
    expanded anywhere near the peak, and on a Gaussian any place is exact.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.

    Returns:
        tuple[Tensor, Tensor, Tensor]: The stencils (M, 5, 5), float32; the
        way (x, y) from the peak to the stencil's centre in heatmap px,
        (M, 2), float32; and a mask (M,), False where the map is too small
        for a stencil (its values are then all 0).
    """
    size = 2 * STENCIL_RADIUS + 1
    if min(heatmaps.shape[1:]) < size:
        count = len(heatmaps)
        return (
            torch.zeros(count, size, size, device=heatmaps.device),
            torch.zeros(count, 2, device=heatmaps.device),
            torch.zeros(count, dtype=torch.bool, device=heatmaps.device),
        )
    stencil, column, row = gather_windows(
        heatmaps, peaks.x, peaks.y, STENCIL_RADIUS
    )
    moved = STENCIL_RADIUS - torch.stack([column, row], 1)
    return (
        stencil,
        moved.to(torch.float32),
        torch.ones_like(column, dtype=torch.bool),
    )


def _derivatives(stencil: Tensor) -> tuple[Tensor, ...]:
    """Dx, Dy, Dxx, Dxy, Dyy of the log at the centre of (M, 5, 5) stencils.

    The same finite differences as DarkPose: first derivatives over +-1 px,
    pure second derivatives over +-2 px.
    """
    centre = stencil[:, 2:3, 2:3]
    log = torch.log((stencil / centre).clamp(min=_LOWEST))
    dx = 0.5 * (log[:, 2, 3] - log[:, 2, 1])
    dy = 0.5 * (log[:, 3, 2] - log[:, 1, 2])
    dxx = 0.25 * (log[:, 2, 4] + log[:, 2, 0])
    dyy = 0.25 * (log[:, 4, 2] + log[:, 0, 2])
    dxy = 0.25 * (log[:, 3, 3] - log[:, 1, 3] - log[:, 3, 1] + log[:, 1, 1])
    return dx, dy, dxx, dxy, dyy


def taylor_step(stencil: Tensor) -> tuple[Tensor, Tensor]:
    """One Newton step on the log of a map: -D''^-1 D', Eq. 7-9.

    Args:
        stencil (Tensor): The map at 5 x 5 px, (M, 5, 5), rows first.

    Returns:
        tuple[Tensor, Tensor]: Offsets (x, y) from the stencil's centre in
        heatmap px, (M, 2), float32, not limited in any way; and a mask (M,):
        where it is False the map has no maximum here (D'' is not negative
        definite, or not finite), and the offset is 0.
    """
    dx, dy, dxx, dxy, dyy = _derivatives(stencil)
    determinant = dxx * dyy - dxy * dxy
    offset = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], 1)
    offset = offset / determinant[:, None]
    # comparisons with NaN are False
    solved = (
        (stencil[:, 2, 2] > 0)
        & (dxx < -_MIN_CURVATURE)
        & (dyy < -_MIN_CURVATURE)
        & (determinant > _MIN_CURVATURE**2)
        & offset.isfinite().all(1)
    )
    return torch.where(solved[:, None], offset, 0.0), solved


def limit_step(offset: Tensor, radius: float) -> Tensor:
    """Shorten offsets (M, 2) to the trust region's radius, both in px."""
    length = offset.square().sum(1, keepdim=True).sqrt()
    return offset * (radius / length.clamp(min=radius))
