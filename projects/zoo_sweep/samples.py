"""Labelled instances for any dataset of MMPose: real ones where there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mmengine.dataset import Compose
from mmengine.dataset.base_dataset import BaseDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS

_HUMANS = ('coco/test_coco.json', 'coco')
_WHOLE = ('coco/test_coco_wholebody.json', 'coco')
# MMPose's test data: annotations and images
_FILES = dict(
    CocoDataset=_HUMANS,
    HumanArtDataset=_HUMANS,
    CocoWholeBodyDataset=_WHOLE,
    CocoWholeBodyFaceDataset=_WHOLE,
    CocoWholeBodyHandDataset=_WHOLE,
    UBody2dDataset=_WHOLE,
    MpiiDataset=('mpii/test_mpii.json', 'mpii'),
    AP10KDataset=('ap10k/test_ap10k.json', 'ap10k'),
    CrowdPoseDataset=('crowdpose/test_crowdpose.json', 'crowdpose'),
    JhmdbDataset=('jhmdb/test_jhmdb_sub1.json', 'jhmdb'),
    OneHand10KDataset=('onehand10k/test_onehand10k.json', 'onehand10k'),
    WFLWDataset=('wflw/test_wflw.json', 'wflw'),
)
_METAINFO = (
    'dataset_name',
    'upper_body_ids',
    'lower_body_ids',
    'flip_pairs',
    'dataset_keypoint_weights',
    'flip_indices',
    'skeleton_links',
)


def take_instances(
    dataset: dict, folder: Path | None, count: int
) -> tuple[list[dict], str]:
    """Instances as the dataset of a config hands them to its pipeline.

    Args:
        dataset: Its config.
        folder: Where MMPose's test data are, or None.
        count: Of instances. With fewer in the data, some come twice.

    Returns:
        Instances, and where they come from.
    """
    if 'datasets' in dataset:
        return _combined(dataset, folder, count)
    kind = DATASETS.get(dataset['type'])
    if folder is None or kind.__name__ not in _FILES:
        metainfo = _metainfo(dataset, kind)
        return [_generated(metainfo, seed) for seed in range(count)], (
            'generated'
        )
    annotations, images = _FILES[kind.__name__]
    built = kind(
        ann_file=str(folder / annotations),
        data_prefix=dict(img=f'{folder / images}/'),
        metainfo=dataset.get('metainfo'),
        pipeline=[],
    )
    found = [
        built.get_data_info(number % len(built)) for number in range(count)
    ]
    return found, annotations.split('/')[0]


def _combined(
    dataset: dict, folder: Path | None, count: int
) -> tuple[list[dict], str]:
    """Instances of the first part, in the keypoints of the whole."""
    first = dataset['datasets'][0]
    if first['type'] == 'RepeatDataset':
        first = first['dataset']
    instances, source = take_instances(first, folder, count)
    convert = Compose(first.get('pipeline', []))
    metainfo = parse_pose_metainfo(dict(dataset['metainfo']))
    described = {key: metainfo[key] for key in _METAINFO if key in metainfo}
    return [
        {**convert(instance), **described} for instance in instances
    ], source


def _metainfo(dataset: dict, kind: type[BaseDataset]) -> dict:
    metainfo = dict(kind.METAINFO)
    metainfo.update(dataset.get('metainfo') or {})
    # DeepFashion has one for each part of the body
    if dataset.get('subset'):
        metainfo['from_file'] = (
            f'configs/_base_/datasets/deepfashion_{dataset["subset"]}.py'
        )
    return parse_pose_metainfo(metainfo)


def _generated(metainfo: dict, seed: int) -> dict:
    """Keypoints anywhere in a box on a picture of 320 x 400 px."""
    rng = np.random.default_rng(seed)
    size = (1, metainfo['num_keypoints'])
    return dict(
        img=rng.integers(0, 256, (400, 320, 3), dtype=np.uint8),
        img_id=seed,
        id=seed,
        category_id=1,
        bbox=np.array([[60, 50, 260, 350]], np.float32),
        bbox_score=np.ones(1, np.float32),
        keypoints=rng.uniform((70, 60), (250, 340), (*size, 2)).astype(
            np.float32
        ),
        keypoints_visible=np.ones(size, np.float32),
        **{key: metainfo[key] for key in _METAINFO},
    )
