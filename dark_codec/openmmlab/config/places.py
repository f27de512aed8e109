"""Places of the codec in a config: the head, its targets, its warps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from .tree import as_levels, find_all, raw_get, type_name

ENCODING = ('GenerateTarget', 'BatchGenerateTarget')
# MMPose's codecs of Gaussian heatmaps, which have one alignment each
MMPOSE_ALIGNMENTS = dict(
    MSRAHeatmap='asymmetric',
    UDPHeatmap='align_corners',
    MegviiHeatmap='asymmetric',
)
GAUSSIAN_CODECS = (*MMPOSE_ALIGNMENTS, 'DARKCodec')
# what runs; a base's top-level ``train_pipeline`` may be unused
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
USED = ('model', *LOADERS, 'custom_hooks')


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
    decoder = head.get('decoder') or {}
    return decoder[-1] if isinstance(decoder, (list, tuple)) else decoder


def codec_places(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yield path and value of each codec that MMPose would build.

    These are the codecs of the head and of the transforms that run. A value
    may be a list, one codec a level.
    """
    if isinstance(raw_get(raw_get(cfg, 'model'), 'head'), dict):
        path, head = decoding_head(cfg)
        yield f'{path}.decoder', raw_get(head, 'decoder')
    for key in USED:
        for kind in ENCODING:
            for path, node in find_all(raw_get(cfg, key), kind, key):
                yield f'{path}.encoder', raw_get(node, 'encoder')


def codec_levels(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Yield path and each level of all codecs, the top-level one first."""
    yield from (('codec', level) for level in as_levels(raw_get(cfg, 'codec')))
    for path, codec in codec_places(cfg):
        yield from ((path, level) for level in as_levels(codec))


def warps(cfg: Config) -> Iterator[tuple[str, dict]]:
    """Yield path and node of each TopdownAffine that runs."""
    for key in LOADERS:
        yield from find_all(raw_get(cfg, key), 'TopdownAffine', key)


def warp_is_udp(cfg: Config) -> bool:
    """Return whether the crops are made by UDP's warp.

    Raises:
        ValueError: If there is no warp, or if they differ.
    """
    kinds = {bool(warp.get('use_udp', False)) for _, warp in warps(cfg)}
    if len(kinds) != 1:
        raise ValueError(
            'codec is DARKCodec, but the config has no TopdownAffine: it is '
            'for top-down models'
            if not kinds
            else 'use_udp differs between the TopdownAffine transforms of '
            'this config; DARKCodec needs one warp for all'
        )
    return kinds.pop()
