"""Checks before a run: what it reads is there and fits, what it writes can be.

Each finds what would fail later, in a worker or after hours, and says which
setting or file to change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError

from mmengine.config import Config

from ..openmmlab.config.tree import raw_get, raw_items, type_name
from ..openmmlab.engine import read_checkpoint
from .data import check_files, describe_bad_metainfo, missing_paths
from .errors import UserError


def check_run(cfg: Config, loops: Sequence[str]) -> None:
    """Check what a runner reads and where it writes, before it is built.

    Args:
        cfg: As of :func:`check_files`.
        loops: As of :func:`check_files`.

    Raises:
        UserError: Names the settings and files that are wrong.
    """
    check_files(cfg, loops)
    problem = describe_bad_metainfo(cfg, loops)
    if problem:
        raise UserError(problem)
    if 'train' in loops:
        missing = missing_paths(_pretrained(cfg.get('model'), 'model'))
        if missing:
            head = 'these weights are missing:'
            raise UserError(_list_weights(head, missing))
    if cfg.get('work_dir') is not None:  # drawing tools have none
        check_folder('--work-dir', cfg.work_dir)
    hook = cfg.get('default_hooks', {}).get('visualization') or {}
    pictures = hook.get('out_dir')
    # a relative one is below the run's own folder in the work dir
    if pictures is not None and os.path.isabs(pictures):
        check_folder('--show-dir', pictures)


def check_output(option: str, path: str, suffixes: tuple[str, ...]) -> None:
    """Check that `path` can be written when the run is over."""
    if not path.endswith(suffixes):
        raise UserError(
            f'{option} {path}: the name must end in ' + ', '.join(suffixes)
        )
    check_folder(option, path, os.path.dirname(path))
    writable = not os.path.exists(path) or os.access(path, os.W_OK)
    if os.path.isdir(path) or not writable:
        raise UserError(f'{option} {path}: cannot be written')


def check_folder(option: str, path: str, folder: str | None = None) -> None:
    """Make a folder, and check that it is writable.

    Args:
        option: The option that names it.
        path: The path as the user has written it.
        folder: The folder, if it is not `path` itself.
    """
    folder = os.path.abspath(path if folder is None else folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f'{option} {path}: {error}') from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f'{option} {path}: cannot be written')


def check_checkpoint(path: str) -> dict:
    """Read and return a local checkpoint; a URL is not checked."""
    if '://' in path:
        return {}
    file = os.path.expanduser(path)
    if os.path.isdir(file):
        raise UserError(f'the checkpoint {path} is a folder, name a file')
    if not os.path.isfile(file):
        raise UserError(f'the checkpoint {path} does not exist')
    try:
        return read_checkpoint(path)
    except ValueError as error:
        raise UserError(
            f'the checkpoint {path} cannot be read: {error}'
        ) from error


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
        pretrained = list(_pretrained(cfg.get('model'), 'model'))
        pretrained.append(('load_from', cfg.get('load_from') or ''))
        weights = {key: path for key, path in pretrained if '://' in path}
        if not weights:
            raise
        head = f'weights cannot be downloaded ({error}):'
        raise UserError(_list_weights(head, weights)) from error


def _pretrained(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """Find what ``init_cfg`` names, as (config key, path or URL)."""
    if type_name(node) == 'Pretrained':
        yield f'{where}.checkpoint', str(raw_get(node, 'checkpoint'))
    for key, child in raw_items(node):
        yield from _pretrained(child, f'{where}.{key}')


def _list_weights(head: str, weights: dict[str, str]) -> str:
    lines = [head, *(f'  {key} = {path}' for key, path in weights.items())]
    lines.append('Name a file that is here: --cfg-options KEY=PATH')
    # such as model.backbone.init_cfg.checkpoint
    options = [
        key.partition('.init_cfg')[0] + '.init_cfg=None'
        for key in weights
        if key.startswith('model')
    ]
    if options:
        lines[-1] += ', or begin with random weights: --cfg-options '
        lines[-1] += ' '.join(options)
    return '\n'.join(lines)
