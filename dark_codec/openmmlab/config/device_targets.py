"""Implementation of ``targets_on_device`` in a config."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmpose.datasets.transforms import PackPoseInputs
from mmpose.registry import MODELS

from .tree import find_all, plain, raw_items, set_logged, type_name

# Where pipelines for training are. A train_pipeline at the top level is not
# among them: it may be a base's that nothing uses.
_TRAINING = ('train_dataloader', 'custom_hooks')
_WEIGHTS = 'dataset_keypoint_weights'
_META_KEYS = inspect.signature(PackPoseInputs).parameters['meta_keys'].default


def move_targets_to_device(cfg: Config) -> None:
    """Replace GenerateTarget by a batch augment in a config.

    Takes it out of the training pipelines, lets PackPoseInputs hand the
    keypoints on, and adds ``BatchGenerateTarget`` to the data preprocessor.
    Targets that have been moved before are left as they are.

    Args:
        cfg (Config): A whole config whose GenerateTargets have a DARKCodec.
            It is changed in place.

    Raises:
        ValueError: If the targets cannot be rendered on the device.
    """
    preprocessor = _preprocessor(cfg)
    found = list(_pipelines(cfg, 'GenerateTarget'))
    augments = list(preprocessor.get('batch_augments') or [])
    if not found:
        if any(type_name(a) == 'BatchGenerateTarget' for a in augments):
            return
        raise ValueError(
            'targets_on_device=True, but no training pipeline has a '
            'GenerateTarget that could be moved'
        )
    augment = _augment([_target(path, node[key]) for path, node, key in found])
    packs = [
        pack
        for key in _TRAINING
        for pack in find_all(cfg.get(key), 'PackPoseInputs', key)
    ]
    if not packs:
        raise ValueError(
            'targets_on_device=True, but no training pipeline has a '
            'PackPoseInputs, which would hand the keypoints on'
        )
    for path, node, key in found:
        kept = [t for t in node[key] if type_name(t) != 'GenerateTarget']
        set_logged(node, key, kept, path)
    for path, pack in packs:
        where = f'{path}.pack_transformed'
        set_logged(pack, 'pack_transformed', True, where)
        if augment.get('use_dataset_keypoint_weights'):
            keys = tuple(pack.get('meta_keys', _META_KEYS))
            if _WEIGHTS not in keys:
                keys = *keys, _WEIGHTS
                set_logged(pack, 'meta_keys', keys, f'{path}.meta_keys')
    path = 'model.data_preprocessor.batch_augments'
    set_logged(preprocessor, 'batch_augments', [*augments, augment], path)
    print_log(
        'DARKCodec: targets are rendered on the training device',
        logger='current',
    )


def move_targets_to_workers(cfg: Config) -> None:
    """Put GenerateTarget back where :func:`move_targets_to_device` took it.

    Does nothing where the targets have not been moved.

    Args:
        cfg (Config): A whole config, changed in place.
    """
    preprocessor = (cfg.get('model') or {}).get('data_preprocessor') or {}
    augments = list(preprocessor.get('batch_augments') or [])
    moved = [a for a in augments if type_name(a) == 'BatchGenerateTarget']
    if not moved:
        return
    target = {**plain(moved[0]), 'type': 'GenerateTarget'}
    for path, node, key in list(_pipelines(cfg, 'PackPoseInputs')):
        names = [type_name(transform) for transform in node[key]]
        place = names.index('PackPoseInputs')
        pipeline = [*node[key][:place], target, *node[key][place:]]
        set_logged(node, key, pipeline, path)
    kept = [augment for augment in augments if augment not in moved]
    path = 'model.data_preprocessor.batch_augments'
    set_logged(preprocessor, 'batch_augments', kept or None, path)
    print_log(
        'DARKCodec: targets are rendered by the data loader again',
        logger='current',
    )


def _preprocessor(cfg: Config) -> dict:
    preprocessor: Any = cfg.model.get('data_preprocessor') or {}
    kind = preprocessor.get('type')
    if isinstance(kind, str):
        kind = MODELS.get(kind)
    known = inspect.signature(kind).parameters if kind is not None else {}
    if 'batch_augments' not in known:
        raise ValueError(
            'targets_on_device=True needs a model.data_preprocessor that '
            'takes batch_augments, such as PoseDataPreprocessor, got '
            f'{type_name(preprocessor)}'
        )
    return preprocessor


def _pipelines(cfg: Config, kind: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, parent and key of training pipelines with a transform."""
    nodes = [(key, cfg.get(key)) for key in _TRAINING]
    while nodes:
        path, node = nodes.pop(0)
        for key, value in raw_items(node):
            below = f'{path}.{key}'
            if isinstance(value, (list, tuple)) and any(
                type_name(child) == kind for child in value
            ):
                yield below, node, key
            else:
                nodes.append((below, value))


def _target(path: str, pipeline: list[dict]) -> dict:
    """Return a pipeline's GenerateTarget; its targets must be unused."""
    names = [type_name(transform) for transform in pipeline]
    place = names.index('GenerateTarget')
    users = [n for n in names[place + 1 :] if n != 'PackPoseInputs']
    if users:
        raise ValueError(
            f'targets_on_device=True, but in {path} {users} follow '
            'GenerateTarget and may need its heatmaps or change the '
            'keypoints; put them before it'
        )
    return pipeline[place]


def _augment(targets: list[dict]) -> dict:
    """Return the batch augment that replaces these GenerateTargets."""
    settings = [plain(target) for target in targets]
    if any(other != settings[0] for other in settings):
        raise ValueError(
            'targets_on_device=True needs the same GenerateTarget in all '
            f'training pipelines, got {settings}'
        )
    settings[0].pop('target_type', None)  # deprecated, without effect
    return {**settings[0], 'type': 'BatchGenerateTarget'}
