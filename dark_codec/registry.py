"""Registries of the parts of a codec.

Their scope is MMPose's: MMEngine warns at every build of a type from another
scope than the default one, which is 'mmpose' in every MMPose config. Their
locations are given because MMEngine would import all of MMPose instead.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from mmengine.registry import Registry

ENCODERS = Registry('dark encoder', scope='mmpose', locations=['dark_codec'])
DECODERS = Registry('dark decoder', scope='mmpose', locations=['dark_codec'])
MODULATIONS = Registry(
    'dark modulation', scope='mmpose', locations=['dark_codec']
)


def nearest_name(name: str, registry: Registry) -> str | None:
    """Return the registered name nearest to a misspelt one, or None."""
    known = {key.lower(): key for key in registry.module_dict}
    near = get_close_matches(name.split('.')[-1].lower(), known, 1)
    return known[near[0]] if near else None


def build_part(
    registry: Registry, cfg: str | dict, name: str, sigma: float
) -> Any:
    """Build an encoder, decoder or modulation from its name or config.

    Args:
        registry (Registry): Registry of the part.
        cfg (str | dict): A registered name, or a dict with ``type``.
        name (str): The argument that ``cfg`` came from, for errors.
        sigma (float): Given to parts that use a sigma and whose config has
            none, in heatmap px.

    Raises:
        TypeError: If ``cfg`` is neither a name nor a dict with a type.
        ValueError: If nothing of that name is registered.
    """
    cfg = dict(type=cfg) if isinstance(cfg, (str, type)) else cfg
    if not isinstance(cfg, dict) or 'type' not in cfg:
        raise TypeError(
            f'{name} must be a registered name or a dict with '
            f"'type', got {cfg!r}"
        )
    part = cfg['type']
    if isinstance(part, str):
        part = registry.get(part)
    if part is None:
        near = nearest_name(cfg['type'], registry)
        raise ValueError(
            f'unknown {name} {cfg["type"]!r}; '
            + (f'did you mean {near!r}? ' if near else '')
            + f'known ones: {sorted(registry.module_dict)}'
        )
    args = {key: value for key, value in cfg.items() if key != 'type'}
    if getattr(part, 'uses_sigma', False) and args.get('sigma') is None:
        args['sigma'] = sigma
    return part(**args)
