"""Refusal of configs that ask for DARK where it would not be heard.

What looks like a DARKCodec, or stands in ``codec``, is what the head decodes
with, or an error names both.
"""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from difflib import SequenceMatcher
from typing import Any

from mmengine.config import Config
from mmpose.registry import KEYPOINT_CODECS

from ...functional import get_alignment
from ...registry import nearest_name
from .codecs import (
    DEFAULTS,
    SHARED,
    agrees,
    build_codec,
    describe,
    is_dark,
    same_codec,
)
from .literals import read_literals
from .places import Places, head_decoder, is_used
from .tree import (
    as_levels,
    find_all,
    name_of,
    plain,
    raw_get,
    raw_items,
    type_name,
)

_TARGETS = 'targets_on_device'
# statements of a config file that assign to ``codec``
_CODEC = re.compile(r'^codec\s*=.*(?:\n[ \t)\]}].*)*', re.MULTILINE)


def concerns_dark(cfg: Config | dict) -> bool:
    """Return whether a config is whole, and imports or names dark_codec.

    Called for every config that is read: cheap, and without importing what a
    lazy config names.
    """
    if not raw_get(cfg, 'model'):
        return False
    imports = as_levels(raw_get(raw_get(cfg, 'custom_imports'), 'imports'))
    return (
        any(str(name).split('.')[0] == 'dark_codec' for name in imports)
        or any(
            _is_near(key, 'codec') and _looks_dark(value)
            for key, value in raw_items(cfg)
        )
        or any(find_all(cfg, 'DARKCodec'))
    )


def check_spelling(cfg: Config, places: Places) -> None:
    """Refuse what would be ignored because of its spelling.

    Raises:
        ValueError: With the place, and the probable spelling.
    """
    codec = raw_get(cfg, 'codec')
    if codec is not None and not isinstance(codec, (dict, list, tuple)):
        raise ValueError(
            "codec must be a dict with a type, as in codec=dict(type='"
            f"{_nearest(name_of(codec) or '')}'), got "
            f'codec={name_of(codec) or codec!r}'
        )
    found = [('codec', level) for level in as_levels(codec)]
    found += places.levels()
    for path, level in found:
        _check_type(path, level)
        if path == 'codec' and codec is not None and not is_dark(level):
            _check_not_taken_back(cfg, places)
        _check_settings(path, level)
    used = [level for _, level in found if is_dark(level)]
    for key, value in raw_items(cfg):
        if key != _TARGETS and _is_near(key, _TARGETS):
            raise ValueError(
                f'{key}={plain(value)}: nothing uses this; did you mean '
                f'{_TARGETS}?'
            )
        if key != 'codec':
            _check_other_key(key, value, used)


def _check_type(path: str, codec: Any) -> None:
    """Refuse a codec whose type is unknown, or not the one that is meant."""
    kind, name = raw_get(codec, 'type'), type_name(codec)
    registered = KEYPOINT_CODECS.get(kind) if isinstance(kind, str) else kind
    if isinstance(kind, str) and registered is None:
        raise ValueError(
            f'{path}.type={kind!r} is no registered codec; did you mean '
            f'{_nearest(kind)!r}? Known: {sorted(KEYPOINT_CODECS.module_dict)}'
        )
    if path == 'codec' and name != 'DARKCodec' and _looks_dark(codec):
        raise ValueError(
            f'codec={plain(codec)} names DARKCodec, but its type is '
            f"{name!r}: write codec=dict(type='DARKCodec')"
        )


def _check_settings(path: str, codec: Any) -> None:
    """Refuse a codec of another type that has settings of DARKCodec."""
    name = type_name(codec)
    if name == 'DARKCodec':
        return
    theirs = KEYPOINT_CODECS.get(name) if name else None
    taken = inspect.signature(theirs).parameters if theirs else ()
    ours = set(DEFAULTS) - {*SHARED, *taken}
    found = [key for key, _ in raw_items(codec) if key in ours]
    if found:
        raise ValueError(
            f'{path} has {", ".join(found)} as only a DARKCodec has, but its '
            f"type is {name}: write type='DARKCodec', or leave them out"
        )


def _check_not_taken_back(cfg: Config, places: Places) -> None:
    """Refuse another codec over one that a completed config still has.

    A config that only says itself where DARKCodec is used may have another
    one at the top, which is its base's.
    """
    dark = [path for path, level in places.levels() if is_dark(level)]
    files = _CODEC.findall(cfg.text)
    if dark and any('DARKCodec' in statement for statement in files):
        raise ValueError(
            f'codec is {plain(raw_get(cfg, "codec"))}, but {dark[0]} is still '
            'DARKCodec, which this config had as its codec before: for a run '
            'without it, take a config that does not name it'
        )


def _check_other_key(key: Any, value: Any, used: list[dict]) -> None:
    """Refuse a top-level key with a DARKCodec that nothing reads."""
    near = _is_near(key, 'codec')
    levels = as_levels(value)
    if not (_looks_dark(value) if near else any(map(is_dark, levels))):
        return
    is_read = any(same_codec(level, node) for level in levels for node in used)
    if not is_read and (near or not used):
        raise ValueError(
            f'{key}={plain(value)}: nothing uses this; the key of a '
            "config's codec is codec, as in codec=dict(type='DARKCodec')"
        )


def _looks_dark(node: Any) -> bool:
    """Return whether a codec's value names anything like DARKCodec."""
    if isinstance(node, (list, tuple)):
        return any(map(_looks_dark, node))
    values = [value for _, value in raw_items(node)] or [node]
    names = [(name_of(value) or '').split('.')[-1] for value in values]
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


def check_places(cfg: Config, places: Places, levels: list[dict]) -> None:
    """Refuse a place that names another codec than the top-level one.

    Where all places have the same DARKCodec, it stems from a base or from an
    earlier completion, and the top-level codec replaces it; likewise where a
    place has the codec of a file that this config is based on.

    Args:
        cfg (Config): A config whose top-level ``codec`` is DARKCodec.
        places (Places): Its places.
        levels (list[dict]): That codec, completed, one of each level.

    Raises:
        ValueError: With the place and its codec.
    """
    kinds = {
        type_name(place.value): place.path
        for place in places.used
        if isinstance(place.value, dict) and not is_dark(place.value)
    }
    if len(kinds) > 1:
        found = ', but '.join(
            f'{path} is {kind}' for kind, path in kinds.items()
        )
        raise ValueError(
            f'codec is DARKCodec, and it would replace two kinds: {found}; '
            'leave out the one that differs from its base'
        )
    named = []
    for place in places.used:
        # the levels of a list differ in sigma
        many = isinstance(place.value, (list, tuple))
        for level in as_levels(place.value):
            kept = {
                k: v for k, v in raw_items(level) if k != 'sigma' or not many
            }
            named.append((place.path, kept))
    first = named[0][1]
    if all(
        same_codec({'sigma': first.get('sigma'), **n}, first) for _, n in named
    ):
        return
    meant = [*levels, *_codecs_of_files(cfg)]
    for path, codec in named:
        if is_dark(codec) and not any(agrees(codec, one) for one in meant):
            raise ValueError(
                f'{path} is {plain(codec)}, but codec is '
                f'{plain(levels[-1])}: leave it out there, and set it in codec'
            )


def _codecs_of_files(cfg: Config) -> list[dict]:
    """Return the DARKCodecs of the files that a config was read from.

    MMEngine keeps their text, that of its bases included.
    """
    found = []
    for statement in _CODEC.findall(cfg.text):
        with suppress(SyntaxError, ValueError):
            for codec in as_levels(read_literals(statement).get('codec')):
                if is_dark(codec):
                    build_codec(codec)
                    found.append(codec)
    return found


def check_spelt_out(cfg: Config, places: Places) -> None:
    """Refuse places that name DARKCodec themselves and disagree.

    Raises:
        ValueError: If one has another codec, or warps or the flip test do
            not fit it.
    """
    # a val_dataloader may have other targets
    spelt = [
        place
        for place in places.used
        if place.path.startswith(('model.', 'train_dataloader.'))
    ]
    if not any(is_dark(place.value) for place in spelt):
        return
    head = head_decoder(cfg)
    if not all(same_codec(place.value, head) for place in spelt):
        raise ValueError(
            'DARKCodec must be the same in all places, or stand in the '
            'top-level codec and be carried there. Got: '
            + '; '.join(f'{place.path} = {place.value}' for place in spelt)
        )
    codec = build_codec(head)
    fits = get_alignment(codec.alignment).shift_heatmap
    test_cfg = cfg.model.get('test_cfg') or {}
    wanted: list[tuple[str, Any, Any]] = [
        (warp.path, tuple(warp.value), codec.input_size)
        for warp in places.warps
        if is_used(warp)
    ]
    wanted += [
        (path.replace('input_size', 'use_udp'), udp, codec.use_udp)
        for udp, path in places.warps_by_udp().items()
    ]
    if test_cfg.get('flip_test'):
        shift = test_cfg.get('shift_heatmap', False)
        wanted.append(('model.test_cfg.shift_heatmap', shift, fits))
    for path, value, fit in wanted:
        if value != fit:
            raise ValueError(
                f'{path}={value} does not fit the codec, {describe(head)}: '
                f'with it, {path.rpartition(".")[2]}={fit}'
            )
