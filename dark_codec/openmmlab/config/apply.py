"""Copy the codec of a config to every place that uses it."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from ...checks import checked_flag
from ...functional import get_alignment
from .agreement import check_places, check_spelling, check_spelt_out
from .codecs import (
    GAUSSIAN_CODECS,
    alignment_of,
    build_codec,
    check_sizes,
    complete_codec,
    describe,
    gaussian_sigma,
    is_dark,
    same_codec,
)
from .device_targets import move_targets_to_device, move_targets_to_workers
from .keypoint_sigmas import fill_in_sigmas
from .places import Place, Places, decoding_head
from .tree import as_levels, set_logged, type_name


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
    switch = cfg.get('targets_on_device')
    on_device = switch is not None and checked_flag(
        switch, 'targets_on_device'
    )
    if 'targets_on_device' in cfg and not on_device:
        move_targets_to_workers(cfg)
    places = Places.of(cfg)
    check_spelling(cfg, places)
    codec = cfg.get('codec')
    levels = as_levels(codec)
    if not any(map(is_dark, levels)):
        if on_device:
            raise ValueError(
                "targets_on_device=True needs codec=dict(type='DARKCodec'), "
                f'got {codec}'
            )
        check_spelt_out(cfg, places)
        return cfg
    if not all(map(is_dark, levels)):
        raise ValueError(
            'either all levels of codec are DARKCodec or none, '
            f'got {[type_name(level) for level in levels]}'
        )
    replaced = _replaced_codec(cfg)
    use_udp = _warp_is_udp(places)
    levels = [
        complete_codec(fill_in_sigmas(level, cfg), replaced, use_udp)
        for level in levels
    ]
    check_sizes(levels[-1], replaced)
    check_places(cfg, places, levels)
    _check_flip_test(cfg, levels[-1])
    encoders = {
        place.path: _encoder_for(place, levels, replaced)
        for place in places.codecs
        if place.key == 'encoder'
    }
    cfg.codec = levels if isinstance(codec, (list, tuple)) else levels[0]
    _carry(places, levels[-1], encoders)
    _set_shift(cfg, levels[-1], replaced)
    if on_device:
        move_targets_to_device(cfg)
    return cfg


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
    return dict(decoder)


def _warp_is_udp(places: Places) -> bool:
    """Return whether the crops are made by UDP's warp."""
    kinds = list(places.warps_by_udp())
    if not kinds:
        raise ValueError(
            'codec is DARKCodec, but the config has no TopdownAffine: it is '
            'for top-down models'
        )
    if len(kinds) > 1:
        raise ValueError(
            'use_udp differs between the TopdownAffine transforms of this '
            'config; DARKCodec needs one warp for all'
        )
    return kinds[0]


def _encoder_for(
    target: Place, levels: list[dict], replaced: dict
) -> dict | list[dict]:
    """Return the encoder of a GenerateTarget, or one of each level."""
    old = target.value
    if not isinstance(old, (list, tuple)):
        return levels[-1]
    names = [type_name(level) for level in old]
    if not target.node.get('multilevel') or not set(names) <= {
        *GAUSSIAN_CODECS
    }:
        raise ValueError(
            f'GenerateTarget combines the encoders {names}: '
            'DARKCodec replaces Gaussian heatmaps only'
        )
    if len(levels) > 1 and len(levels) != len(old):
        raise ValueError(
            f'codec has {len(levels)} levels, GenerateTarget has {len(old)}'
        )
    if len(levels) > 1:
        return levels
    # the levels keep their ratios to the head's sigma
    sigmas = [gaussian_sigma(level) for level in old]
    new, head = build_codec(levels[0]).sigma, gaussian_sigma(replaced)
    if head is not None and new != head:
        sigmas = [sigma and sigma * new / head for sigma in sigmas]
    return [dict(levels[0], sigma=sigma) for sigma in sigmas]


def _carry(places: Places, decoder: dict, encoders: dict[str, Any]) -> None:
    """Put the codec where it is used, and log what it replaces."""
    changes = [
        (place, encoders.get(place.path, decoder)) for place in places.codecs
    ]
    replaced = [
        str(type_name(as_levels(place.value)[-1]))
        for place, value in changes
        if not _does_the_same(place.value, value)
    ]
    for place, value in changes:
        set_logged(place.node, place.key, value, place.path)
    for warp in places.warps:
        set_logged(warp.node, warp.key, decoder['input_size'], warp.path)
    if replaced:
        kinds = ' and '.join(dict.fromkeys(replaced))
        count = f'{len(replaced)} place' + 's' * (len(replaced) > 1)
        print_log(
            f'DARKCodec: {describe(decoder)}; replaces {kinds} in {count}',
            logger='current',
        )


def _does_the_same(old: Any, new: Any) -> bool:
    pair = as_levels(old), as_levels(new)
    return len(pair[0]) == len(pair[1]) and all(map(same_codec, *pair))


def _check_flip_test(cfg: Config, codec: dict) -> None:
    test_cfg: Any = cfg.model.get('test_cfg') or {}
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


def _set_shift(cfg: Config, codec: dict, replaced: dict) -> None:
    """Move flipped heatmaps by a px only where the alignment wants it."""
    test_cfg = cfg.model.setdefault('test_cfg', {})
    fits, fitted = (
        get_alignment(alignment_of(c)).shift_heatmap for c in (codec, replaced)
    )
    found = test_cfg.get('shift_heatmap', fits)
    if found not in (fits, fitted):
        # no codec has asked for it: somebody has set it
        print_log(
            f'DARKCodec: model.test_cfg.shift_heatmap={found} does not fit '
            f'alignment={alignment_of(codec)!r}: it is set back to {fits}',
            logger='current',
            level=logging.WARNING,
        )
    path = 'model.test_cfg.shift_heatmap'
    set_logged(test_cfg, 'shift_heatmap', fits, path)
