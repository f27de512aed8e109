"""Report missing data, and where to download them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.hub import get_config
from mmpose.registry import DATASETS

DATASET_ZOO = 'https://mmpose.readthedocs.io/en/latest/dataset_zoo'


def describe_missing_data(cfg: Config, loops: Sequence[str]) -> str:
    """Report the files and folders that the loops need but do not exist.

    Only paths on local storage are checked.

    Args:
        cfg: Config of a runner.
        loops: Out of ``train``, ``val`` and ``test``; what the config does
            not have is skipped.

    Returns:
        A message that names each path, the setting it comes from, and how
        to get the data; empty if nothing is missing.
    """
    missing: dict[str, str] = {}
    homepages: list[str | None] = []
    for loop in loops:
        loader = cfg.get(f'{loop}_dataloader') or {}
        key = f'{loop}_dataloader.dataset'
        for where, dataset in leaves(loader.get('dataset'), key):
            lost = _lost(_paths(dataset, where))
            if lost:
                homepages.append(_homepage(dataset))
            missing.update(lost)
        key = f'{loop}_evaluator'
        for where, metric in leaves(cfg.get(key), key):
            ann_file = (f'{where}.ann_file', metric.get('ann_file'))
            missing.update(_lost([ann_file]))
    if not missing:
        return ''
    pages = [page for page in dict.fromkeys(homepages) if page]
    pages.append(f'{DATASET_ZOO} (how MMPose expects them)')
    return '\n'.join(
        [
            'these data are missing:',
            *(f'  {key} = {path}' for key, path in missing.items()),
            'Get them from ' + ' and '.join(pages) + ',',
            'or name where they are: --cfg-options KEY=PATH, with these keys',
        ]
    )


def leaves(node: Any, where: str) -> Iterator[tuple[str, dict]]:
    """Yield the configs inside wrappers and lists, with their keys."""
    if isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from leaves(child, f'{where}.{index}')
    elif isinstance(node, dict):
        inner = [key for key in ('dataset', 'datasets') if key in node]
        for key in inner:
            yield from leaves(node[key], f'{where}.{key}')
        if not inner:
            yield where, node


def _paths(dataset: dict, where: str) -> Iterator[tuple[str, str | None]]:
    """Yield the paths that the dataset reads, as (config key, path).

    Joined as MMEngine's BaseDataset and MMPose's BaseCocoStyleDataset do it.
    """
    backend = (dataset.get('backend_args') or {}).get('backend', 'local')
    if backend != 'local':
        return
    root = dataset.get('data_root') or ''
    if dataset.get('ann_file'):
        ann_file = os.path.join(root, dataset['ann_file'])
        yield f'{where}.ann_file', ann_file
    for key in ('bbox_file', 'headbox_file'):
        yield f'{where}.{key}', dataset.get(key)
    for name, prefix in (dataset.get('data_prefix') or {}).items():
        yield f'{where}.data_prefix.{name}', os.path.join(root, prefix)


def _lost(paths: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Return the absolute paths that do not exist, by config key."""
    return {
        key: os.path.abspath(path)
        for key, path in paths
        if path and '://' not in path and not os.path.exists(path)
    }


def _homepage(dataset: dict) -> str | None:
    """Return a dataset's homepage, if its metainfo has it."""
    metainfo = dataset.get('metainfo')
    if metainfo is None:
        metainfo = getattr(DATASETS.get(dataset['type']), 'METAINFO', {})
    if 'from_file' in metainfo:
        try:
            metainfo = _read_metainfo(metainfo['from_file']).dataset_info
        except FileNotFoundError:
            return None
    return metainfo.get('paper_info', {}).get('homepage')


def _read_metainfo(path: str) -> Config:
    """Read a metainfo file; MMPose looks among its own for the others."""
    if os.path.isfile(path):
        return Config.fromfile(path)
    return get_config(f'mmpose::_base_/datasets/{os.path.basename(path)}')
