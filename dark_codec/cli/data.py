"""Checks of the data that a run reads: there, described well, and usable."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import mmpose
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.registry import DATASETS

from ..openmmlab.config import head_decoder
from ..openmmlab.config.tree import find_all
from .errors import UserError

DATASET_ZOO = 'https://mmpose.readthedocs.io/en/latest/dataset_zoo'
_METAINFO = (
    'dataset_name',
    'keypoint_info',
    'skeleton_info',
    'joint_weights',
    'sigmas',
)


def check_files(cfg: Config, loops: Sequence[str]) -> None:
    """Check that the files and folders that the loops read exist.

    Only paths on local storage are checked.

    Args:
        cfg: Config of a runner.
        loops: Out of ``train``, ``val`` and ``test``; what the config does
            not have is skipped.

    Raises:
        UserError: Names each path, the setting it comes from, and how to get
            the data.
    """
    missing: dict[str, str] = {}
    pages: list[str] = []
    for loop in loops:
        for where, dataset in _datasets(cfg, loop):
            found = missing_paths(_paths(dataset, where))
            missing.update(found)
            page = _homepage(dataset) if found else None
            if page and page not in pages:
                pages.append(page)
        key = f'{loop}_evaluator'
        for where, metric in _leaves(cfg.get(key), key):
            path = (f'{where}.ann_file', _ann_file(metric))
            missing.update(missing_paths([path]))
    if missing:
        pages.append(f'{DATASET_ZOO} (how MMPose expects them)')
        lines = [
            'these data are missing:',
            *(f'  {key} = {path}' for key, path in missing.items()),
            'Get them from ' + ' and '.join(pages) + ',',
            'or name where they are: --cfg-options KEY=PATH, with these keys',
        ]
        raise UserError('\n'.join(lines))


def _datasets(cfg: Config, loop: str) -> Iterator[tuple[str, dict]]:
    """Yield key and config of the datasets inside a loop's wrappers."""
    loader = cfg.get(f'{loop}_dataloader') or {}
    return _leaves(loader.get('dataset'), f'{loop}_dataloader.dataset')


def _leaves(node: Any, where: str) -> Iterator[tuple[str, dict]]:
    if isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _leaves(child, f'{where}.{index}')
    elif isinstance(node, dict):
        inner = [key for key in ('dataset', 'datasets') if key in node]
        for key in inner:
            yield from _leaves(node[key], f'{where}.{key}')
        if not inner:
            yield where, node


def _ann_file(dataset: dict) -> str | None:
    """Return the path of the annotations, joined as MMEngine does it."""
    path = dataset.get('ann_file')
    return path and os.path.join(dataset.get('data_root') or '', path)


def _paths(dataset: dict, where: str) -> Iterator[tuple[str, str | None]]:
    """Yield the paths that the dataset reads, as (config key, path)."""
    backend = (dataset.get('backend_args') or {}).get('backend', 'local')
    if backend != 'local':
        return
    yield f'{where}.ann_file', _ann_file(dataset)
    for key in ('bbox_file', 'headbox_file'):
        yield f'{where}.{key}', dataset.get(key)
    root = dataset.get('data_root') or ''
    for name, prefix in (dataset.get('data_prefix') or {}).items():
        yield f'{where}.data_prefix.{name}', os.path.join(root, prefix)


def missing_paths(paths: Iterable[tuple[str, str | None]]) -> dict[str, str]:
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
    path = metainfo.get('from_file')
    if path is not None:
        # MMPose looks among its own, too
        found = path if os.path.isfile(path) else _own_of_mmpose(path)
        if not os.path.isfile(found):
            return None
        metainfo = Config.fromfile(found).dataset_info
    return metainfo.get('paper_info', {}).get('homepage')


def _own_of_mmpose(path: str) -> str:
    """Return where MMPose looks for a file of metainfo that is missing."""
    folder = os.path.join(os.path.dirname(mmpose.__file__), '.mim', 'configs')
    return os.path.join(folder, '_base_', 'datasets', os.path.basename(path))


def describe_bad_metainfo(cfg: Config, loops: Sequence[str]) -> str:
    """Check ``metainfo`` of the datasets, where a config has it.

    MMPose itself fails by an assertion without a message, or in the loss.

    Args:
        cfg: As of :func:`check_files`.
        loops: As of :func:`check_files`.

    Returns:
        The first thing that is wrong, empty if nothing is.
    """
    for loop in loops:
        channels = _channels(cfg, loop)
        for where, dataset in _datasets(cfg, loop):
            metainfo = dataset.get('metainfo')
            if not metainfo:
                continue
            source, path = f'{where}.metainfo', metainfo.get('from_file')
            if path:
                source += f' = {path}'
                if not os.path.isfile(path):
                    if os.path.isfile(_own_of_mmpose(path)):
                        continue
                    return f'{source}: there is no such file in {os.getcwd()}'
                metainfo = Config.fromfile(path).get('dataset_info', {})
            for problem in _problems(metainfo):
                return f'{source}: {problem}'
            num_keypoints = len(metainfo['keypoint_info'])
            if channels not in (None, num_keypoints):
                return (
                    f'model.head.out_channels = {channels}, but {source} '
                    f'has {num_keypoints} keypoints; make them agree'
                )
    return ''


def _channels(cfg: Config, loop: str) -> int | None:
    """Return how many keypoints the data must have, if that is known."""
    if any(find_all(cfg.get(f'{loop}_dataloader'), 'KeypointConverter')):
        return None
    if head_decoder(cfg).get('heatmap_type') == 'combined':
        return None  # UDP's offsets have channels, too
    head = cfg.model.get('head')
    channels = head.get('out_channels') if isinstance(head, dict) else None
    return channels if isinstance(channels, int) else None


def _problems(metainfo: dict) -> Iterator[str]:
    missing = [key for key in _METAINFO if key not in metainfo]
    if missing:
        yield f'it lacks {", ".join(missing)}'
        return
    points: list[Any] = list(metainfo['keypoint_info'].values())
    swaps = {point['name']: point.get('swap', '') for point in points}
    for key in ('joint_weights', 'sigmas'):
        if len(metainfo[key]) != len(points):
            yield (
                f'it has {len(points)} keypoints, but '
                f'{len(metainfo[key])} {key}'
            )
    for name, swap in swaps.items():
        if swap and swap not in swaps:
            yield f'{name} swaps with {swap}, which is not among the keypoints'
        elif swap and swap != name and swaps[swap] != name:
            yield (
                f'{name} swaps with {swap}, but {swap} with '
                f'{swaps[swap] or "none"}'
            )
    for link in metainfo['skeleton_info'].values():
        for name in link['link']:
            if name not in swaps:
                yield f'a link ends at {name}, which is not a keypoint'


def check_annotations(runner: Runner, loops: Sequence[str]) -> None:
    """Build the data of a runner's loops, and check what they hold.

    The runner goes on with what is built here: no file is read twice.

    Args:
        runner: A runner that has not run yet.
        loops: As of :func:`check_files`.

    Raises:
        UserError: Names a file of annotations in which no person can be
            used, or whose keypoints are not those of the model's head.
    """
    for loop in loops:
        try:
            built = getattr(runner, f'{loop}_loop')
        except Exception as error:  # pycocotools and MMEngine raise many
            for where, dataset in _datasets(runner.cfg, loop):
                problem = _unusable(_ann_file(dataset))
                if problem:
                    raise UserError(f'{where}: {problem}') from error
            raise
        if built is None:
            continue
        channels = _channels(runner.cfg, loop)
        for dataset in _built_datasets(built.dataloader.dataset):
            keypoints = dataset.get_data_info(0).get('keypoints')
            if keypoints is None:
                continue
            # not the sigmas, of which MMPose's WFLW has none
            found = keypoints.shape[-2]
            known = dataset.metainfo['num_keypoints']
            if channels not in (None, found):
                raise UserError(
                    f'model.head.out_channels = {channels}, but the people '
                    f'in {dataset.ann_file} have {found} keypoints; make them '
                    'agree'
                )
            if found != known:
                raise UserError(
                    f'the people in {dataset.ann_file} have {found} keypoints,'
                    f' but the metainfo of {type(dataset).__name__} has '
                    f'{known}; give metainfo=dict(from_file=...) in '
                    f'{loop}_dataloader.dataset'
                )


def _built_datasets(dataset: Any) -> Iterator[Any]:
    """Yield the datasets of keypoints inside wrappers."""
    inner = getattr(dataset, 'datasets', None) or [
        getattr(dataset, 'dataset', None)
    ]
    if inner != [None]:
        for child in inner:
            yield from _built_datasets(child)
    elif 'sigmas' in getattr(dataset, 'metainfo', {}):
        yield dataset


def _unusable(path: str | None) -> str | None:
    """Say why no person of a file in COCO's format can be used."""
    if path is None or not os.path.isfile(path):
        return None
    try:
        with open(path, encoding='utf-8') as file:
            content = json.load(file)
    except ValueError as error:
        return f'{path} is no json file ({error})'
    if not isinstance(content, dict):
        return None  # another format
    lacking = [k for k in ('images', 'annotations') if not content.get(k)]
    if lacking:
        return f'{path} has no {" and no ".join(lacking)}'
    people = content['annotations']
    if any(map(_is_usable, people)):
        return None
    return (
        f'{path}: none of its {len(people)} annotations can be used; each '
        'needs a bbox of positive width and height, and a labelled keypoint'
    )


def _is_usable(person: dict) -> bool:
    box, points = person.get('bbox', ()), person.get('keypoints', ())
    return len(box) == 4 and min(box[2:]) > 0 and any(points[2::3])
