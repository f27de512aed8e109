"""Checks of arguments that several classes take."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any


def is_number(value: Any) -> bool:
    """Return whether a value is a real number; True is none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def checked_sigma(sigma: Any, name: str = 'sigma') -> float:
    """Return a standard deviation in heatmap px as a float.

    Raises:
        ValueError: If it is no positive number; True is none.
    """
    if not (is_number(sigma) and 0 < sigma < math.inf):
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
