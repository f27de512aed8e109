"""The figures in MMPose: pipeline, CocoMetric, the export."""

import copy
import json
import pickle
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmpose.datasets import CocoDataset
from mmpose.evaluation import CocoMetric
from mmpose.registry import DATASETS
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from tiny_run import call, in_two_processes
from torch.utils.data import DataLoader

from dark_codec import apply_codec

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / 'projects' / 'quickstart'

from projects.quickstart.figures import (  # noqa: E402
    FiguresDataset,
    render_figure,
)

TOOL = PROJECT / 'figures2coco.py'
SIZE = (144, 128)
TRAIN_PIPELINE = [
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
TEST_PIPELINE = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(192, 256)),
    dict(type='PackPoseInputs'),
]


@pytest.fixture(autouse=True)
def _mmpose_scope():
    init_default_scope('mmpose')


def build(**kwargs):
    return DATASETS.build(
        dict(type='FiguresDataset', image_size=SIZE, **kwargs)
    )


def test_metainfo_is_that_of_coco():
    figures = build(num_samples=1).metainfo
    coco = CocoDataset(lazy_init=True).metainfo
    assert figures['dataset_name'] == 'figures'
    for key in ('flip_indices', 'keypoint_name2id', 'upper_body_ids'):
        assert figures[key] == coco[key]
    np.testing.assert_array_equal(figures['sigmas'], coco['sigmas'])


def test_sample_holds_the_figure():
    dataset = build(num_samples=5, seed=4)
    assert len(dataset) == 5
    for idx in range(5):
        info, figure = dataset.get_data_info(idx), render_figure(4, idx, SIZE)
        np.testing.assert_array_equal(info['img'], figure.image)
        seen = figure.visibility > 0
        np.testing.assert_array_equal(info['keypoints_visible'][0], seen)
        np.testing.assert_array_equal(
            info['keypoints'][0, seen],
            figure.keypoints[seen].astype(np.float32),
        )
        assert (info['keypoints'][0, ~seen] == 0).all()
        np.testing.assert_allclose(
            info['bbox'][0, 2:] - info['bbox'][0, :2], figure.bbox[2:]
        )


def test_training_pipeline_of_mmpose_runs_unchanged():
    """Heatmaps peak where the transforms put the keypoints."""
    dataset = build(num_samples=24, seed=2, pipeline=TRAIN_PIPELINE)
    compared = 0
    for sample in dataset:
        assert sample['inputs'].shape == (3, 256, 192)
        data = sample['data_samples']
        heatmaps = data.gt_fields.heatmaps.numpy()
        weights = data.gt_instance_labels.keypoint_weights.numpy()[0]
        points = data.gt_instances.transformed_keypoints[0]
        seen = data.gt_instances.keypoints_visible[0] > 0
        assert (weights[~seen] == 0).all()
        inside = ((points >= 0) & (points < (192, 256))).all(axis=1)
        for k in np.flatnonzero(seen & inside):
            assert weights[k] == 1
            y, x = np.unravel_index(heatmaps[k].argmax(), heatmaps[k].shape)
            assert np.abs(points[k] / 4 - (x, y)).max() < 1
            compared += 1
    assert compared > 200


def evaluate(dataset, error_px=0.0, mirror=False, part=slice(None)):
    """COCO's scores of predictions made from the truth.

    `part` are the samples that this process sees.
    """
    metric = CocoMetric()
    metric.dataset_meta = dataset.metainfo
    flip = dataset.metainfo['flip_indices']
    for idx in range(len(dataset))[part]:
        data = dataset[idx]['data_samples']
        points = data.gt_instances.keypoints + np.float32(error_px)
        if mirror:
            points = points[:, flip]
        data.pred_instances = InstanceData(
            keypoints=points, keypoint_scores=np.ones((1, 17), np.float32)
        )
        metric.process({}, [data.to_dict()])
    return metric.evaluate(len(dataset))


def evaluation_set():
    return build(
        num_samples=21, seed=1, test_mode=True, pipeline=TEST_PIPELINE
    )


def test_coco_metric_needs_no_file():
    dataset = evaluation_set()
    assert evaluate(dataset)['coco/AP'] == pytest.approx(1)
    assert evaluate(dataset, error_px=3)['coco/AP'] < 0.9
    assert evaluate(dataset, mirror=True)['coco/AP'] < 0.5


def _evaluate_share(rank, url, out):
    torch.distributed.init_process_group(
        'gloo', init_method=url, rank=rank, world_size=2
    )
    init_default_scope('mmpose')
    part = slice(rank, None, 2)
    scores = evaluate(evaluation_set(), error_px=3, part=part)
    Path(f'{out}.{rank}').write_text(json.dumps(scores))
    torch.distributed.destroy_process_group()


def test_two_processes_share_an_evaluation(tmp_path):
    out = tmp_path / 'scores'
    url = f'file://{tmp_path}/meet'
    in_two_processes(_evaluate_share, url, str(out))
    alone = evaluate(evaluation_set(), error_px=3)
    for rank in range(2):
        shared = json.loads(Path(f'{out}.{rank}').read_text())
        assert shared == pytest.approx(alone)


def test_base_config_trains_and_tests(tmp_path):
    cfg = Config.fromfile(PROJECT / 'configs/_base_/figures.py')
    cfg.custom_imports = dict(
        imports=['dark_codec', 'projects.quickstart.figures']
    )
    cfg.model = dict(
        type='TopdownPoseEstimator',
        data_preprocessor=dict(type='PoseDataPreprocessor'),
        backbone=dict(
            type='ResNet', depth=18, stem_channels=8, base_channels=8
        ),
        head=dict(
            type='HeatmapHead',
            in_channels=64,
            out_channels=17,
            deconv_out_channels=(8, 8, 8),
            deconv_kernel_sizes=(4, 4, 4),
            loss=dict(type='KeypointMSELoss', use_target_weight=True),
            decoder=cfg.codec,
        ),
        test_cfg=dict(flip_test=True, shift_heatmap=True),
    )
    cfg.train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
    cfg.val_cfg = dict()
    cfg.optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
    cfg.default_scope = 'mmpose'
    cfg.work_dir = str(tmp_path)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.num_samples = 8
        loader.batch_size = 4
    cfg.test_dataloader = cfg.test_evaluator = None
    runner = Runner.from_cfg(apply_codec(cfg))
    runner.train()
    scores = runner.message_hub.get_scalar('val/coco/AP').data[0]
    assert len(scores) == 2 and ((0 <= scores) & (scores <= 1)).all()


def test_cached_figures_are_the_same_and_stay_so():
    plain = build(num_samples=6, indices=[5, 2])
    cached = build(num_samples=6, indices=[5, 2], cache=True)
    for _ in range(2):
        for one, other in zip(plain, cached, strict=True):
            np.testing.assert_array_equal(one['img'], other['img'])
            assert one['raw_ann_info'] == other['raw_ann_info']
            other['img'][:] = 0  # as a transform in place would


@pytest.mark.parametrize('workers', [0, 2])
def test_workers_give_the_same(workers):
    dataset = build(num_samples=9, seed=6)
    loader = DataLoader(
        dataset, 2, num_workers=workers, collate_fn=pseudo_collate
    )
    images = [image for batch in loader for image in batch['img']]
    expected = [render_figure(6, index, SIZE).image for index in range(9)]
    np.testing.assert_array_equal(np.array(images), np.array(expected))


def test_dataset_can_be_copied_and_pickled():
    dataset = build(num_samples=3)
    for clone in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        np.testing.assert_array_equal(clone[1]['img'], dataset[1]['img'])


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(num_samples=0), 'num_samples must be a positive integer, got 0'),
        (dict(num_samples=2.5), 'num_samples must be a positive integer'),
        (dict(seed=-1), 'seed must be an integer >= 0, got -1'),
        (dict(seed=True), 'seed must be an integer >= 0, got True'),
        (dict(image_size=160), r'image_size must be \(width, height\)'),
        (dict(image_size=(160, 31)), r'>= 32, got \(160, 31\)'),
        (dict(image_size='ab'), 'image_size must be'),
        (dict(data_mode='bottomup'), "data_mode must be 'topdown'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FiguresDataset(**arguments)


def test_files_are_no_argument():
    with pytest.raises(TypeError, match='ann_file'):
        FiguresDataset(ann_file='figures.json')


def export(*arguments):
    return call(str(TOOL), *arguments, cwd=ROOT)


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    out = tmp_path_factory.mktemp('figures') / 'made'
    size = ('--image-size', *SIZE)
    done = export('--num', 12, '--seed', 3, '--out', out, *size)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'12 figures in {out}\n'
    return out


def test_export_equals_the_dataset(exported):
    files = CocoDataset(data_root=str(exported), ann_file='figures.json')
    figures = build(num_samples=12, seed=3)
    assert len(files) == 12
    for idx in range(12):
        theirs, ours = files.get_data_info(idx), figures.get_data_info(idx)
        image = cv2.imread(theirs['img_path'])
        np.testing.assert_array_equal(image, ours['img'])
        for key in ('keypoints', 'keypoints_visible', 'bbox', 'area', 'id'):
            np.testing.assert_array_equal(theirs[key], ours[key])
        assert theirs['img_id'] == ours['img_id']


def test_export_loads_in_pycocotools(exported):
    truth = COCO(str(exported / 'figures.json'))
    annotations = truth.loadAnns(truth.getAnnIds())
    assert len(annotations) == 12
    results = truth.loadRes(
        [
            dict(
                image_id=a['image_id'],
                category_id=1,
                keypoints=a['keypoints'],
                score=1,
            )
            for a in annotations
        ]
    )
    evaluation = COCOeval(truth, results, 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_export_refuses_what_it_cannot_do(tmp_path):
    done = export('--num', 0, '--out', tmp_path)
    assert done.returncode == 2
    assert '--num must be a positive integer, got 0' in done.stderr


def test_export_names_the_bad_argument(
    tmp_path, exported, monkeypatch, capsys
):
    file = tmp_path / 'file'
    file.write_text('')
    main = runpy.run_path(str(TOOL))['main']
    for arguments, message in (
        (('--num', 1, '--seed', -2, '--out', tmp_path), 'seed must be'),
        (('--num', 1, '--out', file), 'is a file'),
        (('--num', 1, '--out', exported), 'holds figures.json already'),
        (('--num', 1, '--out', tmp_path, '--image-size', 8, 8), '>= 32'),
    ):
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, arguments)])
        with pytest.raises(SystemExit, match='2'):
            main()
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ['file']
