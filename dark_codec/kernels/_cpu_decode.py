"""The kernels: loops over maps, each from its pixels to its row of a table.

Each has a closure of its own for the digest of all sources; see
:func:`dark_codec.kernels._cpu_compile.sources`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ._cpu_compile import compiled, part, sources
from ._cpu_fit import (
    cut_window,
    fit,
    fit_derivatives,
    room_to_fit,
    start_of_fit,
)
from ._cpu_maps import FLOAT32, find_peak, read_map, sign_shift, u
from ._cpu_smooth import (
    lowest_smoothed,
    room_to_smooth,
    smooth_stencil,
    subtract_lowest,
)
from ._cpu_steps import (
    limit_step,
    log_derivatives,
    newton_step,
    write_spread,
    write_unknown,
)

# memory of the maps as float32 or as int16 (and what it holds), shape
# (B, K, H, W), strides, first and last map, and the table with a row for each
_MAPS = (
    'float32[::1], int16[::1], int64, UniTuple(int64, 4), UniTuple(int64, 4), '
    'int64, int64, float32[:, ::1]'
)


@part
def _map(floats, halves, kind, shape, strides, number, room):
    """One map as contiguous float32: where it lies, or a copy in a room."""
    keypoints, height, width = shape[1], shape[2], shape[3]
    start = number // keypoints * strides[0] + number % keypoints * strides[1]
    if kind == FLOAT32 and strides[3] == 1 and strides[2] == width:
        return floats[start : start + height * width]
    read_map(
        floats, halves, kind, start, strides[2:], (height, width), room
    )
    return room


@part
def _write_nothing(row, width, height):
    """The middle of the map, for maps that do not say where."""
    row[0], row[1] = (np.float32(width) - 1) / 2, (np.float32(height) - 1) / 2
    row[2] = row[3] = 0
    if row.size > 4:
        write_unknown(row)


@part
def _write(row, x, y, shift_x, shift_y, score, refined):
    row[0] = np.float32(x) + shift_x
    row[1] = np.float32(y) + shift_y
    row[2], row[3] = score, refined


@lru_cache
def shift_kernel() -> Any:
    """Arg max, and quarter shift."""
    digest = sources()

    @compiled(f'void({_MAPS}, boolean)')
    def decode(
        floats, halves, kind, shape, strides, first, last, table, shifted
    ):
        digest  # noqa: B018
        height, width = u(shape[2]), u(shape[3])
        room = np.empty(height * width, np.float32)
        for number in range(first, last):
            row = table[number]
            values = _map(floats, halves, kind, shape, strides, number, room)
            place, valid = find_peak(values)
            if not valid:
                _write_nothing(row, width, height)
                continue
            y = place // width
            x = place - y * width
            shift_x = shift_y = np.float32(0)
            if shifted:
                shift_x, shift_y = sign_shift(values, x, y, width, height)
            _write(row, x, y, shift_x, shift_y, values[place], True)

    return decode


@lru_cache
def taylor_kernel() -> Any:
    """Taylor step on the log of the map, smoothed or as it is."""
    digest = sources()

    @compiled(
        f'void({_MAPS}, float32[::1], float32[::1], float32[::1], boolean, '
        'float32, float32)'
    )
    def decode(
        floats,
        halves,
        kind,
        shape,
        strides,
        first,
        last,
        table,
        kernel,
        gain_x,
        gain_y,
        minmax,
        trust_radius,
        variance,
    ):
        digest  # noqa: B018
        height, width = u(shape[2]), u(shape[3])
        room = np.empty(height * width, np.float32)
        rows = np.zeros((5, kernel.size + 4), np.float32)
        s = np.zeros((5, 5), np.float32)
        padded, bands = room_to_smooth(
            width if minmax else u(0), height, kernel
        )
        for number in range(first, last):
            row = table[number]
            values = _map(floats, halves, kind, shape, strides, number, room)
            place, valid = find_peak(values)
            if not valid:
                _write_nothing(row, width, height)
                continue
            y = place // width
            x = place - y * width
            fits = True
            if kernel.size:
                smooth_stencil(
                    values, x, y, width, height, kernel, gain_x, gain_y,
                    rows, s,
                )
            else:
                fits = (
                    x >= u(2) and y >= u(2)
                    and x + u(2) < width and y + u(2) < height
                )
                if fits:
                    for j in range(u(5)):
                        for i in range(u(5)):
                            s[j, i] = values[
                                (y + j - u(2)) * width + x + i - u(2)
                            ]
            if minmax:
                lowest = lowest_smoothed(
                    values, width, height, kernel, gain_x, gain_y, padded,
                    bands,
                )
                subtract_lowest(s, lowest)
            d = log_derivatives(s)
            step_x, step_y, solved = newton_step(d)
            solved = solved and fits
            if solved:
                step_x, step_y = limit_step(step_x, step_y, trust_radius)
            else:
                step_x, step_y = sign_shift(values, x, y, width, height)
            _write(row, x, y, step_x, step_y, values[place], solved)
            if row.size > 4:
                if solved:
                    write_spread(row, d, variance, variance)
                else:
                    write_unknown(row)

    return decode


@lru_cache
def fit_kernel() -> Any:
    """Gaussian fit."""
    digest = sources()

    @compiled(f'void({_MAPS}, float32[::1], float32, float32)')
    def decode(
        floats,
        halves,
        kind,
        shape,
        strides,
        first,
        last,
        table,
        gaussian,
        sigma,
        trust_radius,
    ):
        digest  # noqa: B018
        height, width = u(shape[2]), u(shape[3])
        reach = u(gaussian.size) // u(2)
        room = np.empty(height * width, np.float32)
        window, fit_room = room_to_fit(gaussian)
        for number in range(first, last):
            row = table[number]
            values = _map(floats, halves, kind, shape, strides, number, room)
            place, valid = find_peak(values)
            if not valid:
                _write_nothing(row, width, height)
                continue
            y = place // width
            x = place - y * width
            edges = cut_window(values, x, y, width, height, reach, window)
            offset_x = offset_y = np.float32(0)
            if sigma < np.float32(1):
                offset_x, offset_y = start_of_fit(
                    values, x, y, width, height, sigma
                )
            offset_x, offset_y, solved = fit(
                window, edges, offset_x, offset_y, sigma, trust_radius,
                gaussian, fit_room,
            )
            if row.size > 4:
                if solved:
                    d, variance_x, variance_y = fit_derivatives(
                        window, edges, offset_x, offset_y, sigma, gaussian,
                        fit_room,
                    )
                    square = sigma * sigma
                    write_spread(
                        row,
                        d,
                        square * square / variance_x - square,
                        square * square / variance_y - square,
                    )
                else:
                    write_unknown(row)
            if not solved:
                offset_x, offset_y = sign_shift(values, x, y, width, height)
            _write(row, x, y, offset_x, offset_y, values[place], solved)

    return decode
