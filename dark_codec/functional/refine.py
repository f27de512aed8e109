"""Sub-pixel positions of peaks: Eq. 1 and Eq. 3-9 of the paper."""

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
LOWEST = 1e-10
# In 1/px^2; a Gaussian of this curvature has a sigma of 100 px. Flatter tops
# are rounding noise.
MIN_CURVATURE = 1e-4


def quarter_shift(
    heatmaps: Tensor, peaks: Peaks, variant: str = 'sign'
) -> Tensor:
    """Shift by a quarter of a pixel towards higher neighbours: Eq. 1.

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
    x, y = peaks.x, peaks.y
    # on the border both neighbours are the peak itself, and the sign is 0
    step_x = ((x > 0) & (x < width - 1)) * 1
    step_y = ((y > 0) & (y < height - 1)) * width
    steps = torch.stack([step_x, step_y], 1)
    centre = (y * width + x)[:, None]
    flat = heatmaps.flatten(1)
    ahead, behind = (flat.gather(1, centre + s) for s in (steps, -steps))
    # not sign(ahead - behind): the difference of infinities is NaN
    return 0.25 * ((ahead > behind).float() - (ahead < behind).float())


def _second_shift(heatmaps: Tensor, peaks: Peaks) -> Tensor:
    width = heatmaps.shape[2]
    flat = heatmaps.flatten(1)
    index = (peaks.y * width + peaks.x)[:, None]
    others = flat.scatter(1, index, -math.inf)
    second = others.argmax(1)
    y = second // width
    x = second - y * width
    towards = torch.stack([x - peaks.x, y - peaks.y], 1).to(torch.float32)
    shift = towards * (0.25 / _length(towards).clamp(min=1.0))
    # nothing is second where all else is -inf
    exists = others.gather(1, second[:, None]).isfinite()
    return torch.where(exists, shift, 0.0)


def _length(vectors: Tensor) -> Tensor:
    """Return the length of vectors (M, 2), as (M, 1)."""
    return (vectors * vectors).sum(1, keepdim=True).sqrt()


def raw_stencil(heatmaps: Tensor, peaks: Peaks) -> tuple[Tensor, Tensor]:
    """Return the 5 x 5 px round each peak, without modulation.

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
    windows = gather_windows(heatmaps, peaks.x, peaks.y, STENCIL_RADIUS)
    return windows.values, windows.inside_x.all(1) & windows.inside_y.all(1)


class Derivatives(NamedTuple):
    """First and second derivatives of M log-maps, in 1/px and 1/px^2."""

    dx: Tensor
    dy: Tensor
    dxx: Tensor
    dxy: Tensor
    dyy: Tensor


def log_derivatives(stencil: Tensor) -> Derivatives:
    """Compute D' and D'' of Eq. 6-8 as finite differences of the log.

    As DarkPose takes them: first derivatives over +-1 px, pure second
    derivatives over +-2 px.

    Args:
        stencil (Tensor): The map at 5 x 5 px, (M, 5, 5), rows first.

    Returns:
        Derivatives: At the stencil's centre; NaN where it is not positive or
        another value is not finite.
    """
    centre = stencil[:, 2:3, 2:3]
    # the limit below would hide -inf
    total = stencil.sum((1, 2), keepdim=True)
    usable = (centre > 0) & total.isfinite()
    ratio = stencil / torch.where(usable, centre, math.nan)
    logs = ratio.clamp(min=LOWEST).log()

    def at(x: int, y: int) -> Tensor:
        return logs[:, 2 + y, 2 + x]

    return Derivatives(
        dx=0.5 * (at(1, 0) - at(-1, 0)),
        dy=0.5 * (at(0, 1) - at(0, -1)),
        dxx=0.25 * (at(2, 0) - 2 * at(0, 0) + at(-2, 0)),
        dxy=0.25 * (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)),
        dyy=0.25 * (at(0, 2) - 2 * at(0, 0) + at(0, -2)),
    )


def newton_step(d: Derivatives) -> tuple[Tensor, Tensor]:
    """Step to the maximum of the parabola: -D''^-1 D', Eq. 9.

    Args:
        d (Derivatives): At M points.

    Returns:
        tuple[Tensor, Tensor]: Steps (x, y) in px, (M, 2), not limited in any
        way, and a mask (M,): where it is False the parabola has no maximum
        (D'' is not negative definite, or not finite), and the step is 0.
    """
    determinant = d.dxx * d.dyy - d.dxy * d.dxy
    x = (d.dxy * d.dy - d.dyy * d.dx) / determinant
    y = (d.dxy * d.dx - d.dxx * d.dy) / determinant
    # comparisons with NaN are False
    solved = (
        (d.dxx < -MIN_CURVATURE)
        & (d.dyy < -MIN_CURVATURE)
        & (determinant > MIN_CURVATURE**2)
        & (determinant + x + y).isfinite()
    )
    step = torch.stack([x, y], 1)
    return torch.where(solved[:, None], step, 0.0), solved


def limit_step(step: Tensor, radius: float) -> Tensor:
    """Shorten steps (M, 2) to a trust region of this radius, both in px."""
    return step * (radius / _length(step).clamp(min=radius))
