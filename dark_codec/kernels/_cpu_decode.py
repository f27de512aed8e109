"""The kernels: loops over maps, from the pixels of each to a row of a table.

Each kernel has the digest of all sources in its closure; see
:func:`dark_codec.kernels._cpu_compile.sources`.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ._cpu_compile import compiled, part, sources
from ._cpu_fit import (
    Model,
    fit,
    room_to_fit,
    start_of_fit,
    write_fit_spread,
)
from ._cpu_maps import FLOAT32, cut_window, find_peak, read_map, u
from ._cpu_shift import ARGMAX, SECOND, second_shift, sign_shift
from ._cpu_smooth import (
    Smoothing,
    lowest_smoothed,
    raw_stencil,
    room_for_stencil,
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
# (B, K, H, W), strides, and the table with a row for each map
_MAPS = (
    'float32[::1], int16[::1], int64, UniTuple(int64, 4), UniTuple(int64, 4), '
    'float32[:, ::1]'
)
# the first of the maps to decode, and the one behind the last
_RANGE = 'int64, int64'


@part
def _map(floats, halves, kind, shape, strides, number, room):
    """One map as contiguous float32: a view, or else a copy in ``room``."""
    keypoints, height, width = shape[1], shape[2], shape[3]
    start = number // keypoints * strides[0] + number % keypoints * strides[1]
    if kind == FLOAT32 and strides[3] == 1 and strides[2] == width:
        return floats[start : start + height * width]
    size = u(width), u(height)
    read_map(floats, halves, kind, start, strides[2:], size, room)
    return room


@part
def _place(index, size):
    """Column and row of a pixel."""
    y = index // size[0]
    return index - y * size[0], y


@part
def _write_nothing(row, size):
    """Write the middle of the map, for maps without a valid peak."""
    row[0] = (np.float32(size[0]) - 1) / 2
    row[1] = (np.float32(size[1]) - 1) / 2
    row[2] = row[3] = 0
    write_unknown(row)


@part
def _write(row, peak, shift, score, refined):
    """Write all but the covariance."""
    row[0] = np.float32(peak[0]) + shift[0]
    row[1] = np.float32(peak[1]) + shift[1]
    row[2], row[3] = score, refined


@lru_cache
def shift_kernel() -> Any:
    """Compile the kernel of arg max and of quarter shifts."""
    digest = sources()

    @compiled(f'void({_MAPS}, int64, {_RANGE})')
    def decode(
        floats, halves, kind, shape, strides, table, variant, first, end
    ):
        digest  # noqa: B018
        size = u(shape[3]), u(shape[2])
        room = np.empty(size[0] * size[1], np.float32)
        for number in range(first, end):
            row = table[number]
            values = _map(floats, halves, kind, shape, strides, number, room)
            index, valid = find_peak(values)
            if not valid:
                _write_nothing(row, size)
                continue
            peak = _place(index, size)
            score = values[index]
            if variant == ARGMAX:
                shift = np.float32(0), np.float32(0)
            elif variant == SECOND:
                shift = second_shift(values, peak, size)
            else:
                shift = sign_shift(values, peak, size)
            _write(row, peak, shift, score, True)

    return decode


@lru_cache
def taylor_kernel() -> Any:
    """Compile the Taylor step on the log of a map.

    The map is smoothed first, unless the kernel has no taps.
    """
    digest = sources()

    @compiled(
        f'void({_MAPS}, float32[::1], float32[::1], float32[::1], boolean, '
        f'float32, float32, {_RANGE})'
    )
    def decode(
        floats,
        halves,
        kind,
        shape,
        strides,
        table,
        kernel,
        gain_x,
        gain_y,
        minmax,
        trust_radius,
        kernel_variance,
        first,
        end,
    ):
        digest  # noqa: B018
        size = u(shape[3]), u(shape[2])
        room = np.empty(size[0] * size[1], np.float32)
        smoothing = Smoothing(kernel, gain_x, gain_y)
        near_peak = room_for_stencil(kernel)
        stencil = near_peak[2]
        padded, bands = room_to_smooth(
            size[0] if minmax else u(0), size[1], kernel
        )
        for number in range(first, end):
            row = table[number]
            values = _map(floats, halves, kind, shape, strides, number, room)
            index, valid = find_peak(values)
            if not valid:
                _write_nothing(row, size)
                continue
            peak = _place(index, size)
            score = values[index]
            fits = True
            if kernel.size:
                smooth_stencil(values, peak, size, smoothing, near_peak)
            else:
                fits = raw_stencil(values, peak, size, stencil)
            if minmax:
                lowest = lowest_smoothed(
                    values, size, smoothing, padded, bands
                )
                subtract_lowest(stencil, lowest)
            derivatives = log_derivatives(stencil)
            step, solved = newton_step(derivatives)
            if solved and fits:
                step = limit_step(step, trust_radius)
                write_spread(
                    row, derivatives, kernel_variance, kernel_variance
                )
            else:
                solved = False
                step = sign_shift(values, peak, size)
                write_unknown(row)
            _write(row, peak, step, score, solved)

    return decode


@lru_cache
def fit_kernel() -> Any:
    """Compile the Gaussian fit."""
    digest = sources()

    @compiled(f'void({_MAPS}, float32[::1], float32, float32, {_RANGE})')
    def decode(
        floats,
        halves,
        kind,
        shape,
        strides,
        table,
        gaussian,
        sigma,
        trust_radius,
        first,
        end,
    ):
        digest  # noqa: B018
        size = u(shape[3]), u(shape[2])
        room = np.empty(size[0] * size[1], np.float32)
        window, fit_room = room_to_fit(gaussian)
        model = Model(gaussian, sigma, trust_radius)
        for number in range(first, end):
            row = table[number]
            values = _map(floats, halves, kind, shape, strides, number, room)
            index, valid = find_peak(values)
            if not valid:
                _write_nothing(row, size)
                continue
            peak = _place(index, size)
            score = values[index]
            edges = cut_window(values, peak, size, window)
            offset = start_of_fit(values, peak, size, sigma)
            offset, solved = fit(window, edges, offset, model, fit_room)
            if solved:
                write_fit_spread(row, window, edges, offset, model, fit_room)
            else:
                offset = sign_shift(values, peak, size)
                write_unknown(row)
            _write(row, peak, offset, score, solved)

    return decode
