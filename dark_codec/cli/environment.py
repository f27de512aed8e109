"""Description of the environment, and check that its parts fit together."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import mmcv
import mmengine
import mmpose
import torch
from mmengine.utils import digit_version

from .. import kernels
from ..analysis.machine import devices
from ..version import __version__

_MMPOSE = '1.0', '2.0'  # from, and below
_WIDTH = 14


def describe_environment() -> tuple[list[str], list[str]]:
    """Describe versions and kernels of each device, and collect problems.

    Returns:
        tuple[list[str], list[str]]: Lines to print, and problems.
    """
    lines = [f'{name:<{_WIDTH}}{text}' for name, text in _versions()]
    problems = []
    low, high = map(digit_version, _MMPOSE)
    if not low <= digit_version(mmpose.__version__) < high:
        problems.append(
            f'dark_codec extends MMPose 1.x, and this is {mmpose.__version__}'
            ': pip install --no-deps mmpose==1.3.2'
        )
    for device in devices():
        name = f'on {device}'
        try:
            text = _decoded_by(device)
        except (RuntimeError, ValueError) as error:
            text = 'nothing decodes'
            problems.append(str(error))
        lines.append(f'{name:<{_WIDTH}}{text}')
    return lines, problems


def _versions() -> Iterator[tuple[str, str]]:
    yield 'dark_codec', f'{__version__} in {Path(__file__).parents[2]}'
    yield 'Python', f'{platform.python_version()} in {sys.prefix}'
    yield 'MMPose', mmpose.__version__
    yield 'MMEngine', mmengine.__version__
    compiled = find_spec('mmcv._ext') is not None
    operators = 'compiled operators' if compiled else 'no compiled operators'
    kind = 'mmcv' if compiled else 'mmcv-lite'
    yield kind, f'{mmcv.__version__}, {operators}'
    yield 'torch', f'{torch.__version__}, CUDA {torch.version.cuda}'
    for package in ('mmdet', 'numpy', 'numba', 'triton', 'onnxruntime'):
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, 'not installed'


def _decoded_by(device: str) -> str:
    kernel = kernels.pick(torch.zeros(1, 1, 8, 8, device=device))
    what = torch.cuda.get_device_name() if device == 'cuda' else ''
    if kernel is not None:
        name = kernel.__module__.split('.')[-1]
        return f'{name} decodes {what}'.rstrip()
    text = f'PyTorch decodes {what}'.rstrip()
    fused = kernels.BY_DEVICE.get(device)
    reason = kernels.load(fused) if fused else None
    if isinstance(reason, ImportError):
        text += f', {fused} would be faster ({reason})'
    return text
