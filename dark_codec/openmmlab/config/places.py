"""Places of the codec in a config: the head, its targets, its warps."""

from __future__ import annotations

from typing import Any, NamedTuple

from mmengine.config import Config

from .tree import as_levels, raw_get, type_name, walk

# what runs; a base's top-level ``train_pipeline`` may be unused
_USED = (
    'model',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'custom_hooks',
)


class Place(NamedTuple):
    """A key of a config's node."""

    path: str
    node: dict
    key: str

    @property
    def value(self) -> Any:
        """Its value; a codec may be a list, one codec per level."""
        return raw_get(self.node, self.key)

    @property
    def is_used(self) -> bool:
        """Whether a run reads it."""
        return self.path.partition('.')[0] in _USED


class Places(NamedTuple):
    """The places of a config that have a codec, or its input size."""

    codecs: list[Place]
    warps: list[Place]

    @classmethod
    def of(cls, cfg: Config) -> Places:
        """Find them: the head's decoder first, then all encoders."""
        codecs, warps = [], []
        if isinstance(raw_get(raw_get(cfg, 'model'), 'head'), dict):
            path, head = decoding_head(cfg)
            codecs.append(Place(path, head, 'decoder'))
        for path, node in walk(cfg._cfg_dict):
            kind = type_name(node)
            if kind in ('GenerateTarget', 'BatchGenerateTarget'):
                codecs.append(Place(path, node, 'encoder'))
            elif kind == 'TopdownAffine':
                warps.append(Place(path, node, 'input_size'))
        return cls(codecs, warps)

    def levels(self) -> list[tuple[str, Any]]:
        """Return path and value of each level of the codecs in use."""
        return [
            (f'{place.path}.{place.key}', level)
            for place in self.codecs
            if place.is_used
            for level in as_levels(place.value)
        ]

    def warp_is_udp(self) -> bool:
        """Return whether the crops are made by UDP's warp.

        Raises:
            ValueError: If there is no warp, or if they differ.
        """
        kinds = {
            bool(warp.node.get('use_udp', False))
            for warp in self.warps
            if warp.is_used
        }
        if not kinds:
            raise ValueError(
                'codec is DARKCodec, but the config has no TopdownAffine: it '
                'is for top-down models'
            )
        if len(kinds) > 1:
            raise ValueError(
                'use_udp differs between the TopdownAffine transforms of '
                'this config; DARKCodec needs one warp for all'
            )
        return kinds.pop()


def decoding_head(cfg: Config) -> tuple[str, dict]:
    """Return the path of the head that has the decoder, and the head.

    VisPredictHead wraps another head, and adds the keypoints' visibility.

    Raises:
        ValueError: If the config has no ``model.head``.
    """
    head = (cfg.get('model') or {}).get('head')
    if not isinstance(head, dict):
        raise ValueError(
            'codec is DARKCodec, but the config has no '
            'model.head: it is for top-down heatmap models'
        )
    if type_name(head) == 'VisPredictHead':
        return 'model.head.pose_cfg', head['pose_cfg']
    return 'model.head', head


def head_decoder(cfg: Config) -> dict:
    """Return the head's codec config, of the finest level; {} if none."""
    try:
        _, head = decoding_head(cfg)
    except ValueError:
        return {}
    return as_levels(head.get('decoder') or {})[-1]
