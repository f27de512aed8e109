"""``python -m dark_codec``: versions, kernels and problems."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import torch

from dark_codec import kernels
from dark_codec.version import __version__

_WIDTH = 14
_PACKAGES = (
    'numpy',
    'numba',
    'triton',
    'onnxruntime',
    'transformers',
    'mmpose',
    'mmengine',
    'mmdet',
)


def describe_environment() -> tuple[list[str], list[str]]:
    """Describe versions and kernels of each device, and collect problems.

    Returns:
        tuple[list[str], list[str]]: Lines to print, and problems.
    """
    lines = [f'{name:<{_WIDTH}}{text}' for name, text in _versions()]
    problems = []
    mmpose = _version('mmpose')
    if mmpose is not None and not mmpose.startswith('1.'):
        problems.append(
            f'dark_codec extends MMPose 1.x, and this is {mmpose}: '
            'pip install --no-deps mmpose==1.3.2'
        )
    for device in _devices():
        try:
            text = _decoded_by(device)
        except (RuntimeError, ValueError) as error:
            text = 'nothing decodes'
            problems.append(str(error))
        lines.append(f'{f"on {device}":<{_WIDTH}}{text}')
    return lines, problems


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _versions() -> Iterator[tuple[str, str]]:
    yield 'dark_codec', f'{__version__} in {Path(__file__).parents[1]}'
    yield 'Python', f'{platform.python_version()} in {sys.prefix}'
    yield 'torch', f'{torch.__version__}, CUDA {torch.version.cuda}'
    for package in _PACKAGES:
        yield package, _version(package) or 'not installed'
    if find_spec('mmcv') is not None:
        compiled = find_spec('mmcv._ext') is not None
        kind = 'mmcv' if compiled else 'mmcv-lite'
        operators = 'compiled operators' if compiled else 'no operators'
        yield kind, f'{_version(kind)}, {operators}'


def _devices() -> list[str]:
    devices = ['cpu']
    if torch.cuda.is_available():
        devices.append('cuda')
    if torch.backends.mps.is_available():
        devices.append('mps')
    return devices


def _decoded_by(device: str) -> str:
    kernel = kernels.pick(torch.zeros(1, 1, 8, 8, device=device))
    what = torch.cuda.get_device_name() if device == 'cuda' else ''
    fused = kernels.BY_DEVICE.get(device)
    if kernel is not None:
        return f'{fused} decodes {what}'.rstrip()
    text = f'PyTorch decodes {what}'.rstrip()
    reason = kernels.load(fused) if fused else None
    if isinstance(reason, ImportError):
        text += f', {fused} would be faster ({reason})'
    return text


def main() -> None:
    """Print the environment; exit with 1 if there are problems."""
    lines, problems = describe_environment()
    print('\n'.join(lines))
    for problem in problems:
        print(f'problem: {problem}')
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
