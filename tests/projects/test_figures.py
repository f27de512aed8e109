"""The synthetic figures: whether the annotation is the truth; the dataset."""

import copy
import json
import pickle

import cv2
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from mmpose.datasets import CocoDataset
from mmpose.evaluation import CocoMetric
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader

from projects.quickstart.figures import FiguresDataset, draw_figure
from projects.quickstart.figures2coco import main as figures2coco

SIZE = (144, 128)
PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=(192, 256)),
    dict(
        type='GenerateTarget',
        encoder=dict(
            type='MSRAHeatmap',
            input_size=(192, 256),
            heatmap_size=(48, 64),
            sigma=2,
        ),
    ),
    dict(type='PackPoseInputs', pack_transformed=True),
]


def build(**kwargs):
    return DATASETS.build(
        dict(type='FiguresDataset', image_size=SIZE, **kwargs)
    )


# what is drawn


def test_eyes_are_drawn_at_their_keypoints():
    """The centroids of the dark dots, at 1000 px, on fair faces."""
    errors = []
    for index in range(30):
        figure = draw_figure(5, index, (1000, 1000))
        grey = cv2.cvtColor(figure.image, cv2.COLOR_BGR2GRAY).astype(float)
        for point, flag in zip(figure.keypoints[1:3], figure.visibility[1:3]):
            radius = round(0.012 * figure.bbox[3])  # of an eye: 0.0065
            x, y = np.rint(point).astype(int)
            part = np.s_[
                y - radius : y + radius + 1, x - radius : x + radius + 1
            ]
            window = grey[part]
            skin = np.median(np.concatenate([window[0], window[-1]]))
            dark = np.clip(0.7 * skin - window, 0, None)
            border = dark[[0, -1]].sum() + dark[:, [0, -1]].sum()
            if flag == 1 or skin < 90 or border > 0.01 * dark.sum():
                continue  # beside the hair, the nose or the background
            ys, xs = np.mgrid[
                y - radius : y + radius + 1, x - radius : x + radius + 1
            ]
            found = [(dark * xs).sum(), (dark * ys).sum()] / dark.sum()
            errors.append(found - point)
    assert len(errors) > 15
    assert np.abs(errors).max() < 0.3
    assert np.abs(np.mean(errors, 0)).max() < 0.06


def test_a_larger_image_shows_the_same_figure():
    """Pixel centres lie at integers, at every size."""
    for index in range(10):
        small = draw_figure(3, index, (150, 150))
        large = draw_figure(3, index, (600, 600))
        np.testing.assert_allclose(
            4 * (small.keypoints + 0.5), large.keypoints + 0.5
        )
        np.testing.assert_array_equal(small.visibility, large.visibility)
        corners = [
            np.array([f.bbox[:2] - 0.5, f.bbox[:2] + f.bbox[2:] + 0.5]) + 0.5
            for f in (small, large)
        ]
        np.testing.assert_allclose(4 * corners[0], corners[1], atol=6)
        assert 16 * small.area == pytest.approx(large.area, rel=0.1)


@pytest.mark.parametrize('size', [(32, 32), (48, 256), (600, 520)])
def test_whole_figures_at_any_size(size):
    for index in range(10):
        figure = draw_figure(0, index, size)
        assert figure.image.shape == (size[1], size[0], 3)
        assert figure.image.dtype == np.uint8
        low, high = figure.bbox[:2], figure.bbox[:2] + figure.bbox[2:]
        assert (low >= 0).all() and (high <= np.array(size) - 1).all()
        assert (figure.keypoints >= low - 0.5).all()
        assert (figure.keypoints <= high + 0.5).all()
        share = figure.area / (figure.bbox[2:] + 1).prod()
        assert 0.1 < share < 0.8


def test_poses_vary_and_some_keypoints_are_hidden():
    figures = [draw_figure(9, index, SIZE) for index in range(200)]
    hidden = np.mean([f.visibility == 1 for f in figures])
    assert 0.01 < hidden < 0.15
    scaled = [(f.keypoints - f.bbox[:2]) / f.bbox[3] for f in figures]
    # wrists roam, heads and hips hardly
    spread = np.std(scaled, axis=0).max(axis=1)
    assert spread[[9, 10]].min() > 0.12
    # all face the camera
    left, right = np.mean(scaled, axis=0)[[5, 6]]
    assert left[0] > right[0] + 0.1


def test_a_figure_depends_on_seed_and_index_alone():
    first = {i: draw_figure(3, i, SIZE) for i in range(6)}
    for index in reversed(range(6)):
        for one, other in zip(draw_figure(3, index, SIZE), first[index]):
            np.testing.assert_array_equal(one, other)
    images = {
        draw_figure(seed, index, SIZE).image.tobytes()
        for seed in range(3)
        for index in range(3)
    }
    assert len(images) == 9


# the dataset


def test_metainfo_is_that_of_coco():
    figures = build(num_samples=1).metainfo
    coco = CocoDataset(lazy_init=True).metainfo
    assert figures['dataset_name'] == 'figures'
    for key in ('flip_indices', 'keypoint_name2id', 'upper_body_ids'):
        assert figures[key] == coco[key]
    np.testing.assert_array_equal(figures['sigmas'], coco['sigmas'])


@pytest.mark.parametrize('workers', [0, 2])
def test_samples_hold_the_figures(workers):
    dataset = build(num_samples=5, seed=4)
    loader = DataLoader(
        dataset, 2, num_workers=workers, collate_fn=pseudo_collate
    )
    images = [image for batch in loader for image in batch['img']]
    for idx, image in enumerate(images):
        figure = draw_figure(4, idx, SIZE)
        np.testing.assert_array_equal(image, figure.image)
        info = dataset.get_data_info(idx)
        np.testing.assert_array_equal(
            info['keypoints'][0], figure.keypoints.astype(np.float32)
        )
        np.testing.assert_allclose(
            info['bbox'][0, 2:] - info['bbox'][0, :2], figure.bbox[2:]
        )
        info['img'][:] = 0  # as a transform in place would
    assert len(images) == 5
    assert dataset[4]['img'].any()


def test_dataset_can_be_copied_pickled_and_cut():
    dataset = build(num_samples=3)
    for clone in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        np.testing.assert_array_equal(clone[1]['img'], dataset[1]['img'])
    part = build(num_samples=3, indices=[2])
    assert len(part) == 1
    np.testing.assert_array_equal(part[0]['img'], dataset[2]['img'])


def test_training_pipeline_of_mmpose_runs_unchanged():
    """Heatmaps peak where the transforms put the keypoints."""
    compared = 0
    for sample in build(num_samples=16, seed=2, pipeline=PIPELINE):
        assert sample['inputs'].shape == (3, 256, 192)
        data = sample['data_samples']
        heatmaps = data.gt_fields.heatmaps.numpy()
        points = data.gt_instances.transformed_keypoints[0]
        inside = ((points >= 0) & (points < (192, 256))).all(axis=1)
        for k in np.flatnonzero(inside):
            y, x = np.unravel_index(heatmaps[k].argmax(), heatmaps[k].shape)
            assert np.abs(points[k] / 4 - (x, y)).max() < 1
            compared += 1
    assert compared > 150


def test_coco_metric_needs_no_file():
    pipeline = [t for t in PIPELINE if t['type'][:6] != 'Random']
    dataset = build(num_samples=21, test_mode=True, pipeline=pipeline)
    flip = dataset.metainfo['flip_indices']

    def precision(change):
        metric = CocoMetric()
        metric.dataset_meta = dataset.metainfo
        for sample in dataset:
            data = sample['data_samples']
            data.pred_instances = InstanceData(
                keypoints=change(data.gt_instances.keypoints),
                keypoint_scores=np.ones((1, 17), np.float32),
            )
            metric.process({}, [data.to_dict()])
        return metric.evaluate(len(dataset))['coco/AP']

    assert precision(lambda points: points) == pytest.approx(1)
    assert precision(lambda points: points + 3) < 0.9
    assert precision(lambda points: points[:, flip]) < 0.5


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_samples=0), 'num_samples must be an integer >= 1, got 0'),
        (dict(num_samples=2.5), 'num_samples must be an integer'),
        (dict(seed=-1), 'seed must be an integer >= 0, got -1'),
        (dict(image_size=160), r'image_size must be \(width, height\)'),
        (dict(image_size=(160, 31)), r'>= 32, got \(160, 31\)'),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FiguresDataset(**arguments)


# as files


def test_files_equal_the_dataset(tmp_path, capsys):
    out = tmp_path / 'made'
    command = ['--num=12', '--seed=3', f'--out={out}', '--image-size']
    command += map(str, SIZE)
    figures2coco(command)
    assert capsys.readouterr().out == f'12 figures in {out}\n'
    files = CocoDataset(data_root=str(out), ann_file='figures.json')
    figures = build(num_samples=12, seed=3)
    assert len(files) == 12
    for idx in range(12):
        theirs, ours = files.get_data_info(idx), figures.get_data_info(idx)
        image = cv2.imread(theirs['img_path'])
        np.testing.assert_array_equal(image, ours['img'])
        for key in ('keypoints', 'keypoints_visible', 'bbox', 'area', 'id'):
            np.testing.assert_array_equal(theirs[key], ours[key])
    ids = [
        x['id']
        for x in json.loads((out / 'figures.json').read_text())['images']
    ]
    assert min(ids) == 1  # COCO's tools take 0 for "no match"
    with pytest.raises(SystemExit, match='2'):
        figures2coco(command)
    assert 'holds figures.json already' in capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['--num=0'], '--num must be an integer >= 1, got 0'),
        (['--num=1', '--seed=-2'], 'seed must be'),
        (['--num=1', '--image-size', '8', '8'], '>= 32'),
        (['--num=1', f'--out={__file__}'], 'is a file'),
    ],
)
def test_export_names_the_bad_argument(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit, match='2'):
        figures2coco([f'--out={tmp_path / "made"}', *arguments])
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'made').exists()
