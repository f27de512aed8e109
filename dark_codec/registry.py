"""Registries of a codec's parts: encoders, decoders, modulations and scores.

They are used as MMEngine's are (``@DECODERS.register_module()``), and need
nothing but Python. Part names may carry MMPose's scope (``mmpose.MyDecoder``),
and a class that is not registered may be named by its full path
(``package.module.MyDecoder``).
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from typing import Any


class Registry:
    """Classes by name.

    Args:
        name (str): What is registered, for errors.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.module_dict: dict[str, type] = {}

    def register_module(
        self,
        name: str | list[str] | None = None,
        force: bool = False,
        module: type | None = None,
    ) -> Any:
        """Register a class; without ``module``, return a decorator.

        Args:
            name (str | list[str], optional): Names of the class. Defaults to
                its own.
            force (bool): Whether the class may replace another of that name.
                Defaults to False.
            module (type, optional): The class.

        Raises:
            KeyError: If another class has the name.
        """
        if name is not None and not isinstance(name, (str, list)):
            raise TypeError(
                f'name must be a string or a list of strings, got {name!r}; '
                'a decorator needs brackets: @DECODERS.register_module()'
            )

        def register(kind: type) -> type:
            names = [name] if isinstance(name, str) else name
            for key in names or [kind.__name__]:
                if not force and key in self.module_dict:
                    raise KeyError(
                        f'{key} is already registered as {self.name}, for '
                        f'{self.module_dict[key]}'
                    )
                self.module_dict[key] = kind
            return kind

        return register if module is None else register(module)

    def get(self, name: str) -> Callable | None:
        """Return the class of a name or of a full path, or None."""
        found = self.module_dict.get(name.removeprefix('mmpose.'))
        if found is not None or '.' not in name:
            return found
        module, _, attribute = name.rpartition('.')
        try:
            return getattr(import_module(module), attribute, None)
        except ModuleNotFoundError:
            return None

    def build(self, cfg: dict) -> Any:
        """Build a part from a dict with ``type``."""
        args = dict(cfg)
        return self.get(args.pop('type'))(**args)  # type: ignore[misc]


ENCODERS = Registry('dark encoder')
DECODERS = Registry('dark decoder')
MODULATIONS = Registry('dark modulation')
SCORES = Registry('dark scores')


def nearest_name(name: str, registry: Any) -> str | None:
    """Return the registered name nearest to a misspelt one, or None.

    Args:
        name (str): The misspelt name.
        registry (Registry): One of this module's, or of MMEngine's.
    """
    known = {key.lower(): key for key in registry.module_dict}
    near = get_close_matches(name.split('.')[-1].lower(), known, 1)
    return known[near[0]] if near else None


def build_part(
    registry: Registry, cfg: str | dict, name: str, sigma: float
) -> Any:
    """Build one of a codec's parts from its name or config.

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
