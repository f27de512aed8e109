"""From a peak to a sub-pixel position: Eq. 1 and Eq. 3-9 of the paper."""

from __future__ import annotations

import math
from typing import NamedTuple

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
    # nothing is second where all else is -inf
    exists = others.gather(1, second[:, None]).isfinite()
    return torch.where(exists, 0.25 * towards / length.clamp(min=1), 0.0)


def raw_stencil(heatmaps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
    """The 5 x 5 px round each peak as they are, without modulation.

    Args:
        heatmaps (Tensor): Shape (M, H, W), any floating dtype.
        peaks (Peaks): From :func:`find_peaks`.

    Returns:
        tuple[Tensor, Tensor]: The stencils (M, 5, 5), float32, and a mask
        (M,): where it is False the peak is nearer than 2 px to the border,
        and its stencil is of no use. (To expand the series a little inside
        is exact on clean Gaussians, but with 1 % of noise the flank's log is
        worth less than a quarter shift.)
    """
    size = 2 * STENCIL_RADIUS + 1
    if min(heatmaps.shape[1:]) < size:
        stencil = torch.zeros(len(heatmaps), size, size)
        return stencil.to(heatmaps.device), torch.zeros_like(peaks.valid)
    stencil, column, row = gather_windows(
        heatmaps, peaks.x, peaks.y, STENCIL_RADIUS
    )
    return stencil, (column == STENCIL_RADIUS) & (row == STENCIL_RADIUS)


class Derivatives(NamedTuple):
    """First and second derivatives of M log-maps, in 1/px and 1/px^2."""

    dx: Tensor
    dy: Tensor
    dxx: Tensor
    dxy: Tensor
    dyy: Tensor


def log_derivatives(stencil: Tensor) -> Derivatives:
    """D' and D'' of Eq. 6-8: the log's finite differences.

    As DarkPose takes them: first derivatives over +-1 px, pure second
    derivatives over +-2 px.

    Args:
        stencil (Tensor): The map at 5 x 5 px, (M, 5, 5), rows first.

    Returns:
        Derivatives: At the stencil's centre; not finite where the centre is
        not positive or another value is not finite.
    """
    centre = stencil[:, 2:3, 2:3]
    # the clamp below would hide -inf
    ratio = torch.where(
        (centre > 0) & stencil.isfinite(), stencil / centre, math.nan
    )
    log = torch.log(ratio.clamp(min=_LOWEST))
    return Derivatives(
        dx=0.5 * (log[:, 2, 3] - log[:, 2, 1]),
        dy=0.5 * (log[:, 3, 2] - log[:, 1, 2]),
        dxx=0.25 * (log[:, 2, 4] + log[:, 2, 0]),
        dxy=0.25 * (log[:, 3, 3] - log[:, 1, 3] - log[:, 3, 1] + log[:, 1, 1]),
        dyy=0.25 * (log[:, 4, 2] + log[:, 0, 2]),
    )


def newton_step(d: Derivatives) -> tuple[Tensor, Tensor]:
    """To the maximum of the parabola through a point: -D''^-1 D', Eq. 9.

    Args:
        d (Derivatives): At M points.

    Returns:
        tuple[Tensor, Tensor]: Steps (x, y) in px, (M, 2), not limited in any
        way, and a mask (M,): where it is False the parabola has no maximum
        (D'' is not negative definite, or not finite), and the step is 0.
    """
    determinant = d.dxx * d.dyy - d.dxy * d.dxy
    step = torch.stack(
        [d.dxy * d.dy - d.dyy * d.dx, d.dxy * d.dx - d.dxx * d.dy], 1
    )
    step = step / determinant[:, None]
    # comparisons with NaN are False
    solved = (
        (d.dxx < -_MIN_CURVATURE)
        & (d.dyy < -_MIN_CURVATURE)
        & (determinant > _MIN_CURVATURE**2)
        & determinant.isfinite()
        & step.isfinite().all(1)
    )
    return torch.where(solved[:, None], step, 0.0), solved


def limit_step(step: Tensor, radius: float) -> Tensor:
    """Shorten steps (M, 2) to a trust region of this radius, both in px."""
    length = step.square().sum(1, keepdim=True).sqrt()
    return step * (radius / length.clamp(min=radius))
