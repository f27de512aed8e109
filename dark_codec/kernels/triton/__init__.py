"""Decoding on a GPU: one Triton kernel, one launch, one program a map.

A call reads the heatmaps once from memory (for Eq. 11's lowest value once
more, mostly from the cache), and queues the kernel on the current stream of
the tensor's device: nothing waits for it. The first call for a decoder, a map
size and a dtype compiles (Triton keeps the result on disk) and copies a few
constants to the device, for which the host does wait: call once before CUDA
graphs are captured.

With ``TRITON_INTERPRET=1`` in the environment, before Triton is imported, the
same code runs on CPU tensors, slowly: for tests.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
import triton
from torch import Tensor

from ...functional.fit import NARROW, window_radius
from ...functional.modulate import (
    STENCIL_RADIUS,
    kernel_variance,
    visible_norm,
)
from ..recipe import Recipe
from .kernel import decode_map

# The reference decodes where an import fails, and the log says why. Named
# tuples came with 3.3.
if tuple(map(int, triton.__version__.split('.')[:2])) < (3, 3):
    raise ImportError(f'Triton 3.3 is needed, this is {triton.__version__}')

# How many pixels of a map, and of a window, a program looks at at a time. With
# 8 warps a thread has 8 pixels of a block, which its registers hold (ptxas: 56
# of them, 106 with 'minmax') while an SM holds four such programs.
_BLOCK = 2048
_WINDOW = 1024


class _Plan(NamedTuple):
    """Arguments of the kernel that maps of one size and one recipe share."""

    constants: Tensor
    band: int  # rows of a map that the scratch memory holds, 0: none needed
    sigma: float
    settings: dict[str, Any]


def decode(heatmaps: Tensor, recipe: Recipe) -> Tensor:
    """Decode heatmaps as the reference decoder of a recipe does.

    Args:
        heatmaps (Tensor): Shape (B, K, H, W), float32, float16 or bfloat16,
            with any strides, on a CUDA device.
        recipe (Recipe): The decoder.

    Returns:
        Tensor: On the same device, float32: (B * K, 4), or (B * K, 8) for
        recipes with covariance. The columns are x, y (heatmap px), score,
        refined (0 or 1), and the covariance xx, xy, yx, yy (heatmap px^2).

    Raises:
        ValueError: If the maps have no pixels.
    """
    heatmaps = heatmaps.resolve_neg()
    batch, keypoints, height, width = heatmaps.shape
    count = batch * keypoints
    device = heatmaps.device
    table = torch.empty(
        (count, 8 if recipe.covariance else 4),
        dtype=torch.float32,
        device=device,
    )
    if count == 0:
        return table
    if height * width == 0:
        raise ValueError(
            f'heatmaps must have pixels, got shape {tuple(heatmaps.shape)}'
        )
    plan = _plan(recipe, height, width, device)
    scratch = table
    if plan.band:
        scratch = torch.empty(
            count * plan.band * width, dtype=torch.float32, device=device
        )
    # to make a device current costs more than the launch
    if device.type != 'cuda' or device.index == torch.cuda.current_device():
        _launch(heatmaps, table, scratch, recipe, plan)
    else:
        with torch.cuda.device(device):
            _launch(heatmaps, table, scratch, recipe, plan)
    return table


def _launch(
    heatmaps: Tensor,
    table: Tensor,
    scratch: Tensor,
    recipe: Recipe,
    plan: _Plan,
) -> None:
    _, keypoints, height, width = heatmaps.shape
    strides = heatmaps.stride()
    span = (height - 1) * strides[2] + (width - 1) * strides[3]
    decode_map[(len(table),)](
        heatmaps,
        table,
        plan.constants,
        scratch,
        keypoints,
        height,
        width,
        *strides,
        plan.band,
        plan.sigma,
        recipe.trust_radius,
        DENSE=strides[2:] == (width, 1),
        WIDE=span >= 2**31 - 1,
        **plan.settings,
    )


@lru_cache(maxsize=64)
def _plan(
    recipe: Recipe, height: int, width: int, device: torch.device
) -> _Plan:
    taylor, fit = recipe.method == 'taylor', recipe.method == 'fit'
    # no modulation is one with the single weight 1
    kernel = (recipe.kernel or (1.0,)) if taylor else ()
    radius = window_radius(recipe.sigma) if fit else 0
    reach = len(kernel) // 2 + STENCIL_RADIUS if taylor else radius
    columns = _power_of_two(2 * reach + 1)
    minmax = taylor and recipe.minmax
    block = min(_BLOCK, _power_of_two(height * width))
    settings = dict(
        METHOD=recipe.method,
        TAPS=len(kernel),
        RAW=taylor and recipe.kernel is None,
        MINMAX=minmax,
        NARROW=recipe.sigma < NARROW,
        COVARIANCE=recipe.covariance,
        RADIUS=radius,
        BLOCK=block,
        ROWS=max(1, min(_WINDOW // columns, columns)),
        COLUMNS=columns,
        num_warps=8 if block > 1024 else 4,
    )
    return _Plan(
        _constants(kernel, height, width, device),
        min(height, max(1, block // width)) if minmax else 0,
        kernel_variance(kernel) ** 0.5 if taylor else recipe.sigma,
        settings,
    )


def _power_of_two(number: int) -> int:
    """The smallest one that is at least a positive number."""
    return 1 << (number - 1).bit_length()


def _constants(
    kernel: tuple[float, ...], height: int, width: int, device: torch.device
) -> Tensor:
    """Taps and gains, see :mod:`.smooth`; on the device."""
    margin = len(kernel) // 2 + STENCIL_RADIUS
    # a tensor made in inference mode could not be used outside of it
    with torch.inference_mode(False):
        parts = [torch.tensor(kernel, dtype=torch.float32)]
        for length in (height, width) if kernel else ():
            inside = F.pad(torch.ones(1, length), (margin, margin))
            parts.append(1 / visible_norm(inside, kernel)[0])
        return torch.cat(parts).to(device)
