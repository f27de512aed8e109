"""MPII's photographs, from the command line, with another alignment."""

import json
import pickle
import sys
from subprocess import run

import numpy as np
import pytest
from mmengine.device import get_device
from samples import ROOT, SAMPLE_CONFIGS, losses, succeed
from tiny_run import call, free_port, refused

CONFIG = SAMPLE_CONFIGS / (
    'td-hm_res18-slim_dark-half-pixel-1xb5-15e_mpii-samples-128x128.py'
)
EPOCHS, PEOPLE, INPUT_WIDTH = 15, 5, 128
PELVIS_AND_THORAX = [6, 7]  # which PCKh leaves out


@pytest.fixture(scope='module')
def folder(data_root, tmp_path_factory):
    """A folder with the head boxes, where the runs are started."""
    folder = tmp_path_factory.mktemp('mpii samples')
    script = ROOT / 'projects/mmpose_samples/headboxes.py'
    ann_file = data_root / 'mmpose_samples/mpii/test_mpii.json'
    out = 'work_dirs/mpii_headboxes.mat'
    run([sys.executable, script, ann_file, out], cwd=folder, check=True)
    return folder


@pytest.fixture(scope='module')
def fitted(folder, data_root):
    """Work dir of a network that learnt the samples by heart."""
    succeed(
        call(
            'train.py',
            CONFIG,
            '--work-dir=run',
            cwd=folder,
            DARK_CODEC_DATA=str(data_root),
        )
    )
    return folder / 'run'


def score(tool, fitted, data_root, name, flip, *processes):
    """Test, and return the metrics and the predictions."""
    succeed(
        call(
            tool,
            CONFIG,
            fitted / f'epoch_{EPOCHS}.pth',
            *processes,
            f'--work-dir=run/{name}',
            f'--out=run/{name}.json',
            f'--dump=run/{name}.pkl',
            '--cfg-options',
            f'model.test_cfg.flip_test={flip}',
            cwd=fitted.parent,
            DARK_CODEC_DATA=str(data_root),
            PORT=str(free_port()),
        )
    )
    metrics = json.loads((fitted / f'{name}.json').read_text())
    return metrics, pickle.loads((fitted / f'{name}.pkl').read_bytes())


@pytest.fixture(scope='module')
def plain(fitted, data_root):
    return score('test.py', fitted, data_root, 'plain', False)


@pytest.fixture(scope='module')
def flipped(fitted, data_root):
    return score('test.py', fitted, data_root, 'flipped', True)


@pytest.fixture(params=['plain', 'flipped'])
def scored(request):
    """Metrics and predictions without and with the flip test."""
    return request.getfixturevalue(request.param)


def errors(sample):
    """Prediction - label (K, 2) in image px, and which are labelled (K,)."""
    truth, found = sample['gt_instances'], sample['pred_instances']
    error = found['keypoints'][0] - truth['keypoints'][0]
    return error, truth['keypoints_visible'][0] > 0


def test_loss_falls(fitted):
    steps = losses(fitted)
    assert len(steps) == EPOCHS
    assert steps[-1] < steps[0] / 5


def test_correct_keypoints(scored):
    metrics, samples = scored
    assert metrics['PCK'] > 95
    assert len(samples) == PEOPLE
    hits = []
    for sample in samples:
        error, seen = errors(sample)
        seen[PELVIS_AND_THORAX] = False
        # the metric takes labels, not predictions, to count from 1
        distance = np.linalg.norm(error[seen] + 1, axis=1)
        hits.extend(distance <= 0.5 * sample['gt_instances']['head_size'][0])
    assert metrics['PCK'] == pytest.approx(100 * np.mean(hits), abs=1e-4)


def test_keypoints_come_back_to_a_fraction_of_a_pixel(plain):
    """PCKh would forgive much more."""
    all_errors = []
    for sample in plain[1]:
        error, seen = errors(sample)
        zoom = INPUT_WIDTH / np.asarray(sample['input_scale'])
        all_errors.append(zoom * error[seen])
    all_errors = np.concatenate(all_errors)
    assert np.abs(np.median(all_errors, axis=0)).max() < 0.1
    assert np.median(np.abs(all_errors), axis=0).max() < 0.3


@pytest.mark.skipif(
    get_device() != 'cpu', reason='more processes than GPUs, perhaps'
)
def test_two_processes_score_as_one_does(fitted, flipped, data_root):
    metrics, samples = score('dist_test.sh', fitted, data_root, 'two', True, 2)
    assert metrics == pytest.approx(flipped[0], abs=1e-9)
    for one, other in zip(flipped[1], samples, strict=True):
        assert one['img_path'] == other['img_path']
        np.testing.assert_allclose(errors(one)[0], errors(other)[0], atol=1e-2)


def test_missing_head_boxes_are_named(data_root, tmp_path):
    result = call(
        'train.py', CONFIG, cwd=tmp_path, DARK_CODEC_DATA=str(data_root)
    )
    assert f'{tmp_path}/work_dirs/mpii_headboxes.mat' in refused(result)
