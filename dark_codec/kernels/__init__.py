"""Fused decoding: from heatmaps to keypoints in one pass a map.

Each kernel does what :mod:`dark_codec.functional` does, map by map, and is
judged by it. Which one decodes a tensor is decided here, in :func:`pick`:

- numba's in host memory, Triton's on CUDA (and ROCm) devices
- none, which means the reference, while a graph is traced, compiled or
  exported, on other devices, for decoders that have no recipe, and where
  numba or Triton cannot be imported

The environment variable ``DARK_CODEC_KERNELS`` forces one of ``reference``,
``numba`` and ``triton``; ``auto`` is the default. Triton decodes tensors in
host memory only in its interpreter (``TRITON_INTERPRET=1``).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from .recipe import Recipe

__all__ = [
    'BY_DEVICE',
    'CHOICES',
    'VARIABLE',
    'Kernel',
    'Recipe',
    'is_traced',
    'load',
    'oks_kernel',
    'pick',
]

_LOG = logging.getLogger('dark_codec')

Kernel = Callable[[Tensor, Recipe], Tensor]

VARIABLE = 'DARK_CODEC_KERNELS'
CHOICES = ('auto', 'reference', 'numba', 'triton')

BY_DEVICE = dict(cpu='numba', cuda='triton')
_WITHOUT = dict(
    numba=(
        'heatmaps in host memory are decoded by PyTorch, which takes about '
        'ten times as long. To install numba: pip install "dark_codec[numba]"'
    ),
    triton=(
        'heatmaps on the GPU are decoded by PyTorch operators, one launch '
        'each, which takes about fifty times as long for one person'
    ),
)


def pick(heatmaps: Tensor) -> Kernel | None:
    """The kernel that decodes heatmaps, None for the reference.

    Args:
        heatmaps (Tensor): Shape (B, K, H, W).

    Returns:
        Callable | None: ``decode(heatmaps, recipe)``, which gives the table
        of :meth:`dark_codec.decoders.HeatmapDecoder.decode_table`.

    Raises:
        ValueError: If ``DARK_CODEC_KERNELS`` is none of :data:`CHOICES`.
        RuntimeError: If it forces a kernel that cannot decode these
            heatmaps.
    """
    if is_traced(heatmaps):
        return None
    choice = os.environ.get(VARIABLE, 'auto')
    if choice == 'auto':
        name = BY_DEVICE.get(heatmaps.device.type)
        if name is None:
            return None
        kernel = load(name)
        if isinstance(kernel, ImportError):
            _log_missing(name, kernel)
            return None
        return kernel
    if choice == 'reference':
        return None
    return _forced(choice, heatmaps.device)


# torch.compiler came with torch 2.1
_is_compiling: Callable[[], bool] = getattr(
    getattr(torch, 'compiler', None), 'is_compiling', lambda: False
)


def is_traced(heatmaps: Tensor) -> bool:
    """Return whether heatmaps are being traced, compiled or exported."""
    # what traces by other tensors than torch's own is met by their type
    return (
        _is_compiling()
        or torch.jit.is_tracing()
        or type(heatmaps) is not Tensor
    )


@lru_cache
def load(name: str) -> Kernel | ImportError:
    """A kernel, or why it cannot be imported.

    Args:
        name (str): ``'numba'`` or ``'triton'``.
    """
    try:
        module: Any = import_module(f'.{name}', __name__)
    except ImportError as error:
        return error
    return module.decode


@lru_cache  # once
def _log_missing(name: str, error: ImportError) -> None:
    _LOG.warning('Without %s (%s), %s', name, error, _WITHOUT[name])


def _forced(name: str, device: torch.device) -> Kernel:
    if name not in CHOICES:
        raise ValueError(
            f'{VARIABLE} must be one of {list(CHOICES)}, got {name!r}'
        )
    fits = BY_DEVICE.get(device.type) == name
    interpreted = os.environ.get('TRITON_INTERPRET') == '1'
    if not fits and not (name == 'triton' and interpreted):
        hint = '; on the CPU set TRITON_INTERPRET=1' * (name == 'triton')
        raise RuntimeError(
            f'{VARIABLE}={name} cannot decode heatmaps on {device}{hint}. '
            f'Without {VARIABLE} the kernel that fits is taken'
        )
    kernel = load(name)
    if isinstance(kernel, ImportError):
        raise RuntimeError(
            f'{VARIABLE}={name}, but its kernel cannot be imported: {kernel}'
        ) from kernel
    return kernel


def oks_kernel() -> Callable[..., None] | None:
    """The kernel that scores decoded tables in host memory.

    Returns:
        Callable | None: See :func:`.numba.scores.oks_kernel`; None, which
        means the reference, without numba or with
        ``DARK_CODEC_KERNELS=reference``.
    """
    choice = os.environ.get(VARIABLE)
    if choice == 'reference' or isinstance(load('numba'), ImportError):
        return None
    from .numba import scores

    return scores.oks_kernel()
