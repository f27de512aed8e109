"""The kernel: a loop over maps, from pixels to a row of a table for each."""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float32, int16, int64, types

from .compile import compiled, part, sources
from .fit import fit, room_to_fit
from .maps import Heatmaps, find_peak, read_map, u
from .shift import second_shift, sign_shift
from .smooth import (
    Smoothing,
    lowest_smoothed,
    raw_stencil,
    room_for_stencil,
    room_to_smooth,
    smooth_stencil,
    subtract_lowest,
)
from .taylor import taylor_step


class Model(NamedTuple):
    """What a decoder refines peaks with, for maps of one size.

    Attributes:
        taps (float32[:]): The modulation's kernel, or the Gaussian that is
            fitted; symmetric, of odd number. Empty for neither.
        gain_x (float32[:]): What a modulated value is multiplied by, for
            the columns -2 to width + 1: see :mod:`.smooth`.
        gain_y (float32[:]): The same for the rows.
        minmax (bool): Whether the lowest modulated value is subtracted.
        sigma (float): Of the Gaussian, or the root of the modulation's
            second moment, in px.
        trust_radius (float): Limit of the offset from the peak, in px.
    """

    taps: Any
    gain_x: Any
    gain_y: Any
    minmax: bool
    sigma: np.float32
    trust_radius: np.float32


# Plain tuples: to look at a named one takes numba 30 us at each call
_HEATMAPS = types.Tuple(
    (
        float32[::1],
        int16[::1],
        int64,
        types.UniTuple(int64, 4),
        types.UniTuple(int64, 4),
    )
)
_MODEL = types.Tuple(
    (float32[::1], float32[::1], float32[::1], boolean, float32, float32)
)


@part
def _write(row, x, y, score, refined):
    row[0], row[1], row[2], row[3] = x, y, score, refined


@lru_cache
def kernel_of(method: str) -> Any:
    """Compile the kernel of a method.

    Args:
        method (str): As in :class:`dark_codec.kernels.Recipe`.

    Returns:
        Callable: Decodes the maps from number ``first`` to before ``end``
        into their rows of a table.
    """
    digest = sources()  # kept in the closure: see sources()

    @compiled(types.void(_HEATMAPS, float32[:, ::1], _MODEL, int64, int64))
    def decode(memory, table, numbers, first, end):
        digest  # noqa: B018
        heatmaps, model = Heatmaps(*memory), Model(*numbers)
        height, width = u(heatmaps.shape[2]), u(heatmaps.shape[3])
        pixels = np.empty(width * height, np.float32)
        # numba leaves out the branches of other methods
        if method == 'taylor':
            smoothing = Smoothing(model.taps, model.gain_x, model.gain_y)
            near_peak = room_for_stencil(model.taps)
            stencil = near_peak[-1]
            columns = width if model.minmax else u(0)
            whole_map = room_to_smooth(columns, height, model.taps)
            smooth, variance = model.taps.size > 0, model.sigma * model.sigma
        elif method == 'fit':
            room = room_to_fit(model)
        for number in range(first, end):
            row = table[number]
            if row.size > 4:
                row[4] = row[7] = np.inf
                row[5] = row[6] = 0
            values = read_map(heatmaps, number, pixels)
            here, valid = find_peak(values, width, height)
            if not valid:
                middle_x = (np.float32(width) - 1) / 2
                middle_y = (np.float32(height) - 1) / 2
                _write(row, middle_x, middle_y, 0, False)
                continue
            offset, refined = (np.float32(0), np.float32(0)), True
            if method == 'sign':
                offset = sign_shift(here)
            elif method == 'second':
                offset = second_shift(here)
            elif method == 'taylor':
                if smooth:
                    smooth_stencil(here, smoothing, near_peak)
                else:
                    refined = raw_stencil(here, stencil)
                if model.minmax:
                    lowest = lowest_smoothed(here, smoothing, whole_map)
                    subtract_lowest(stencil, lowest)
                if refined:
                    offset, refined = taylor_step(
                        stencil, variance, model.trust_radius, row
                    )
            elif method == 'fit':
                offset, refined = fit(here, model, room, row)
            if not refined:
                offset = sign_shift(here)
            x, y = np.float32(here.x), np.float32(here.y)
            score = values[here.y * width + here.x]
            _write(row, x + offset[0], y + offset[1], score, refined)

    return decode
