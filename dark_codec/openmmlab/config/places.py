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
    """A key of a config's node, with its path."""

    path: str
    node: dict
    key: str

    @property
    def value(self) -> Any:
        """Its value; a codec may be a list, one codec per level."""
        return raw_get(self.node, self.key)


class Places(NamedTuple):
    """Where a config has a codec: the head's decoder first, then encoders.

    Warps have its input size. ``used`` are those codecs that a run reads.
    """

    codecs: list[Place]
    used: list[Place]
    warps: list[Place]

    @classmethod
    def of(cls, cfg: Config) -> Places:
        """Find them, in one walk."""
        codecs, warps = [], []
        if isinstance(raw_get(raw_get(cfg, 'model'), 'head'), dict):
            path, head = decoding_head(cfg)
            codecs.append(Place(f'{path}.decoder', head, 'decoder'))
        for path, node in walk(cfg._cfg_dict):
            kind = type_name(node)
            if kind in ('GenerateTarget', 'BatchGenerateTarget'):
                codecs.append(Place(f'{path}.encoder', node, 'encoder'))
            elif kind == 'TopdownAffine':
                warps.append(Place(f'{path}.input_size', node, 'input_size'))
        return cls(codecs, [p for p in codecs if is_used(p)], warps)

    def levels(self) -> list[tuple[str, Any]]:
        """Return path and value of each level of the codecs in use."""
        return [
            (place.path, level)
            for place in self.used
            for level in as_levels(place.value)
        ]

    def warps_by_udp(self) -> dict[bool, str]:
        """Return whether crops are made by UDP's warp, and a first path."""
        return {
            bool(warp.node.get('use_udp', False)): warp.path
            for warp in reversed(self.warps)
            if is_used(warp)
        }


def is_used(place: Place) -> bool:
    """Return whether a run reads a place."""
    return place.path.partition('.')[0] in _USED


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
