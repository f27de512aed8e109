"""Two lines of a config, carried to every place that needs them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmpose.registry import KEYPOINT_CODECS

from ._config_targets import move_targets_to_device
from ._config_tree import find_all, set_logged, type_name, unscoped
from .codec import DARKCodec

# Keys of the codecs that DARKCodec may replace, which it has no use for:
# merged into its config by inheritance from a base
_FOREIGN_KEYS = (
    'unbiased',
    'blur_kernel_size',
    'heatmap_type',
    'radius_factor',
    'kernel_size',
)
_ENCODING = ('GenerateTarget', 'BatchGenerateTarget')
_GAUSSIAN_CODECS = ('MSRAHeatmap', 'UDPHeatmap', 'MegviiHeatmap', 'DARKCodec')


def apply_codec(cfg: Config) -> Config:
    """Make a config use the :class:`DARKCodec` that its ``codec`` asks for.

    In MMEngine's configs a ``codec`` redefined over a base changes nothing
    by itself: the base has already copied its own codec to where it is used.
    This carries the top-level ``codec`` to every ``GenerateTarget``, to
    ``TopdownAffine.input_size`` and to the head's decoder, removes keys
    inherited from the codec it replaces, and sets
    ``model.test_cfg.shift_heatmap`` to what the alignment needs. All changes
    are logged.

    With ``targets_on_device = True`` beside ``codec``, the data loader's
    workers send keypoints, and the heatmaps are rendered on the training
    device by :class:`BatchGenerateTarget`, which replaces GenerateTarget.

    A config whose ``codec`` is another one is returned as it is, unless
    DARKCodec stands in some of its places: these must then agree.

    Args:
        cfg (Config): A whole config. It is changed in place.

    Returns:
        Config: ``cfg``.

    Raises:
        ValueError: If DARKCodec cannot be meant here: the model does not
            predict Gaussian heatmaps, sizes disagree, or a key is unknown.
    """
    codec = cfg.get('codec')
    levels = codec if isinstance(codec, (list, tuple)) else [codec]
    dark = [type_name(level) == 'DARKCodec' for level in levels]
    if not any(dark):
        if cfg.get('targets_on_device'):
            raise ValueError(
                "targets_on_device=True needs codec=dict(type='DARKCodec'), "
                f'got {codec}'
            )
        _check_explicit(cfg)
        return cfg
    if not all(dark):
        raise ValueError(
            'either all levels of codec are DARKCodec or none, '
            f'got {[type_name(level) for level in levels]}'
        )
    replaced = _replaced_codec(cfg)
    use_udp = _warp_is_udp(cfg)
    levels = [_cleaned(level, replaced, use_udp) for level in levels]
    for level in levels:
        _check_buildable(level)
    _check_stride(levels[-1], replaced)
    cfg.codec = levels if isinstance(codec, (list, tuple)) else levels[0]
    path, head = _decoding_head(cfg)
    set_logged(head, 'decoder', levels[-1], path)
    for kind in _ENCODING:
        for path, transform in find_all(cfg, kind):
            encoder = _encoder_for(transform, levels)
            set_logged(transform, 'encoder', encoder, path)
    for path, transform in find_all(cfg, 'TopdownAffine'):
        set_logged(transform, 'input_size', levels[-1]['input_size'], path)
    _set_shift(cfg, levels[-1])
    if cfg.get('targets_on_device'):
        move_targets_to_device(cfg)
    return cfg


def _head(cfg: Config) -> dict:
    head = cfg.get('model', {}).get('head')
    if not isinstance(head, dict):
        raise ValueError(
            'codec is DARKCodec, but the config has no '
            'model.head: it is for top-down heatmap models'
        )
    return head


def _decoding_head(cfg: Config) -> tuple[str, dict]:
    """The head that has the decoder, and its path.

    VisPredictHead wraps another head, and adds the keypoints' visibility.
    """
    head = _head(cfg)
    if type_name(head) == 'VisPredictHead':
        return 'model.head.pose_cfg', head['pose_cfg']
    return 'model.head', head


def _replaced_codec(cfg: Config) -> dict:
    """The codec that the head would decode with, a Gaussian heatmap's."""
    path, head = _decoding_head(cfg)
    decoder: Any = head.get('decoder')
    name = type_name(decoder)
    if name not in _GAUSSIAN_CODECS:
        raise ValueError(
            f'DARKCodec cannot replace {name or decoder!r}, the decoder of '
            f'{path} ({type_name(head)}): it needs a head that '
            'predicts one Gaussian heatmap per keypoint, such as those of '
            f'{", ".join(_GAUSSIAN_CODECS[:3])}'
        )
    if decoder.get('heatmap_type', 'gaussian') != 'gaussian':
        raise ValueError(
            'DARKCodec cannot replace UDPHeatmap with heatmap_type='
            f'{decoder.heatmap_type!r}: such a head predicts offsets too'
        )
    return decoder


def _loaders(cfg: Config) -> dict:
    """What runs: a base's ``train_pipeline`` may stand elsewhere, unused."""
    names = ('train_dataloader', 'val_dataloader', 'test_dataloader')
    return {name: cfg.get(name) for name in names}


def _warp_is_udp(cfg: Config) -> bool:
    warps = {
        bool(transform.get('use_udp', False))
        for _, transform in find_all(_loaders(cfg), 'TopdownAffine')
    }
    if len(warps) != 1:
        raise ValueError(
            'codec is DARKCodec, but the config has no TopdownAffine: it is '
            'for top-down models'
            if not warps
            else 'use_udp differs between the TopdownAffine transforms of '
            'this config; DARKCodec needs one warp for all'
        )
    return warps.pop()


def _cleaned(codec: dict, replaced: dict, use_udp: bool) -> dict:
    """The codec without what it inherited from the one it replaces."""
    codec = unscoped(codec)
    dropped = {
        key: codec.pop(key)
        for key in _FOREIGN_KEYS
        if key in codec and replaced.get(key) == codec[key]
    }
    if dropped:
        print_log(
            f'DARKCodec: dropped {dropped}, inherited from '
            f'{type_name(replaced)}',
            logger='current',
        )
    for key in ('input_size', 'heatmap_size'):
        codec.setdefault(key, replaced.get(key))
    codec.setdefault('sigma', _replaced_sigma(replaced))
    if type_name(replaced) == 'UDPHeatmap':
        codec.setdefault('alignment', 'align_corners')
    if codec.setdefault('use_udp', use_udp) != use_udp:
        raise ValueError(
            f'codec.use_udp={codec["use_udp"]}, but '
            f'TopdownAffine has use_udp={use_udp}; leave it out '
            'of the codec'
        )
    known = inspect.signature(DARKCodec).parameters
    unknown = sorted(set(codec) - {'type'} - set(known))
    if unknown:
        raise ValueError(
            f'unknown keys {unknown} in codec (DARKCodec); '
            f'known ones: {sorted(known)}'
        )
    return codec


def _replaced_sigma(replaced: dict) -> float | None:
    if type_name(replaced) == 'MegviiHeatmap':
        # it blurs a single pixel with OpenCV's kernel of this size
        size = replaced['kernel_size']
        size = size[0] if isinstance(size, (list, tuple)) else size
        return 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    return replaced.get('sigma')


def _check_buildable(codec: dict) -> DARKCodec:
    try:
        return KEYPOINT_CODECS.build(codec)
    except TypeError as error:
        raise ValueError(f'codec (DARKCodec): {error}') from error


def _strides(input_size: Sequence, heatmap_size: Sequence) -> list[float]:
    """Of x and y, which differ where a network rounds its sizes."""
    return [i / h for i, h in zip(input_size, heatmap_size)]


def _spelt(strides: list[float]) -> str:
    return ' x '.join(f'{s:g}' for s in dict.fromkeys(strides))


def _check_stride(codec: dict, replaced: dict) -> None:
    """A size changed without the other one means another stride."""
    new, old = DARKCodec(**_args(codec)), replaced
    if old.get('heatmap_size') is None or old.get('input_size') is None:
        return
    stride = _strides(new.input_size, new.heatmap_size)
    old_stride = _strides(old['input_size'], old['heatmap_size'])
    if stride != old_stride:
        w, h = (round(n / s) for n, s in zip(new.input_size, old_stride))
        raise ValueError(
            f'codec has input_size={new.input_size} and heatmap_size='
            f'{new.heatmap_size}, a stride of {_spelt(stride)}, but the model '
            f'was configured for {_spelt(old_stride)}, which asks for '
            f'heatmap_size=({w}, {h}). (If the network really has the new '
            'stride, change the sizes in model.head.decoder, too.)'
        )
    expected = new.heatmap_size[1] / 32
    if (
        new.heatmap_size != tuple(old['heatmap_size'])
        and new.sigma == old.get('sigma') != expected
    ):
        print_log(
            f'DARKCodec: sigma={new.sigma:g} comes from a base with heatmaps '
            f"of {tuple(old['heatmap_size'])}; the paper's for "
            f'{new.heatmap_size} is {expected:g} (sigma=None takes it)',
            logger='current',
            level=30,
        )


def _args(codec: dict) -> dict:
    return {key: value for key, value in codec.items() if key != 'type'}


def _encoder_for(transform: dict, levels: list[dict]) -> dict | list[dict]:
    encoder = transform.get('encoder')
    if not isinstance(encoder, (list, tuple)):
        return levels[-1]
    names = [type_name(level) for level in encoder]
    if not transform.get('multilevel') or any(
        n not in _GAUSSIAN_CODECS for n in names
    ):
        raise ValueError(
            f'GenerateTarget combines the encoders {names}: '
            'DARKCodec replaces Gaussian heatmaps only'
        )
    if len(levels) == 1:
        return [
            dict(levels[0], sigma=_replaced_sigma(level)) for level in encoder
        ]
    if len(levels) != len(encoder):
        raise ValueError(
            f'codec has {len(levels)} levels, GenerateTarget '
            f'has {len(encoder)}'
        )
    return levels


def _set_shift(cfg: Config, codec: dict) -> None:
    """Only the asymmetric alignment wants MMPose's flip-test shift."""
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
    alignment = codec.get('alignment', 'asymmetric')
    set_logged(
        test_cfg, 'shift_heatmap', alignment == 'asymmetric', 'model.test_cfg'
    )


def _check_explicit(cfg: Config) -> None:
    """Places that name DARKCodec themselves must agree with each other."""
    model = cfg.get('model') or {}
    if not isinstance(model.get('head'), dict):
        return
    where, head = _decoding_head(cfg)
    places: dict[str, Any] = {f'{where}.decoder': head.get('decoder')}
    encoding = [
        *find_all(
            cfg.get('train_dataloader'), 'GenerateTarget', 'train_dataloader'
        ),
        *find_all(model, 'BatchGenerateTarget', 'model'),
    ]
    for path, transform in encoding:
        places[f'{path}.encoder'] = transform.get('encoder')
    dark = {
        path: codec
        for path, codec in places.items()
        if type_name(codec) == 'DARKCodec'
    }
    if not dark:
        return
    if len(dark) < len(places) or any(
        unscoped(codec) != unscoped(head['decoder']) for codec in dark.values()
    ):
        raise ValueError(
            'DARKCodec must be the same in all places, or stand in the '
            'top-level codec and be carried there. Got: '
            + '; '.join(f'{path} = {codec}' for path, codec in places.items())
        )
    _check_warps(cfg, head['decoder'])
    shift = (model.get('test_cfg') or {}).get('shift_heatmap', False)
    fits = head['decoder'].get('alignment', 'asymmetric') == 'asymmetric'
    if (model.get('test_cfg') or {}).get('flip_test') and shift != fits:
        raise ValueError(
            f'model.test_cfg.shift_heatmap={shift} does not fit '
            f'alignment={head["decoder"].get("alignment")!r}; '
            f'set it to {fits}'
        )


def _check_warps(cfg: Config, decoder: dict) -> None:
    """The crops must be of the size and the kind that the codec assumes."""
    codec = _check_buildable(decoder)
    for path, warp in find_all(_loaders(cfg), 'TopdownAffine'):
        found = dict(
            input_size=tuple(warp['input_size']),
            use_udp=bool(warp.get('use_udp', False)),
        )
        for key, value in found.items():
            if value != getattr(codec, key):
                raise ValueError(
                    f'{path}.{key}={value} does not fit the codec, which has '
                    f'{key}={getattr(codec, key)}; make them agree'
                )
