"""Says which data are missing, and where they come from."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.hub import get_config
from mmpose.registry import DATASETS

DATASET_ZOO = 'https://mmpose.readthedocs.io/en/latest/dataset_zoo'


def describe_missing_data(cfg: Config, loops: Sequence[str]) -> str:
    """Say which files and folders the loops would look for in vain.

    Paths on other than local storage are not looked at.

    Args:
        cfg: Config of a runner.
        loops: Out of ``train``, ``val`` and ``test``; what the config does
            not have is skipped.

    Returns:
        A message that names each path, the setting it comes from, and how
        to get the data; empty if nothing is missing.
    """
    missing: dict[str, str] = {}
    homepages: list[str] = []
    for loop in loops:
        loader = cfg.get(f'{loop}_dataloader') or {}
        key = f'{loop}_dataloader.dataset'
        for where, dataset in _datasets(loader.get('dataset'), key):
            lost = _lost(_paths(dataset, where))
            if lost:
                homepages.append(_homepage(dataset))
            missing = {**lost, **missing}
        key = f'{loop}_evaluator'
        for where, metric in _datasets(cfg.get(key), key):
            lost = _lost([(f'{where}.ann_file', metric.get('ann_file'))])
            missing = {**lost, **missing}
    if not missing:
        return ''
    lines = [f'  {path} ({where})' for path, where in missing.items()]
    pages = [page for page in dict.fromkeys(homepages) if page]
    pages.append(f'{DATASET_ZOO} (how MMPose expects them)')
    return '\n'.join(
        [
            'these data are missing:',
            *lines,
            'Get them from ' + ', '.join(pages) + ',',
            'or name another place with --cfg-options, as '
            f'{next(iter(missing.values()))}=PATH',
        ]
    )


def _datasets(node: Any, where: str) -> Iterator[tuple[str, dict]]:
    """Find the datasets inside wrappers and lists, with their config keys."""
    if isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _datasets(child, f'{where}.{index}')
    elif isinstance(node, dict):
        inner = [key for key in ('dataset', 'datasets') if key in node]
        for key in inner:
            yield from _datasets(node[key], f'{where}.{key}')
        if not inner:
            yield where, node


def _paths(dataset: dict, where: str) -> Iterator[tuple[str, str]]:
    """Give what the dataset reads, as (config key, path).

    Joined as MMEngine's BaseDataset and MMPose's BaseCocoStyleDataset do it.
    """
    backend = (dataset.get('backend_args') or {}).get('backend', 'local')
    if backend != 'local':
        return
    root = dataset.get('data_root') or ''
    if dataset.get('ann_file'):
        ann_file = os.path.join(root, dataset['ann_file'])
        yield f'{where}.ann_file', ann_file
    yield f'{where}.bbox_file', dataset.get('bbox_file')
    for name, prefix in (dataset.get('data_prefix') or {}).items():
        yield f'{where}.data_prefix.{name}', os.path.join(root, prefix)


def _lost(paths: Iterator[tuple[str, str]]) -> dict[str, str]:
    """Absolute path -> config key, of those that do not exist."""
    return {
        os.path.abspath(path): where
        for where, path in paths
        if path and '://' not in path and not os.path.exists(path)
    }


def _homepage(dataset: dict) -> str | None:
    """Where the makers of a dataset offer it, as its metainfo knows."""
    metainfo = dataset.get('metainfo')
    if metainfo is None:
        metainfo = getattr(DATASETS.get(dataset['type']), 'METAINFO', {})
    if 'from_file' in metainfo:
        path = metainfo['from_file']
        if os.path.isfile(path):
            metainfo = Config.fromfile(path).dataset_info
        else:
            name = os.path.basename(path)
            metainfo = get_config(f'mmpose::_base_/datasets/{name}')
            metainfo = metainfo.dataset_info
    return metainfo.get('paper_info', {}).get('homepage')
