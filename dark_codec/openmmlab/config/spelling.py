"""Detection of configs that use DARKCodec, and of misspelt ones."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

from mmengine.config import Config
from mmpose.registry import KEYPOINT_CODECS

from ...registry import nearest_name
from .places import USED, codec_levels
from .settings import same_codec
from .tree import (
    as_levels,
    find_all,
    full_name,
    plain,
    raw_get,
    raw_items,
    type_name,
)

_TARGETS = 'targets_on_device'


def concerns_dark(cfg: Config | dict) -> bool:
    """Return whether a config is whole, and imports or names dark_codec.

    Called for every config that is read: cheap, and without importing what a
    lazy config names.
    """
    if not raw_get(cfg, 'model'):
        return False
    imports = raw_get(raw_get(cfg, 'custom_imports'), 'imports')
    if any(
        isinstance(name, str) and name.split('.')[0] == 'dark_codec'
        for name in as_levels(imports)
    ):
        return True
    return any(
        _mentions_dark(value)
        for key, value in raw_items(cfg)
        if _is_near(key, 'codec')
    ) or any(find_all(cfg, 'DARKCodec'))


def check_spelling(cfg: Config) -> None:
    """Refuse codecs that would be ignored because of their spelling.

    Raises:
        ValueError: With the place, and the probable spelling.
    """
    codec = raw_get(cfg, 'codec')
    if codec is not None and not isinstance(codec, (dict, list, tuple)):
        raise ValueError(
            "codec must be a dict with a type, as in codec=dict(type='"
            f"{_nearest(full_name(codec) or '')}'), got "
            f'codec={full_name(codec) or codec!r}'
        )
    for path, level in codec_levels(cfg):
        _check_registered(path, raw_get(level, 'type'))
    for level in as_levels(codec):
        if type_name(level) != 'DARKCodec' and _mentions_dark(level):
            raise ValueError(
                f'codec={plain(level)} names DARKCodec, but its type is '
                f"{type_name(level)!r}: write codec=dict(type='DARKCodec')"
            )
    _check_other_keys(cfg)


def _check_registered(path: str, kind: Any) -> None:
    if not isinstance(kind, str) or KEYPOINT_CODECS.get(kind) is not None:
        return
    raise ValueError(
        f'{path}.type={kind!r} is no registered codec; did you mean '
        f'{_nearest(kind)!r}? Known: {sorted(KEYPOINT_CODECS.module_dict)}'
    )


def _check_other_keys(cfg: Config) -> None:
    """Refuse top-level keys, of ours or with a DARKCodec, that go unread."""
    used = [
        node
        for key in USED
        for _, node in find_all(raw_get(cfg, key), 'DARKCodec')
    ]
    used += [
        level
        for level in as_levels(raw_get(cfg, 'codec'))
        if type_name(level) == 'DARKCodec'
    ]
    for key, value in raw_items(cfg):
        if key != _TARGETS and _is_near(key, _TARGETS):
            raise ValueError(
                f'{key}={plain(value)}: nothing uses this; did you mean '
                f'{_TARGETS}?'
            )
        near = _is_near(key, 'codec')
        if key == 'codec' or not (
            _mentions_dark(value) if near else _is_dark(value)
        ):
            continue
        if any(
            same_codec(level, node)
            for level in as_levels(value)
            for node in used
        ):
            continue
        if near or not used:
            raise ValueError(
                f'{key}={plain(value)}: nothing uses this; the key of a '
                "config's codec is codec, as in codec=dict(type='DARKCodec')"
            )


def _is_dark(node: Any) -> bool:
    return any(type_name(level) == 'DARKCodec' for level in as_levels(node))


def _mentions_dark(node: Any) -> bool:
    """Return whether a codec's value names anything like DARKCodec."""
    if isinstance(node, (list, tuple)):
        return any(map(_mentions_dark, node))
    values = [value for _, value in raw_items(node)] or [node]
    names = [(full_name(value) or '').split('.')[-1] for value in values]
    return any(
        'dark' in name.lower() or _is_near(name, 'DARKCodec') for name in names
    )


def _is_near(name: Any, other: str) -> bool:
    if not isinstance(name, str):
        return False
    return SequenceMatcher(None, name.lower(), other.lower()).ratio() > 0.75


def _nearest(name: str) -> str:
    """Return the nearest registered codec, DARKCodec by default."""
    near = (
        None if 'dark' in name.lower() else nearest_name(name, KEYPOINT_CODECS)
    )
    return near or 'DARKCodec'
