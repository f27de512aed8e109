"""The fast path on the CPU, and what it shares with the tensor path.

Three steps touch more than a few numbers per heatmap: the arg max, the
gathering of windows, and products of small matrices with windows. numpy does
them an order of magnitude faster than torch on a CPU, on the same memory.
Everywhere else (accelerators, tracing, compiling, exporting) the same steps
run as torch operators. Nothing outside this module knows the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

# torch.compiler came with torch 2.1
_is_compiling: Callable[[], bool] = getattr(
    getattr(torch, 'compiler', None), 'is_compiling', lambda: False
)
_assume_constant: Callable[[Callable], Callable] = getattr(
    getattr(torch, 'compiler', None),
    'assume_constant_result',
    lambda function: function,
)


def _is_traced() -> bool:
    return torch.jit.is_tracing() or _is_compiling()


def on_host(tensor: Tensor) -> bool:
    """Whether numpy may work on the memory of this tensor."""
    return (
        type(tensor) is Tensor
        and tensor.device.type == 'cpu'
        and not _is_traced()
    )


Table = Callable[..., np.ndarray]


@lru_cache(maxsize=64)
def _numpy_table(build: Table, args: tuple) -> np.ndarray:
    return build(*args)


@lru_cache(maxsize=64)
def _device_table(build: Table, args: tuple, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.as_tensor(_numpy_table(build, args), device=device)


@_assume_constant  # the compiler cannot follow numpy's index arithmetic
def _traced_table(build: Table, args: tuple) -> Tensor:
    return torch.tensor(build(*args).tolist())


def table(build: Table, *args: Any, device: torch.device) -> Tensor:
    """The constant ``build(*args)`` on a device, made there only once.

    Copying it at each call would make the host wait for the device. A tracer
    gets a new constant: what it sees must not outlive the trace.
    """
    if _is_traced():
        return _traced_table(build, args).to(device)
    return _device_table(build, args, device)


def argmax(maps: Tensor) -> Tensor:
    """First position of the maximum (or of the first NaN) of each row.

    Args:
        maps (Tensor): Shape (M, P).

    Returns:
        Tensor: Shape (M,), int64.
    """
    # numpy knows no bfloat16, and is slow on float16
    if on_host(maps) and maps.dtype in (torch.float32, torch.float64):
        return torch.from_numpy(maps.detach().numpy().argmax(1))
    return maps.argmax(1)


def gather_patches(
    maps: Tensor, left: Tensor, top: Tensor, width: int, height: int
) -> Tensor:
    """Cut one patch out of each map.

    Args:
        maps (Tensor): Shape (M, H, W).
        left (Tensor): First column of each patch, (M,), int64.
        top (Tensor): First row of each patch, (M,), int64.
        width (int): Columns of a patch, at most W.
        height (int): Rows of a patch, at most H.

    Returns:
        Tensor: Shape (M, height, width), float32.
    """
    if on_host(maps) and maps.dtype != torch.bfloat16:
        axes: Any = (1, 2)  # numpy 1 declares one axis only
        view = sliding_window_view(
            maps.detach().numpy(), (height, width), axis=axes
        )
        patches = view[np.arange(len(maps)), top.numpy(), left.numpy()]
        return torch.from_numpy(patches).to(torch.float32)
    rows = top[:, None] + torch.arange(height, device=maps.device)
    columns = left[:, None] + torch.arange(width, device=maps.device)
    index = rows[:, :, None] * maps.shape[2] + columns[:, None, :]
    patches = maps.flatten(1).gather(1, index.flatten(1))
    return patches.view(index.shape).to(torch.float32)


def bilinear_forms(rows: Tensor, patches: Tensor, columns: Tensor) -> Tensor:
    """Rows @ patches @ columns^T in full float32.

    Off the CPU this is written out in products and sums, because matmul
    drops to half precision under autocast and to TF32 where a user allows
    that: the log of a smoothed peak needs all 24 bits.

    Args:
        rows (Tensor): Shape (M, R, height).
        patches (Tensor): Shape (M, height, width).
        columns (Tensor): Shape (M, C, width).

    Returns:
        Tensor: Shape (M, R, C), float32.
    """
    if on_host(patches):
        # what is not finite is found by the caller: no warning
        with np.errstate(all='ignore'):
            product = rows.numpy() @ patches.numpy()
            product = product @ columns.numpy().swapaxes(1, 2)
        return torch.from_numpy(product)
    # row by row: all rows at once would need R times the memory of the
    # patches
    product = torch.stack(
        [(row[:, :, None] * patches).sum(1) for row in rows.unbind(1)], 1
    )
    return (product[:, :, None, :] * columns[:, None]).sum(-1)
