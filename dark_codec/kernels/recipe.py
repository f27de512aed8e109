"""What a fused kernel needs to know about a decoder."""

from __future__ import annotations

from typing import NamedTuple


class Recipe(NamedTuple):
    """A decoder in numbers, hashable: kernels are compiled for each.

    Attributes:
        method (str): ``'argmax'``, ``'sign'`` or ``'second'`` (variants of
            the quarter shift), ``'taylor'`` or ``'fit'``.
        kernel (tuple[float, ...], optional): The modulation's taps, of odd
            number, for ``'taylor'``; None for no modulation.
        minmax (bool): Whether the smoothed map's lowest value is subtracted
            (Eq. 11).
        trust_radius (float): Limit of the whole offset in heatmap px, for
            ``'taylor'``.
        sigma (float): Of the Gaussian in heatmap px, for ``'fit'``.
        covariance (bool): Whether covariances are wanted.
    """

    method: str
    kernel: tuple[float, ...] | None = None
    minmax: bool = False
    trust_radius: float = 1.0
    sigma: float = 0.0
    covariance: bool = False
