"""What numpy and torch spell differently.

The functions of this package work on torch tensors of any device, and as
well on numpy arrays: they use operators, and functions that both libraries
have under one name and with the same positional arguments, taken from
:func:`namespace`. numpy is the faster of the two on a CPU, by a factor of
ten for the arg max and of two for the many small steps, so the decoders hand
tensors that lie in host memory over as arrays (:func:`host_array`), without
a copy. Accelerators, tracing, compiling and exporting see tensors only.

This module is the only one that asks which of the two it has.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# A numpy array or a torch tensor; all arrays of one call are of one kind
Array = Any
# Rows of an array: all of them, or on the host their indices
Rows = slice | np.ndarray
ALL = slice(None)

# torch.compiler came with torch 2.1
_is_compiling: Callable[[], bool] = getattr(
    getattr(torch, 'compiler', None), 'is_compiling', lambda: False
)
_assume_constant: Callable[[Callable], Callable] = getattr(
    getattr(torch, 'compiler', None),
    'assume_constant_result',
    lambda function: function,
)


# How many maps to decode at a time: what is read twice is then still in the
# cache of a server processor
PIECE = 1100
# How many maps to filter at a time: the fastest on an x86 server core
_AT_ONCE = 32


def _is_traced() -> bool:
    return torch.jit.is_tracing() or _is_compiling()


def host_array(tensor: Tensor) -> np.ndarray | None:
    """The memory of a CPU tensor as a float32 array, None for all others.

    float32 is not copied. Other floating types are: numpy has no bfloat16,
    and is slow on float16.
    """
    on_host = type(tensor) is Tensor and tensor.is_cpu
    if not on_host or _is_traced():
        return None
    # each call into torch costs a microsecond
    if tensor.dtype is not torch.float32:
        if not tensor.is_floating_point():
            return None
        tensor = tensor.to(torch.float32)
    if tensor.requires_grad:
        tensor = tensor.detach()
    return tensor.numpy()


def namespace(array: Array) -> ModuleType:
    """The library of an array: numpy or torch."""
    return np if isinstance(array, np.ndarray) else torch


def quiet(array: Array) -> AbstractContextManager:
    """No warnings of divisions by zero: what they make is masked."""
    if isinstance(array, np.ndarray):
        return np.errstate(all='ignore')
    return nullcontext()


def float32(array: Array) -> Array:
    """Cast to float32."""
    if isinstance(array, np.ndarray):
        return array.astype(np.float32, copy=False)
    return array.to(torch.float32)


def at_least(array: Array, low: float) -> Array:
    """Elementwise maximum with a number; NaN stays."""
    if isinstance(array, np.ndarray):
        return np.maximum(array, np.float32(low))
    return array.clamp(min=low)


def select(mask: Array, array: Array, other: Array | float) -> Array:
    """``where``, which on the host costs nothing if the mask is all True."""
    if known_to_be_all(mask):
        return array
    if mask.ndim < array.ndim:
        mask = mask[:, None]
    return namespace(array).where(mask, array, other)


def completed(
    mask: Array, array: Array, rest: Callable[[Any], Array]
) -> Array:
    """An array (M, n) where a mask (M,) is True, and ``rest`` elsewhere.

    On the host ``rest`` is called with the rows that need it only, and not at
    all if there are none.
    """
    if not isinstance(mask, np.ndarray):
        return torch.where(mask[:, None], array, rest(slice(None)))
    if known_to_be_all(mask):
        return array
    rows = np.flatnonzero(~mask)
    array = array.copy()
    array[rows] = rest(rows)
    return array


def rows_left(rows: Rows, step: Array, tolerance: float) -> Rows:
    """Of these rows those whose step (M, n) is not below a tolerance.

    Known on the host only; elsewhere all.
    """
    if not isinstance(step, np.ndarray):
        return ALL
    left = np.flatnonzero(np.abs(step).max(1) >= tolerance)
    return left if isinstance(rows, slice) else rows[left]


def is_empty(rows: Rows) -> bool:
    """Whether it is known that there is none."""
    return isinstance(rows, np.ndarray) and len(rows) == 0


def with_rows(array: Array, rows: Rows, values: Array) -> Array:
    """An array with other values in some rows; may be changed itself."""
    if isinstance(rows, slice):
        return values
    array[rows] = values
    return array


def pairs(x: Array, y: Array) -> Array:
    """Two (M,) to (M, 2), float32."""
    if not isinstance(x, np.ndarray):
        return torch.stack([x, y], 1).to(torch.float32)
    # np.stack has microseconds of checks
    both = np.empty((len(x), 2), np.float32)
    both[:, 0], both[:, 1] = x, y
    return both


def within(index: Array, low: int, high: int) -> Array:
    """Integers limited to [low, high]."""
    if isinstance(index, np.ndarray):
        return np.minimum(np.maximum(index, low), high)
    return index.clamp(low, high)


def flat_maps(maps: Array) -> Array:
    """(M, H, W) to (M, H * W), for no maps as well, where -1 is ambiguous."""
    count, height, width = maps.shape
    return maps.reshape(count, height * width)


def take(rows: Array, index: Array) -> Array:
    """rows[i, index[i]] for each row: (M, P) and (M, n) to (M, n)."""
    if isinstance(rows, np.ndarray):
        return rows[np.arange(len(rows))[:, None], index]
    return rows.gather(1, index)


def pick(rows: Array, index: Array) -> Array:
    """rows[i, index[i]] for each row: (M, P) and (M,) to (M,)."""
    if isinstance(rows, np.ndarray):
        return rows[np.arange(len(rows)), index]
    return rows.gather(1, index[:, None])[:, 0]


def arange_like(count: int, array: Array) -> Array:
    """0 ... count - 1 as float32, beside an array."""
    if isinstance(array, np.ndarray):
        return np.arange(count, dtype=np.float32)
    return torch.arange(count, dtype=torch.float32, device=array.device)


def zeros_like(array: Array, shape: tuple[int, ...]) -> Array:
    """Zeros of another shape, float32, beside an array."""
    if isinstance(array, np.ndarray):
        return np.zeros(shape, np.float32)
    return torch.zeros(shape, device=array.device)


Build = Callable[..., np.ndarray]


@lru_cache(maxsize=64)
def _host_table(build: Build, args: tuple) -> np.ndarray:
    return build(*args)


@lru_cache(maxsize=64)
def _device_table(build: Build, args: tuple, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.as_tensor(_host_table(build, args), device=device)


@_assume_constant  # the compiler cannot follow numpy's index arithmetic
def _traced_table(build: Build, args: tuple) -> Tensor:
    return torch.tensor(build(*args).tolist())


def table_like(array: Array, build: Build, *args: Any) -> Array:
    """The constant ``build(*args)`` beside an array, made there only once.

    Copying it at each call would make the host wait for the device. A tracer
    gets a new constant: what it sees must not outlive the trace.
    """
    if isinstance(array, np.ndarray):
        return _host_table(build, args)
    if _is_traced():
        return _traced_table(build, args).to(array.device)
    return _device_table(build, args, array.device)


def known_to_be_all(mask: Array) -> bool:
    """Whether an array is all True; a tensor is not asked.

    To know would make the host wait for the device, and a traced graph cannot
    depend on it.
    """
    return isinstance(mask, np.ndarray) and bool(mask.all())


def is_constant(rows: Array, value: Array, first: Array) -> Array:
    """Which rows are nowhere below their maximum.

    Args:
        rows (Array): Shape (M, P).
        value (Array): The maximum of each row, (M,).
        first (Array): Where it is found first, (M,): 0 in constant rows.
    """
    if not isinstance(rows, np.ndarray):
        return (first == 0) & (rows.amin(1) == value)
    constant = np.zeros(len(rows), bool)
    if not first.all():
        suspects = np.flatnonzero(first == 0)
        constant[suspects] = rows[suspects].min(1) == value[suspects]
    return constant


@lru_cache
def _bytes_dtype(size: int) -> np.dtype:
    return np.dtype((np.void, size))


def cut_patches(
    maps: Array, left: Array, top: Array, width: int, height: int
) -> Array:
    """Cut one patch out of each map.

    Args:
        maps (Array): Shape (M, H, W).
        left (Array): First column of each patch, (M,), int64.
        top (Array): First row of each patch, (M,), int64.
        width (int): Columns of a patch, at most W.
        height (int): Rows of a patch, at most H.

    Returns:
        Array: Shape (M, height, width), float32.
    """
    if isinstance(maps, np.ndarray):
        # All patches of all maps as a view, whose elements are whole rows of
        # a patch: they are copied twice as fast as single values.
        maps = np.ascontiguousarray(maps)
        count, rows, columns = maps.shape
        view: np.ndarray = np.ndarray(
            (count, rows - height + 1, columns - width + 1, height),
            _bytes_dtype(width * maps.itemsize),
            maps.data,
            strides=(*maps.strides, maps.strides[1]),
        )
        patches = view[np.arange(count), top, left].view(maps.dtype)
        return patches.reshape(count, height, width)
    y = top[:, None] + torch.arange(height, device=maps.device)
    x = left[:, None] + torch.arange(width, device=maps.device)
    index = y[:, :, None] * maps.shape[2] + x[:, None, :]
    patches = maps.flatten(1).gather(1, index.flatten(1))
    return patches.view(index.shape).to(torch.float32)


def bilinear_forms(rows: Array, patches: Array, columns: Array) -> Array:
    """Rows @ patches @ columns^T in full float32.

    For tensors this is written out in products and sums, because matmul
    drops to half precision under autocast, and to TF32 where a user allows
    that: the log of a smoothed peak needs all 24 bits.

    Args:
        rows (Array): Shape (M, R, height).
        patches (Array): Shape (M, height, width).
        columns (Array): Shape (M, C, width).

    Returns:
        Array: Shape (M, R, C), float32.
    """
    if isinstance(patches, np.ndarray):
        return rows @ patches @ columns.swapaxes(1, 2)
    # row by row: all rows at once would need R times the memory of the
    # patches
    product = torch.stack(
        [(row[:, :, None] * patches).sum(1) for row in rows.unbind(1)], 1
    )
    return (product[:, :, None, :] * columns[:, None]).sum(-1)


def outer(column: Array, row: Array) -> Array:
    """Products of all pairs: (..., H) and (..., W) to (..., H, W)."""
    if isinstance(column, np.ndarray):
        # a third faster than the product, whose rows are short
        return np.einsum('...i,...j->...ij', column, row)
    return column[..., :, None] * row[..., None, :]


def weighted_sums(values: Array, weights: Array) -> Array:
    """Values @ weights in full float32: (M, P) and (P, n) to (M, n)."""
    if isinstance(values, np.ndarray):
        return values @ weights
    return (values[:, :, None] * weights).sum(1)


def filter_maps(maps: Array, taps: tuple[float, ...], gain: Build) -> Array:
    """Filter both axes of maps with a short kernel, in full float32.

    Args:
        maps (Array): Shape (M, H, W); zero outside.
        taps (tuple[float, ...]): The kernel, of odd length.
        gain (Callable): ``gain(taps, length)`` gives a factor for each
            position of an axis, (length,).

    Returns:
        Array: Shape (M, H, W), float32.
    """
    height, width = maps.shape[1:]
    if isinstance(maps, np.ndarray) or torch.onnx.is_in_onnx_export():
        # As products with matrices: BLAS is faster than any loop over taps.
        # So it is in an exported graph, where a runtime that computes in
        # TF32 does little harm: decoders want the minimum only.
        maps = float32(maps)
        along_y = table_like(maps, _filter_matrix, taps, gain, height)
        along_x = table_like(maps, _filter_matrix, taps, gain, width)
        rows = maps.reshape(-1, width) @ along_x.T
        return along_y @ rows.reshape(maps.shape)
    # tap by tap, for the reason that bilinear_forms gives
    reach = len(taps) // 2
    padded = F.pad(maps.to(torch.float32), (reach,) * 4)
    rows, filtered = 0.0, 0.0
    for tap, weight in enumerate(taps):
        rows = rows + weight * padded[:, tap : tap + height]
    for tap, weight in enumerate(taps):
        filtered = filtered + weight * rows[:, :, tap : tap + width]
    gain_y = table_like(maps, gain, taps, height)
    return filtered * gain_y[:, None] * table_like(maps, gain, taps, width)


def lowest_filtered(
    maps: Array, taps: tuple[float, ...], gain: Build
) -> Array:
    """Minimum of each filtered map, (M,); see :func:`filter_maps`."""
    if not isinstance(maps, np.ndarray):
        return filter_maps(maps, taps, gain).amin((1, 2))
    # some at a time: what is filtered stays in the cache until it is searched
    lowest = np.empty(len(maps), np.float32)
    for start in range(0, len(maps), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        lowest[part] = filter_maps(maps[part], taps, gain).min((1, 2))
    return lowest


def _filter_matrix(
    taps: tuple[float, ...], gain: Build, length: int
) -> np.ndarray:
    reach = len(taps) // 2
    tap = np.subtract.outer(-np.arange(length), -np.arange(length)) + reach
    inside = (tap >= 0) & (tap < len(taps))
    matrix = np.where(inside, np.take(taps, tap, mode='clip'), 0)
    return (matrix * gain(taps, length)[:, None]).astype(np.float32)
