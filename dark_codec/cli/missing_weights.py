"""Check that pretrained weights exist, and explain failed downloads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from mmengine.config import Config

from ..openmmlab.config.tree import raw_get, raw_items, type_name
from .errors import UserError


def check_weights(cfg: Config) -> None:
    """Check that the files of pretrained weights exist.

    Args:
        cfg: Config of a runner; URLs are not checked.

    Raises:
        UserError: Names the files and their settings.
    """
    missing = {
        key: os.path.abspath(path)
        for key, path in _pretrained(cfg.get('model'), 'model')
        if '://' not in path and not os.path.exists(path)
    }
    if missing:
        raise UserError(_describe('these weights are missing:', missing))


@contextmanager
def explain_downloads(cfg: Config) -> Iterator[None]:
    """Say what to do where weights cannot be downloaded.

    Args:
        cfg: Config of a runner, which works in this context.

    Raises:
        UserError: If a download fails, and the config asks for one.
    """
    try:
        yield
    except URLError as error:
        weights = {
            key: path
            for key, path in [
                *_pretrained(cfg.get('model'), 'model'),
                ('load_from', cfg.get('load_from') or ''),
            ]
            if '://' in path
        }
        if not weights:
            raise
        head = f'weights cannot be downloaded ({error}):'
        raise UserError(_describe(head, weights)) from error


def _pretrained(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """Find what ``init_cfg`` names, as (config key, path or URL)."""
    if type_name(node) == 'Pretrained':
        yield f'{where}.checkpoint', str(raw_get(node, 'checkpoint'))
    for key, child in raw_items(node):
        if isinstance(child, (dict, list, tuple)):
            yield from _pretrained(child, f'{where}.{key}')


def _describe(head: str, weights: dict[str, str]) -> str:
    lines = [head, *(f'  {key} = {path}' for key, path in weights.items())]
    lines.append('Name a file that is here: --cfg-options KEY=PATH')
    # model.backbone.init_cfg.checkpoint
    places = [key.partition('.init_cfg')[0] for key in weights]
    places = [place for place in places if place.startswith('model')]
    if places:
        options = ' '.join(f'{place}.init_cfg=None' for place in places)
        lines[-1] += f', or begin with random weights: --cfg-options {options}'
    return '\n'.join(lines)
