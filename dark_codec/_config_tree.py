"""Walking and changing MMEngine configs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log


def type_name(node: Any) -> str | None:
    """The type of a config node without its scope, however it is written."""
    kind = node.get('type') if isinstance(node, dict) else None
    if isinstance(kind, type):
        return kind.__name__
    return kind.split('.')[-1] if isinstance(kind, str) else None


def unscoped(node: dict) -> dict:
    """Without the mark that MMEngine puts on what comes from 'mmpose::'."""
    return {key: value for key, value in node.items() if key != '_scope_'}


def find_all(
    node: Any, name: str, path: str = ''
) -> Iterator[tuple[str, dict]]:
    """All nodes of a type in a config with their paths, wherever they are."""
    if isinstance(node, (dict, Config)):
        if isinstance(node, dict) and type_name(node) == name:
            yield path, node
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        yield from find_all(value, name, f'{path}.{key}' if path else str(key))


def set_logged(node: dict, key: str, value: Any, path: str) -> None:
    """Change a value, and log that it has changed."""
    if node.get(key) != value:
        print_log(
            f'DARKCodec: {path}.{key} = {value} (was {node.get(key)})',
            logger='current',
        )
        node[key] = value
