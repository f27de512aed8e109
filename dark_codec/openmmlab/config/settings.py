"""Settings of a DARKCodec in a config: completed, compared, described.

All functions take codecs as configs have them, dicts with a ``type``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence
from typing import Any

from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.logging import print_log
from mmpose.registry import KEYPOINT_CODECS

from ...codec import DARKCodec
from ...registry import DECODERS, ENCODERS, MODULATIONS
from .places import MMPOSE_ALIGNMENTS
from .tree import full_name, raw_items, type_name, unscoped

# Keys of replaced codecs that DARKCodec does not take: inheritance from a base
# merges them into its config
_FOREIGN_KEYS = (
    'unbiased',
    'blur_kernel_size',
    'heatmap_type',
    'radius_factor',
    'kernel_size',
)
_DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(DARKCodec).parameters.items()
}
# which MMPose's codecs have as well
_SHARED = ('input_size', 'heatmap_size', 'sigma')
# which complete_codec sets
COMPLETED = (*_SHARED, 'use_udp')


def complete_codec(codec: dict, replaced: dict, use_udp: bool) -> dict:
    """Fill in what a DARKCodec takes over from the codec that it replaces.

    Args:
        codec (dict): As the config has it. It is not changed.
        replaced (dict): The codec of Gaussian heatmaps that it replaces.
        use_udp (bool): Whether the crops are made by UDP's warp.

    Returns:
        dict: With ``input_size``, ``heatmap_size``, ``sigma`` and ``use_udp``,
        without keys that were inherited from ``replaced``, and with names
        instead of classes, as which a config can be saved.

    Raises:
        ValueError: If no DARKCodec can be built from it.
    """
    codec = dict(_named(unscoped(codec)), type='DARKCodec')
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
            level=logging.DEBUG,
        )
    for key in ('input_size', 'heatmap_size'):
        codec.setdefault(key, replaced.get(key))
    codec.setdefault('sigma', gaussian_sigma(replaced))
    default = _DEFAULTS['alignment']
    alignment = MMPOSE_ALIGNMENTS.get(type_name(replaced) or '', default)
    if alignment != default:
        codec.setdefault('alignment', alignment)
    if codec.setdefault('use_udp', use_udp) != use_udp:
        raise ValueError(
            f'codec.use_udp={codec["use_udp"]}, but '
            f'TopdownAffine has use_udp={use_udp}; leave it out '
            'of the codec'
        )
    unknown = sorted(set(codec) - {'type'} - set(_DEFAULTS))
    if unknown:
        raise ValueError(
            f'unknown keys {unknown} in codec (DARKCodec); '
            f'known ones: {sorted(_DEFAULTS)}'
        )
    build_codec(codec)
    return codec


def check_settings(path: str, codec: Any) -> None:
    """Refuse a codec of another type that has settings of DARKCodec.

    At the top level nothing else would read them.

    Raises:
        ValueError: With the codec's path and these settings.
    """
    name = type_name(codec)
    if name == 'DARKCodec':
        return
    kind = KEYPOINT_CODECS.get(name) if name else None
    taken = inspect.signature(kind).parameters if kind else ()
    ours = set(_DEFAULTS) - {*_SHARED, *taken}
    found = [key for key, _ in raw_items(codec) if key in ours]
    if found:
        raise ValueError(
            f'{path} has {", ".join(found)} as only a DARKCodec has, but its '
            f"type is {name}: write type='DARKCodec', or leave them out"
        )


def _named(node: Any) -> Any:
    """Return a copy with names in place of classes and lazy objects."""
    if isinstance(node, dict):
        return {key: _named(value) for key, value in raw_items(node)}
    if isinstance(node, (list, tuple)):
        return type(node)(_named(value) for value in node)
    if isinstance(node, (LazyAttr, LazyObject)):
        node = node.build()
    if not isinstance(node, type):
        return node
    name = node.__name__
    registries = (ENCODERS, DECODERS, MODULATIONS)
    registered = any(r.module_dict.get(name) is node for r in registries)
    return name if registered else full_name(node)


def gaussian_sigma(codec: dict) -> float | None:
    """Return the sigma of a codec's targets in heatmap px, if given."""
    if type_name(codec) == 'MegviiHeatmap':
        # it blurs a single pixel with OpenCV's kernel of this size
        size = codec['kernel_size']
        size = size[0] if isinstance(size, (list, tuple)) else size
        return 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    return codec.get('sigma')


def alignment_of(codec: dict) -> str:
    """Return the alignment of a codec of Gaussian heatmaps."""
    fixed = MMPOSE_ALIGNMENTS.get(type_name(codec) or '')
    return fixed or codec.get('alignment', _DEFAULTS['alignment'])


def build_codec(codec: dict) -> DARKCodec:
    """Build a DARKCodec; raise a ValueError where that fails."""
    args = {k: v for k, v in _named(unscoped(codec)).items() if k != 'type'}
    try:
        return DARKCodec(**args)
    except TypeError as error:
        raise ValueError(f'codec (DARKCodec): {error}') from error


def check_stride(codec: dict, replaced: dict) -> None:
    """Check that input size and heatmap size were changed together.

    Raises:
        ValueError: If the stride is another than that of ``replaced``.
    """
    new, old = build_codec(codec), replaced
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
            level=logging.WARNING,
        )


def _strides(input_size: Sequence, heatmap_size: Sequence) -> list[float]:
    """Return the strides of x and y; rounded sizes make them differ."""
    return [i / h for i, h in zip(input_size, heatmap_size)]


def _spelt(strides: list[float]) -> str:
    return ' x '.join(f'{s:g}' for s in dict.fromkeys(strides))


def same_codec(one: Any, other: Any, any_sigma: bool = False) -> bool:
    """Return whether two nodes are equivalent DARKCodecs.

    Args:
        one (Any): A node of a config.
        other (Any): Another one.
        any_sigma (bool): Whether they may differ in ``sigma``. Defaults to
            False.
    """
    if any(type_name(node) != 'DARKCodec' for node in (one, other)):
        return False
    settings = [_settings(node) for node in (one, other)]
    if any_sigma:
        for setting in settings:
            del setting['sigma']
    return settings[0] == settings[1]


def _settings(codec: dict) -> dict:
    """Return a DARKCodec's settings, with defaults and plain types."""
    settings = {**_DEFAULTS, **_named(unscoped(codec))}
    settings.pop('type')
    for part in ('encoder', 'decoder'):
        settings[part] = _part(settings[part])
    built = build_codec(codec)
    for key in ('input_size', 'heatmap_size', 'sigma'):
        settings[key] = getattr(built, key)
    return settings


def _part(node: Any) -> Any:
    """Return an encoder, decoder or modulation as a dict."""
    if isinstance(node, str):
        node = dict(type=node)
    if not isinstance(node, dict):
        return node
    part = dict(node, type=type_name(node))
    if 'modulation' in part:
        part['modulation'] = _part(part['modulation'])
    return part


def describe(codec: dict) -> str:
    """Describe a DARKCodec in a few words, for the log."""
    built = build_codec(codec)
    (w, h), (width, height) = built.input_size, built.heatmap_size
    encoder = _part(_named(codec.get('encoder', _DEFAULTS['encoder'])))
    words = [
        encoder.pop('type').removesuffix('Encoder').lower()
        + _in_brackets(encoder.values()),
        _describe_decoder(built.decoder),
        built.alignment,
        f'sigma {built.sigma:g}',
        f'{w}x{h} -> {width}x{height}',
    ]
    if built.correct_flip_shift:
        words.append('flip shift corrected')
    return ', '.join(words)


def _describe_decoder(decoder: Any) -> str:
    name = type(decoder).__name__.removesuffix('Decoder')
    if not hasattr(decoder, 'modulation'):
        return name
    modulation = decoder.modulation
    kind = getattr(modulation, 'rescale', type(modulation).__name__)
    return f'{name} ({"unmodulated" if modulation is None else kind})'


def _in_brackets(values: Any) -> str:
    text = ', '.join(map(str, values))
    return f' ({text})' if text else ''
