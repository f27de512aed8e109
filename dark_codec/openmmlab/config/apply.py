"""Copy the codec of a config to every place that uses it."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ...functional import get_alignment
from .agreement import check_agreement, check_explicit, check_replaced
from .device_targets import move_targets_to_device
from .places import (
    ENCODING,
    GAUSSIAN_CODECS,
    codec_levels,
    decoding_head,
    warp_is_udp,
)
from .settings import (
    alignment_of,
    check_settings,
    check_stride,
    complete_codec,
    describe,
    gaussian_sigma,
    same_codec,
)
from .spelling import check_spelling
from .tree import as_levels, find_all, set_logged, type_name


def apply_codec(cfg: Config) -> Config:
    """Make a config use the :class:`DARKCodec` that its ``codec`` asks for.

    In MMEngine's configs a ``codec`` redefined over a base changes nothing
    by itself: the base has already copied its own codec to where it is used.
    This copies the top-level ``codec`` to every ``GenerateTarget``, to
    ``TopdownAffine.input_size`` and to the head's decoder, removes keys
    inherited from the codec it replaces, and sets
    ``model.test_cfg.shift_heatmap`` to what the alignment needs. One line of
    the log says what replaces what; details are logged at DEBUG.

    It is called wherever a config is read, see
    :func:`dark_codec.openmmlab.config.install`. By hand, call it after you
    have changed ``cfg.codec``. Calling it twice changes nothing.

    With ``targets_on_device = True`` beside ``codec``, the data loader's
    workers send keypoints, and the heatmaps are rendered on the training
    device by :class:`BatchGenerateTarget`, which replaces GenerateTarget.

    A config with another ``codec`` is returned as it is, unless some of its
    places have a DARKCodec: these must then agree.

    Args:
        cfg (Config): A whole config. It is changed in place.

    Returns:
        Config: ``cfg``.

    Raises:
        ValueError: If DARKCodec cannot be used: the model does not predict
            Gaussian heatmaps, sizes disagree, or a key is unknown; or if it
            is misspelt.
    """
    check_spelling(cfg)
    codec = cfg.get('codec')
    levels = as_levels(codec)
    dark = [type_name(level) == 'DARKCodec' for level in levels]
    if not any(dark):
        if cfg.get('targets_on_device'):
            raise ValueError(
                "targets_on_device=True needs codec=dict(type='DARKCodec'), "
                f'got {codec}'
            )
        check_explicit(cfg)
        _check_settings(cfg)
        return cfg
    if not all(dark):
        raise ValueError(
            'either all levels of codec are DARKCodec or none, '
            f'got {[type_name(level) for level in levels]}'
        )
    _check_settings(cfg)
    replaced = _replaced_codec(cfg)
    check_replaced(cfg)
    use_udp = warp_is_udp(cfg)
    levels = [complete_codec(level, replaced, use_udp) for level in levels]
    check_stride(levels[-1], replaced)
    check_agreement(cfg, levels)
    cfg.codec = levels if isinstance(codec, (list, tuple)) else levels[0]
    _carry(cfg, levels)
    _set_shift(cfg, levels[-1])
    if cfg.get('targets_on_device'):
        move_targets_to_device(cfg)
    return cfg


def _check_settings(cfg: Config) -> None:
    for path, level in codec_levels(cfg):
        check_settings(path, level)


def _replaced_codec(cfg: Config) -> dict:
    """Return the codec of Gaussian heatmaps that the head has so far."""
    path, head = decoding_head(cfg)
    decoder: Any = head.get('decoder')
    name = type_name(decoder)
    if name not in GAUSSIAN_CODECS:
        raise ValueError(
            f'DARKCodec cannot replace {name or decoder!r}, the decoder of '
            f'{path} ({type_name(head)}): it needs a head that '
            'predicts one Gaussian heatmap per keypoint, such as those of '
            f'{", ".join(GAUSSIAN_CODECS[:3])}'
        )
    if decoder.get('heatmap_type', 'gaussian') != 'gaussian':
        raise ValueError(
            'DARKCodec cannot replace UDPHeatmap with heatmap_type='
            f'{decoder.heatmap_type!r}: such a head predicts offsets too'
        )
    return decoder


def _carry(cfg: Config, levels: list[dict]) -> None:
    """Put the codec where it is used, and log what it replaces."""
    path, head = decoding_head(cfg)
    changes = [(head, 'decoder', levels[-1], path)]
    for kind in ENCODING:
        for path, transform in find_all(cfg, kind):
            encoder: Any = _encoder_for(transform, levels)
            changes.append((transform, 'encoder', encoder, path))
    names = [
        type_name(as_levels(node.get(key))[-1])
        for node, key, value, _ in changes
        if not _does_the_same(node.get(key), value)
    ]
    for change in changes:
        set_logged(*change)
    for path, warp in find_all(cfg, 'TopdownAffine'):
        set_logged(warp, 'input_size', levels[-1]['input_size'], path)
    if names:
        kinds = ' and '.join(dict.fromkeys(map(str, names)))
        places = f'{len(names)} place' + ('s' if len(names) > 1 else '')
        print_log(
            f'DARKCodec: {describe(levels[-1])}; replaces {kinds} in {places}',
            logger='current',
        )


def _does_the_same(old: Any, new: Any) -> bool:
    pair = as_levels(old), as_levels(new)
    return len(pair[0]) == len(pair[1]) and all(map(same_codec, *pair))


def _encoder_for(transform: dict, levels: list[dict]) -> dict | list[dict]:
    encoder = transform.get('encoder')
    if not isinstance(encoder, (list, tuple)):
        return levels[-1]
    names = [type_name(level) for level in encoder]
    if not transform.get('multilevel') or any(
        n not in GAUSSIAN_CODECS for n in names
    ):
        raise ValueError(
            f'GenerateTarget combines the encoders {names}: '
            'DARKCodec replaces Gaussian heatmaps only'
        )
    if len(levels) == 1:
        return [
            dict(levels[0], sigma=gaussian_sigma(level)) for level in encoder
        ]
    if len(levels) != len(encoder):
        raise ValueError(
            f'codec has {len(levels)} levels, GenerateTarget '
            f'has {len(encoder)}'
        )
    return levels


def _set_shift(cfg: Config, codec: dict) -> None:
    """Move flipped heatmaps by a px only where the alignment wants it."""
    test_cfg = cfg.model.setdefault('test_cfg', {})
    if test_cfg.get('flip_mode', 'heatmap') != 'heatmap':
        raise ValueError(
            f'model.test_cfg.flip_mode={test_cfg.flip_mode!r} '
            "does not fit DARKCodec, which needs 'heatmap'"
        )
    if codec.get('correct_flip_shift') and not test_cfg.get('flip_test'):
        raise ValueError(
            'codec.correct_flip_shift is for flip tests, but '
            'model.test_cfg.flip_test is not set'
        )
    shift = get_alignment(alignment_of(codec)).shift_heatmap
    set_logged(test_cfg, 'shift_heatmap', shift, 'model.test_cfg')
