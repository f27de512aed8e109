"""Functions to walk and change MMEngine configs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.config.lazy import LazyAttr, LazyObject
from mmengine.logging import print_log

from ...registry import PARTS, full_name


def raw_items(node: Any) -> list[tuple[Any, Any]]:
    """Return keys and values of a dict or config, or indices of a list.

    Unlike MMEngine's ``items``, does not import what a lazy config names.
    """
    if isinstance(node, Config):
        node = node._cfg_dict
    if isinstance(node, dict):
        return list(dict.items(node))
    if isinstance(node, (list, tuple)):
        return list(enumerate(node))
    return []


def raw_get(node: Any, key: str) -> Any:
    """Return the value of a key, or None, without importing anything."""
    return dict(raw_items(node)).get(key)


def name_of(kind: Any) -> str | None:
    """Return the name of a type; of a class with its module."""
    if isinstance(kind, (LazyAttr, LazyObject)):
        return f'{kind.module}.{kind}'
    if isinstance(kind, type):
        return full_name(kind)
    return kind if isinstance(kind, str) else None


def type_name(node: Any) -> str | None:
    """Return the type of a config node, without its scope."""
    name = name_of(raw_get(node, 'type')) if isinstance(node, dict) else None
    return name.split('.')[-1] if name else None


def as_levels(codec: Any) -> list:
    """Return a list of codecs, from a list or a single one."""
    return list(codec) if isinstance(codec, (list, tuple)) else [codec]


def plain(node: Any) -> Any:
    """Return a copy with plain dicts, and names for classes.

    Such a copy can be saved, and lacks the scope marks of 'mmpose::' bases.
    """
    if isinstance(node, dict):
        return {k: plain(v) for k, v in raw_items(node) if k != '_scope_'}
    if isinstance(node, (list, tuple)):
        return type(node)(map(plain, node))
    if isinstance(node, (LazyAttr, LazyObject)):
        node = node.build()
    for registry in PARTS.values():
        if isinstance(node, type) and node in registry.module_dict.values():
            return registry.name_of(node)
    return name_of(node) or node


def walk(node: Any, path: str = '') -> Iterator[tuple[str, dict]]:
    """Yield path and node of each dict in a config."""
    if isinstance(node, dict):
        yield path, node
    for key, value in raw_items(node):
        yield from walk(value, f'{path}.{key}' if path else str(key))


def find_all(
    node: Any, name: str, path: str = ''
) -> Iterator[tuple[str, dict]]:
    """Yield path and node of all nodes of a type in a config."""
    for where, found in walk(node, path):
        if type_name(found) == name:
            yield where, found


def set_logged(node: dict, key: str, value: Any, path: str) -> None:
    """Set a value, and log the change and its path at DEBUG."""
    if node.get(key) != value:
        print_log(
            f'DARKCodec: {path} = {value} (was {node.get(key)})',
            logger='current',
            level=logging.DEBUG,
        )
        node[key] = value
