"""Check the metainfo of a user's own dataset."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import mmpose
from mmengine.config import Config

from ..openmmlab.config.tree import find_all
from .missing_data import leaves

MMPOSE_FILES = os.path.join(
    os.path.dirname(mmpose.__file__), '.mim', 'configs', '_base_', 'datasets'
)
KEYS = (
    'dataset_name',
    'keypoint_info',
    'skeleton_info',
    'joint_weights',
    'sigmas',
)


def describe_bad_metainfo(cfg: Config, loops: Sequence[str]) -> str:
    """Check ``metainfo`` of the datasets, where a config has it.

    MMPose itself fails by an assertion without a message, or in the loss.

    Args:
        cfg: Config of a runner.
        loops: Out of ``train``, ``val`` and ``test``.

    Returns:
        The first thing that is wrong, empty if nothing is.
    """
    head = cfg.model.get('head')
    channels = head.get('out_channels') if isinstance(head, dict) else None
    for loop in loops:
        loader = cfg.get(f'{loop}_dataloader') or {}
        converts = any(find_all(loader, 'KeypointConverter'))
        key = f'{loop}_dataloader.dataset'
        for where, dataset in leaves(loader.get('dataset'), key):
            metainfo = dataset.get('metainfo')
            if not metainfo:
                continue
            path = metainfo.get('from_file')
            source = f'{where}.metainfo' + (f' = {path}' if path else '')
            if path and not os.path.isfile(path):
                name = os.path.basename(path)
                if os.path.isfile(os.path.join(MMPOSE_FILES, name)):
                    continue  # MMPose takes its own of that name
                return f'{source}: there is no such file in {os.getcwd()}'
            if path:
                metainfo = Config.fromfile(path).get('dataset_info', {})
            for problem in _problems(metainfo):
                return f'{source}: {problem}'
            num_keypoints = len(metainfo['keypoint_info'])
            if (
                isinstance(channels, int)
                and channels != num_keypoints
                and not converts
            ):
                return (
                    f'model.head.out_channels = {channels}, but {source} '
                    f'has {num_keypoints} keypoints; make them agree'
                )
    return ''


def _problems(metainfo: dict) -> Iterator[str]:
    missing = [key for key in KEYS if key not in metainfo]
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
