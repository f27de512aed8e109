"""Shims that let MMPose 1.3 run on current Python packages.

The only place with version checks. Every shim says what made it necessary
and when to remove it, does nothing where it is not needed, and may be applied
any number of times. The arithmetic of dark_codec depends on none of them.

:func:`apply` runs when dark_codec is imported, before all else;
:func:`prepare_distributed` changes a config, and is called by the tools that
start a distributed run.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import HistoryBuffer, print_log
from mmengine.utils import digit_version
from mmengine.utils.dl_utils import set_multi_processing
from torch import Tensor


def apply() -> None:
    """Apply the shims that this environment needs."""
    _serve_mmcv_ops()
    _trust_checkpoint_globals()


# mmcv.ops without compiled operators.
# Cause: the package index has no wheel of mmcv, only mmcv-lite, which lacks
# mmcv._ext; mmdet and MMPose's EDPose head import mmcv.ops unguarded.
# Remove it when they guard the import, or mmcv has wheels for current torch.


def _serve_mmcv_ops() -> None:
    """Let ``import mmcv.ops`` succeed where ``mmcv._ext`` is absent.

    ``mmcv._ext`` itself stays absent: MMEngine looks for it to learn
    whether the full mmcv is installed.
    """
    if find_spec('mmcv') is None or find_spec('mmcv._ext') is not None:
        return
    from mmcv.utils import ext_loader

    ext_loader.load_ext = _load_placeholders


def _load_placeholders(name: str, funcs: Sequence[str]) -> SimpleNamespace:
    """Stand in for ``mmcv.utils.ext_loader.load_ext``."""
    ops = {func: _OPS.get(func) or _missing_op(func) for func in funcs}
    return SimpleNamespace(**ops)


def _missing_op(name: str) -> Callable[..., NoReturn]:
    def missing(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(
            f'the operator "{name}" of mmcv.ops is compiled code, which '
            'mmcv-lite does not contain: to use it, uninstall mmcv-lite and '
            'install the full mmcv of the same version'
        )

    missing.__name__ = name
    return missing


def _nms(
    boxes: Tensor, scores: Tensor, iou_threshold: float, offset: int
) -> Tensor:
    """Non-maximum suppression by torchvision.

    Args:
        boxes: (N, 4), (x1, y1, x2, y2) in px.
        scores: (N,).
        iou_threshold: A box that overlaps a better one by more is dropped.
        offset: A side is ``x2 - x1 + offset`` long.

    Returns:
        Indices of the boxes that stay, best first, int64.
    """
    from torchvision.ops import nms

    far_corner = boxes.new_tensor([0, 0, offset, offset])
    return nms(boxes + far_corner, scores, iou_threshold)


# What a person detector (RTMDet) and mmcv's report on itself need.
_OPS: dict[str, Callable] = {
    'nms': _nms,
    'get_compiler_version': lambda: 'n/a',
    'get_compiling_cuda_version': lambda: 'n/a',
}


# MMEngine checkpoints under torch.load(weights_only=True).
# Cause: torch 2.6 made weights_only the default; MMEngine 0.10 keeps numpy
# arrays (dataset_meta, log histories) and HistoryBuffers in its checkpoints.
# Remove it when MMEngine registers its own globals.


def _trust_checkpoint_globals() -> None:
    """Allow exactly the harmless globals that MMEngine's checkpoints hold.

    Names that are allowed already are left as they are.
    """
    if digit_version(torch.__version__) < digit_version('2.6'):
        return
    serialization = torch.serialization
    known = {_global_name(item) for item in serialization.get_safe_globals()}
    serialization.add_safe_globals(
        [item for item in _checkpoint_globals() if item[1] not in known]
    )


def _checkpoint_globals() -> list[tuple[Callable, str]]:
    """Return the globals, each with its name in the pickle."""
    # `__reduce__` returns the same function in numpy 1 and 2, which differ in
    # the name of its module
    reconstruct: Any = np.empty(0).__reduce__()[0]
    scalar: Any = np.float64(0).__reduce__()[0]
    pairs: list[tuple[Callable, str]] = [
        (HistoryBuffer, _global_name(HistoryBuffer)),
        (_history_buffer_method, 'builtins.getattr'),
        (_no_bytes, 'builtins.bytes'),
        (np.ndarray, 'numpy.ndarray'),
        (np.dtype, 'numpy.dtype'),
    ]
    for core in ('numpy.core', 'numpy._core'):
        pairs.append((reconstruct, f'{core}.multiarray._reconstruct'))
        pairs.append((scalar, f'{core}.multiarray.scalar'))
    for code in np.typecodes['AllInteger'] + np.typecodes['Float'] + '?':
        dtype = type(np.dtype(code))
        pairs.append((dtype, _global_name(dtype)))
    return pairs


def _global_name(item: Any) -> str:
    if isinstance(item, tuple):
        return item[1]
    return f'{item.__module__}.{item.__qualname__}'


def _history_buffer_method(owner: Any, name: str) -> Callable:
    """Stand in for ``getattr``, by which a HistoryBuffer is pickled.

    A HistoryBuffer holds its own methods, and pickle spells a method as
    ``getattr(HistoryBuffer, 'mean')``. Serves that, and nothing else.
    """
    method = vars(HistoryBuffer).get(name)
    public = isinstance(name, str) and not name.startswith('_')
    if owner is HistoryBuffer and public and inspect.isfunction(method):
        return method
    raise ValueError(
        'a checkpoint may take methods of HistoryBuffer only, '
        f'not {name!r} of {owner!r}'
    )


def _no_bytes() -> bytes:
    """Stand in for ``bytes``, by which an empty array is pickled.

    Non-empty arrays are pickled in another way, so that no size that a
    checkpoint asks for has to be allocated.
    """
    return b''


# Distributed runs on a machine without an accelerator.
# Cause: MMEngine 0.10 calls torch.cuda.set_device whatever the machine, and
# gives DistributedDataParallel a device id, which it refuses on the CPU.
# Remove it when MMEngine asks for an accelerator first.


def prepare_distributed(cfg: Config) -> None:
    """Make a distributed run possible where there is no accelerator.

    Starts the process group (gloo) as ``cfg.launcher`` tells, wraps the
    model for the CPU, and turns synchronised batch norm, which has no CPU
    version, into plain batch norm. Does nothing for the launcher ``none``
    and where MMEngine finds an accelerator.

    Args:
        cfg: Config of a runner, changed in place.
    """
    if cfg.get('launcher', 'none') == 'none' or get_device() != 'cpu':
        return
    env_cfg = cfg.get('env_cfg', {})
    if not is_distributed():
        # as the runner does, before init_dist makes its own choice
        set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
        dist_cfg = {**env_cfg.get('dist_cfg', {}), 'backend': 'gloo'}
        with _no_device_to_set():
            init_dist(cfg.launcher, **dist_cfg)
    cfg.setdefault('model_wrapper_cfg', _default_wrapper(cfg))
    cfg.model_wrapper_cfg.device_ids = None
    cfg.pop('sync_bn', None)
    if _replace_sync_bn(cfg.model):
        print_log(
            'SyncBN does not run on the CPU: every process normalises its '
            'own batch (BN)',
            logger='current',
        )


def _default_wrapper(cfg: Config) -> dict:
    """Return MMEngine's default wrapper."""
    return dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )


@contextmanager
def _no_device_to_set() -> Iterator[None]:
    set_device = torch.cuda.set_device
    torch.cuda.set_device = lambda device: None
    try:
        yield
    finally:
        torch.cuda.set_device = set_device


def _replace_sync_bn(node: Any) -> bool:
    """Turn SyncBN into BN everywhere below `node`; True if there was any."""
    if isinstance(node, dict):
        found = node.get('type') in ('SyncBN', 'MMSyncBN')
        if found:
            node['type'] = 'BN'
        return any([found, *map(_replace_sync_bn, node.values())])
    if isinstance(node, (list, tuple)):
        return any([_replace_sync_bn(child) for child in node])
    return False
