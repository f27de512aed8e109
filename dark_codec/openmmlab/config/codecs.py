"""Codecs of Gaussian heatmaps, as configs have them: dicts with a type."""

from __future__ import annotations

import inspect
import logging
from typing import Any

from mmengine.logging import print_log
from mmpose.registry import KEYPOINT_CODECS

from ...codec import DARKCodec
from .tree import plain, type_name

# MMPose's codecs of Gaussian heatmaps, which have one alignment each
MMPOSE_ALIGNMENTS = dict(
    MSRAHeatmap='asymmetric',
    UDPHeatmap='align_corners',
    MegviiHeatmap='asymmetric',
)
GAUSSIAN_CODECS = (*MMPOSE_ALIGNMENTS, 'DARKCodec')
DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(DARKCodec).parameters.items()
}
# settings that MMPose's codecs have as well
SHARED = ('input_size', 'heatmap_size', 'sigma')


def is_dark(codec: Any) -> bool:
    """Return whether a node is a DARKCodec."""
    return type_name(codec) == 'DARKCodec'


def build_codec(codec: dict) -> DARKCodec:
    """Build a DARKCodec; raise a ValueError where that fails."""
    args = {key: value for key, value in plain(codec).items() if key != 'type'}
    unknown = sorted(set(args) - set(DEFAULTS))
    if unknown:
        raise ValueError(
            f'unknown keys {unknown} in codec (DARKCodec); '
            f'known ones: {sorted(DEFAULTS)}'
        )
    try:
        return DARKCodec(**args)
    except TypeError as error:
        raise ValueError(f'codec (DARKCodec): {error}') from error


def same_codec(one: Any, other: Any) -> bool:
    """Return whether two nodes are equivalent DARKCodecs."""
    return (
        is_dark(one)
        and is_dark(other)
        and build_codec(one).settings == build_codec(other).settings
    )


def agrees(named: dict, codec: dict) -> bool:
    """Return whether a codec has all settings that a DARKCodec names."""
    return same_codec({**codec, **plain(named)}, codec)


def alignment_of(codec: dict) -> str:
    """Return the alignment of a codec of Gaussian heatmaps."""
    fixed = MMPOSE_ALIGNMENTS.get(type_name(codec) or '')
    return fixed or codec.get('alignment', DEFAULTS['alignment'])


def gaussian_sigma(codec: dict) -> float | None:
    """Return the sigma of a codec's targets in heatmap px, if given."""
    if type_name(codec) == 'MegviiHeatmap':
        # it blurs a single pixel with OpenCV's kernel of this size
        size = codec['kernel_size']
        size = size[0] if isinstance(size, (list, tuple)) else size
        return 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    return codec.get('sigma')


def gaussian_settings(codec: dict) -> dict[str, Any]:
    """Return what is known of a codec of Gaussian heatmaps, {} of others.

    All settings of a DARKCodec; of MMPose's those that a DARKCodec would take
    over, defaults included.
    """
    if is_dark(codec):
        return build_codec(codec).settings
    if type_name(codec) not in MMPOSE_ALIGNMENTS:
        return {}
    built = vars(KEYPOINT_CODECS.build(plain(codec)))
    sigma = gaussian_sigma({'type': type_name(codec), **built})
    taken = DARKCodec(built['input_size'], built['heatmap_size'], sigma)
    settings = {key: taken.settings[key] for key in SHARED}
    return dict(settings, alignment=alignment_of(codec))


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
    codec = dict(plain(codec), type='DARKCodec')
    # inheritance from a base merges its codec's keys into ours
    foreign = set() if is_dark(replaced) else set(codec) - {'type', *DEFAULTS}
    inherited = {
        key: codec.pop(key)
        for key in sorted(foreign)
        if key in replaced and replaced[key] == codec[key]
    }
    if inherited:
        print_log(
            f'DARKCodec: dropped {inherited}, inherited from '
            f'{type_name(replaced)}',
            logger='current',
            level=logging.DEBUG,
        )
    for key in ('input_size', 'heatmap_size'):
        codec.setdefault(key, replaced.get(key))
    codec.setdefault('sigma', gaussian_sigma(replaced))
    default = DEFAULTS['alignment']
    alignment = MMPOSE_ALIGNMENTS.get(type_name(replaced) or '', default)
    if alignment != default:
        codec.setdefault('alignment', alignment)
    if codec.setdefault('use_udp', use_udp) != use_udp:
        raise ValueError(
            f'codec.use_udp={codec["use_udp"]}, but TopdownAffine has '
            f'use_udp={use_udp}; leave it out of the codec'
        )
    build_codec(codec)
    return codec


def check_sizes(codec: dict, old: dict) -> None:
    """Check that input size and heatmap size were changed together.

    Raises:
        ValueError: If the stride is another than that of ``old``.
    """
    new = build_codec(codec)
    if old.get('heatmap_size') is None or old.get('input_size') is None:
        return
    # of x and y; rounded sizes make them differ
    stride, old_stride = (
        [pixels / cells for pixels, cells in zip(*sizes)]
        for sizes in (
            (new.input_size, new.heatmap_size),
            (old['input_size'], old['heatmap_size']),
        )
    )
    if stride != old_stride:
        w, h = (round(n / s) for n, s in zip(new.input_size, old_stride))
        is_now, was = (
            ' x '.join(f'{s:g}' for s in dict.fromkeys(pair))
            for pair in (stride, old_stride)
        )
        raise ValueError(
            f'codec has input_size={new.input_size} and heatmap_size='
            f'{new.heatmap_size}, a stride of {is_now}, but the model was '
            f'configured for {was}, which asks for heatmap_size=({w}, {h}). '
            '(If the network really has the new stride, change the sizes in '
            'model.head.decoder, too.)'
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


def describe(codec: dict) -> str:
    """Describe a DARKCodec in a few words, for the log."""
    settings = build_codec(codec).settings
    encoder, decoder = dict(settings['encoder']), settings['decoder']
    (w, h), (width, height) = settings['input_size'], settings['heatmap_size']
    encoding = encoder.pop('type').removesuffix('Encoder').lower()
    decoding = decoder['type'].removesuffix('Decoder')
    if 'modulation' in decoder:
        modulation = decoder['modulation'] or dict(type='unmodulated')
        decoding += f' ({modulation.get("rescale", modulation["type"])})'
    words = [
        encoding + ''.join(f' ({value})' for value in encoder.values()),
        decoding,
        settings['alignment'],
        f'sigma {settings["sigma"]:g}',
        f'{w}x{h} -> {width}x{height}',
    ]
    if settings['correct_flip_shift']:
        words.append('flip shift corrected')
    if settings['scores']['type'] != 'HeatmapHeight':
        words.append(f'scores {settings["scores"]["type"]}')
    return ', '.join(words)
