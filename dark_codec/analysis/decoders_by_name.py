"""Decoders by short names, and sweeps over their widths."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config

from ..dumps.reader import DumpInfo
from ..registry import DECODERS

SHORT: dict[str, dict] = {
    'argmax': dict(type='ArgmaxDecoder'),
    'shift': dict(type='QuarterShiftDecoder'),
    'shift-eq1': dict(type='QuarterShiftDecoder', variant='second'),
    'taylor': dict(type='TaylorDecoder', modulation=None),
    'dark': dict(
        type='TaylorDecoder', modulation=dict(type='GaussianModulation')
    ),
    'dark-max': dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', rescale='max'),
    ),
    'fit': dict(type='GaussianFitDecoder'),
}
# those that read the whole map cannot decode a dump of patches
DEFAULTS = {
    'full': ['argmax', 'shift', 'shift-eq1', 'taylor', 'dark', 'fit'],
    'patch': ['argmax', 'shift', 'taylor', 'dark-max', 'fit'],
}
SIGMA_STEPS = (0.5, 0.625, 0.75, 0.875, 1, 1.125, 1.25, 1.375, 1.5)
KERNEL_SIZES = tuple(range(3, 18, 2))


def parse_decoder(text: str) -> tuple[str, dict]:
    """Read one decoder of the command line.

    Args:
        text: A short name, a registered name, either with
            ``:key=value,...``, where a key may be ``modulation.sigma``, or
            a dict.

    Returns:
        The name for the report, and the decoder's config.

    Raises:
        ValueError: If it is none of these.
    """
    if text.startswith('{'):
        try:
            decoder = ast.literal_eval(text)
        except (SyntaxError, ValueError) as error:
            raise ValueError(f'{text}: no dict: {error}') from error
        if not isinstance(decoder, dict) or 'type' not in decoder:
            raise ValueError(f"{text}: the dict needs a 'type'")
        return text, decoder
    name, _, settings = text.partition(':')
    if name not in SHORT and DECODERS.get(name) is None:
        raise ValueError(
            f'{text}: unknown decoder {name!r}; known ones: '
            f'{", ".join([*SHORT, *sorted(DECODERS.module_dict)])}'
        )
    decoder = Config(dict(SHORT.get(name, dict(type=name))))
    for setting in settings.split(',') if settings else []:
        key, equals, value = setting.partition('=')
        if not (key and equals):
            raise ValueError(f'{text}: key=value expected, got {setting!r}')
        decoder.merge_from_dict({key: _value(value)})
    return text, decoder.to_dict()


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


class Sweep(NamedTuple):
    """Decoders that differ in one number.

    Attributes:
        label (str): What the number is.
        decoders (dict[str, dict]): Configs by name.
        families (dict[str, dict[float, str]]): By the name of each line to
            draw, the number of each decoder and its name.
    """

    label: str
    decoders: dict[str, dict]
    families: dict[str, dict[float, str]]


def sigma_sweep(info: DumpInfo, sigmas: Sequence[float]) -> Sweep:
    """Return Taylor and fit decoders for these sigmas, or for defaults.

    Args:
        info: Of the dump.
        sigmas: In heatmap px.
    """
    chosen = sigmas or with_windows_in(
        [info.codec['sigma'] * step for step in SIGMA_STEPS],
        lambda sigma: 3 * sigma + 2,
        info,
    )
    texts = {
        'Taylor': {s: f'dark-max:modulation.sigma={s:g}' for s in chosen},
        'fit': {s: f'fit:sigma={s:g}' for s in chosen},
    }
    return _sweep('sigma of the decoder, heatmap px', texts)


def kernel_sweep(info: DumpInfo, sizes: Sequence[int]) -> Sweep:
    """Return Taylor decoders with these OpenCV kernels, or defaults."""
    chosen = sizes or with_windows_in(
        KERNEL_SIZES, lambda size: size // 2 + 2, info
    )
    texts = {k: f'dark-max:modulation.kernel_size={k}' for k in chosen}
    return _sweep("size of OpenCV's kernel, heatmap px", {'Taylor': texts})


def _sweep(label: str, families: dict[str, dict[float, str]]) -> Sweep:
    texts = [text for family in families.values() for text in family.values()]
    return Sweep(label, dict(map(parse_decoder, texts)), families)


def with_windows_in(
    values: Sequence, reach: Callable[[Any], float], info: DumpInfo
) -> list:
    """Return the values whose windows fit into the dump's patches.

    Args:
        values: Sigmas or sizes of kernels.
        reach: How far a decoder with such a value reads, in heatmap px.
        info: Of the dump.
    """
    if info.patch_radius is None:
        return list(values)
    return [value for value in values if reach(value) <= info.patch_radius]
