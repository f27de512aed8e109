"""MMPose's own configs, and what a sweep without a network needs of them."""

from __future__ import annotations

import copy
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mmpose
import torch
from mmengine.config import Config
from mmengine.model import BaseModule
from mmpose.registry import MODELS

ZOO = Path(mmpose.__file__).parent / '.mim' / 'configs'
_GAUSSIAN = {'MSRAHeatmap', 'UDPHeatmap', 'MegviiHeatmap'}
# Not in MMPose's requirements
_OPTIONAL = dict(Albumentation='albumentations')
# MMPose's older name of a package
_RENAMED = dict(mmcls='mmpretrain')


@MODELS.register_module()
class StandInBackbone(BaseModule):
    """One convolution, for a ViT of a package that is not installed.

    Args:
        channels (int): Of the features.
        patch_size (int): Their stride.
    """

    def __init__(self, channels: int, patch_size: int = 16) -> None:
        super().__init__()
        self.embed = torch.nn.Conv2d(3, channels, patch_size, patch_size)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        """Features, (B, C, H / patch_size, W / patch_size)."""
        return (self.embed(images),)


def list_configs(filters: list[str], root: Path = ZOO) -> list[str]:
    """Names below the root, those with one of the strings in them."""
    names = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob('*.py'))
        if '_base_' not in path.parts
    ]
    return [
        name
        for name in names
        if not filters or any(part in name for part in filters)
    ]


def load_with_dark(base: Path, plain: Config) -> Config:
    """A config with the two lines of the README.

    Args:
        base (Path): Its file.
        plain (Config): What that file says.

    Raises:
        ValueError: If DARKCodec does not fit there.
    """
    # Only a dict can be merged into
    delete = (
        '' if isinstance(plain.get('codec', {}), dict) else ('_delete_=True, ')
    )
    lines = (
        f'_base_ = [{str(base)!r}]\n'
        "custom_imports = dict(imports=['dark_codec'], "
        'allow_failed_imports=False)\n'
        f"codec = dict({delete}type='DARKCodec')\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'dark.py'
        file.write_text(lines)
        return Config.fromfile(file)


def encoders_of(cfg: Config) -> list[dict]:
    """The codecs that make the training targets, one for each level."""
    loader = cfg.get('train_dataloader') or {}
    pipeline = (loader.get('dataset') or {}).get('pipeline') or []
    for transform in pipeline:
        if transform['type'] == 'GenerateTarget':
            encoder = copy.deepcopy(transform.get('encoder'))
            return list(encoder) if isinstance(encoder, list) else [encoder]
    return []


def predicts_gaussians(cfg: Config) -> bool:
    """Tell from its pipeline whether targets are Gaussian heatmaps alone.

    ``apply_codec`` looks at the head: this is a second opinion.
    """
    encoders = encoders_of(cfg)
    return (
        cfg.get('model', {}).get('type') == 'TopdownPoseEstimator'
        and bool(encoders)
        and all(
            isinstance(encoder, dict)
            and encoder.get('type') in _GAUSSIAN
            and encoder.get('heatmap_type', 'gaussian') == 'gaussian'
            for encoder in encoders
        )
    )


def make_runnable(cfg: Config) -> list[str]:
    """Take out what needs a network or a package that is missing.

    Returns:
        What has been changed and matters to who reads the results.
    """
    _drop_pretrained(cfg.model)
    cfg.model.test_cfg.flip_test = True
    notes = _replace_missing_backbone(cfg.model)
    for loader in ('train_dataloader', 'val_dataloader'):
        dataset = cfg[loader].dataset
        dataset.pipeline, missing = _available(dataset.pipeline)
        notes += [f'no {name}' for name in missing]
    return sorted(set(notes))


def _drop_pretrained(node: Any) -> None:
    if isinstance(node, dict):
        if (node.get('init_cfg') or {}) and 'Pretrained' in str(node.init_cfg):
            node.init_cfg = None
        for child in node.values():
            _drop_pretrained(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            _drop_pretrained(child)


def _replace_missing_backbone(model: dict) -> list[str]:
    scope, _, name = model.backbone.type.rpartition('.')
    scope = _RENAMED.get(scope, scope)
    if not scope:
        return []
    if find_spec(scope) is not None:
        model.backbone.type = f'{scope}.{name}'
        # mmcls' way to ask for a map, which mmpretrain does not know
        if not model.backbone.pop('output_cls_token', True):
            model.backbone.out_type = 'featmap'
        return []
    channels = model.head.in_channels
    model.backbone = dict(type='StandInBackbone', channels=channels)
    return ['stand-in backbone']


def _available(pipeline: list[dict]) -> tuple[list[dict], list[str]]:
    kept, missing = [], []
    for transform in pipeline:
        name = transform['type']
        package = _OPTIONAL.get(name) or name.rpartition('.')[0]
        if package and find_spec(package) is None:
            missing.append(name)
        else:
            kept.append(transform)
    return kept, missing
