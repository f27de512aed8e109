"""Decoders by short names, and sweeps over their widths."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config

from ..dumps.format import DumpInfo
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
DARK = 'Taylor with modulation (DARK)'
# by their titles in tables and figures; the first four are the paper's
BY_TITLE: dict[str, dict] = {
    'argmax': SHORT['argmax'],
    'quarter shift': SHORT['shift'],
    'Taylor without modulation': SHORT['taylor'],
    DARK: SHORT['dark'],
    'Gaussian fit': SHORT['fit'],
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
            raise ValueError(f'{text}: not a dict: {error}') from error
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
        try:
            value = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            pass  # text without quotes, such as a name
        decoder.merge_from_dict({key: value})
    return text, decoder.to_dict()


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


def chosen_decoders(
    info: DumpInfo,
    names: Sequence[str] | None,
    sigmas: Sequence[float] | None,
    kernel_sizes: Sequence[int] | None,
) -> tuple[dict[str, dict], dict[str, Sweep]]:
    """Return the decoders to compare, and which of them are sweeps.

    Args:
        info: Of the dump.
        names: See :func:`parse_decoder`; None for :data:`DEFAULTS`.
        sigmas: See :func:`sigma_sweep`; None for no sweep.
        kernel_sizes: See :func:`kernel_sweep`; None for no sweep.

    Raises:
        ValueError: If a name is unknown.
    """
    decoders = dict(map(parse_decoder, names or DEFAULTS[info.kind]))
    sweeps = {}
    if sigmas is not None:
        sweeps['sweep_sigma'] = sigma_sweep(info, sigmas)
    if kernel_sizes is not None:
        sweeps['sweep_kernel_size'] = kernel_sweep(info, kernel_sizes)
    for sweep in sweeps.values():
        decoders.update(sweep.decoders)
    return decoders, sweeps


def sigma_sweep(info: DumpInfo, sigmas: Sequence[float]) -> Sweep:
    """Return Taylor and fit decoders for these sigmas, or for defaults.

    Args:
        info: Of the dump.
        sigmas: In heatmap px.
    """
    chosen = sigmas or readable_sigmas(info, SIGMA_STEPS)
    texts = {
        'Taylor': {s: f'dark-max:modulation.sigma={s:g}' for s in chosen},
        'fit': {s: f'fit:sigma={s:g}' for s in chosen},
    }
    return _sweep('sigma of the decoder, heatmap px', texts)


def kernel_sweep(info: DumpInfo, sizes: Sequence[int]) -> Sweep:
    """Return Taylor decoders with these OpenCV kernels, or defaults."""
    chosen = sizes or _readable(KERNEL_SIZES, lambda size: size // 2 + 2, info)
    texts = {k: f'dark-max:modulation.kernel_size={k}' for k in chosen}
    return _sweep("size of OpenCV's kernel, heatmap px", {'Taylor': texts})


def _sweep(label: str, families: dict[str, dict[float, str]]) -> Sweep:
    texts = [text for family in families.values() for text in family.values()]
    return Sweep(label, dict(map(parse_decoder, texts)), families)


def readable_sigmas(info: DumpInfo, widths: Sequence[float]) -> list[float]:
    """Return sigmas of Taylor decoders that a dump's patches suffice for.

    Args:
        info: Of the dump.
        widths: In units of the training sigma.
    """
    sigmas = [info.codec['sigma'] * width for width in widths]
    return _readable(sigmas, lambda sigma: 3 * sigma + 2, info)


def _readable(
    values: Sequence, reach: Callable[[Any], float], info: DumpInfo
) -> list:
    """Leave out values with which a decoder reads beyond the patches."""
    if info.patch_radius is None:
        return list(values)
    return [value for value in values if reach(value) <= info.patch_radius]
