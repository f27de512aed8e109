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
from inspect import signature
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

    def name_of(self, kind: Any) -> str:
        """Return the name of a class, or its full path: inverts `get`."""
        for name, known in self.module_dict.items():
            if known is kind:
                return name
        return full_name(kind)

    def build(self, cfg: dict) -> Any:
        """Build a part from a dict with ``type``."""
        args = dict(cfg)
        return self.get(args.pop('type'))(**args)  # type: ignore[misc]


ENCODERS = Registry('dark encoder')
DECODERS = Registry('dark decoder')
MODULATIONS = Registry('dark modulation')
SCORES = Registry('dark scores')
# by the argument that takes such a part
PARTS = dict(
    encoder=ENCODERS,
    decoder=DECODERS,
    modulation=MODULATIONS,
    scores=SCORES,
)


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
    kind, args = _kind_and_arguments(registry, cfg, name, sigma)
    return kind(**args)


def part_settings(
    name: str, cfg: str | dict | None, sigma: float
) -> dict[str, Any] | None:
    """Return all settings of a part in one normal form.

    Args:
        name (str): The argument that takes the part, a key of ``PARTS``.
        cfg (str | dict, optional): As of :func:`build_part`.
        sigma (float): As of :func:`build_part`.

    Returns:
        dict[str, Any]: ``type`` and all arguments, with their defaults, in
        plain Python: names for classes, tuples for lists. None for None.
    """
    if cfg is None:
        return None
    registry = PARTS[name]
    kind, args = _kind_and_arguments(registry, cfg, name, sigma)
    defaults = {
        key: parameter.default
        for key, parameter in signature(kind).parameters.items()
        if parameter.default is not parameter.empty
    }
    settings = {**defaults, **args}
    sigma = settings.get('sigma') or sigma
    return dict(
        type=registry.name_of(kind),
        **{
            key: part_settings(key, value, sigma)
            if key in PARTS
            else plain(value)
            for key, value in settings.items()
        },
    )


def _kind_and_arguments(
    registry: Registry, cfg: Any, name: str, sigma: float
) -> tuple[Callable, dict[str, Any]]:
    """Look a part up; see :func:`build_part`."""
    args = dict(cfg) if isinstance(cfg, dict) else dict(type=cfg)
    kind = args.pop('type', None)
    if isinstance(kind, str):
        known = registry.get(kind)
        if known is None:
            near = nearest_name(kind, registry)
            raise ValueError(
                f'unknown {name} {kind!r}; '
                + (f'did you mean {near!r}? ' if near else '')
                + f'known ones: {sorted(registry.module_dict)}'
            )
        kind = known
    if not callable(kind):
        raise TypeError(
            f'{name} must be a registered name or a dict with '
            f"'type', got {cfg!r}"
        )
    # the size of a kernel stands for its sigma
    given = args.get('sigma'), args.get('kernel_size')
    if getattr(kind, 'uses_sigma', False) and given == (None, None):
        args['sigma'] = sigma
    return kind, args


def plain(value: Any) -> Any:
    """Return a setting as Python's own types, which json can hold."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if hasattr(value, 'tolist'):  # numpy's and torch's
        return plain(value.tolist())
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return full_name(value) if callable(value) else repr(value)


def full_name(kind: Any) -> str:
    """Return the path by which a class or function is imported."""
    return f'{kind.__module__}.{kind.__qualname__}'
