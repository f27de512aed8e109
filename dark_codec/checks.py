"""Checks of arguments that several classes take."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any


def checked_sigma(sigma: Any, name: str = 'sigma') -> float:
    """Return a standard deviation in heatmap px as a float.

    Raises:
        ValueError: If it is no positive number; True is none.
    """
    number = isinstance(sigma, Real) and not isinstance(sigma, bool)
    if not (number and 0 < sigma < math.inf):
        raise ValueError(
            f'{name} must be a positive number of heatmap px, got {sigma!r}'
        )
    return float(sigma)


def checked_flag(flag: Any, name: str) -> bool:
    """Return a flag; refuse 'no', 0 and what else is no boolean.

    Raises:
        ValueError: If it is neither True nor False.
    """
    if not isinstance(flag, bool):
        raise ValueError(f'{name} must be True or False, got {flag!r}')
    return flag
