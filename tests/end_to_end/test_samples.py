"""MMPose's samples of COCO and MPII, learnt by heart from the command line.

MPII's have another alignment. Several processes, and runs that are killed:
tools/test_distributed_runs.py, openmmlab/engine/test_resume.py.
"""

import json
import pickle
from typing import NamedTuple

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from samples import COCO_SAMPLES, ROOT, SAMPLE_CONFIGS, losses, succeed
from tiny_run import call, refusal

MPII_SAMPLES = SAMPLE_CONFIGS / (
    'td-hm_res18-slim_dark-half-pixel-1xb5-15e_mpii-samples-128x128.py'
)
EPOCHS = 15
PELVIS_AND_THORAX = [6, 7]  # which PCKh leaves out


class Samples(NamedTuple):
    """A training, and the size of what it has learnt."""

    name: str
    config: str
    run: str  # its work dir
    people: int
    input_width: int


class Tested(NamedTuple):
    """What one test of it has written."""

    metrics: dict
    people: list
    results: str  # COCO's json


@pytest.fixture(scope='module')
def mpii_run(data_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp('mpii samples')
    script = ROOT / 'projects/mmpose_samples/headboxes.py'
    ann_file = data_root / 'mmpose_samples/mpii/test_mpii.json'
    boxes = folder / 'work_dirs/mpii_headboxes.mat'
    succeed(call(str(script), ann_file, boxes, cwd=folder))
    data = dict(DARK_CODEC_DATA=str(data_root))
    train = 'train.py', MPII_SAMPLES, '--work-dir=run'
    succeed(call(*train, cwd=folder, **data))
    return folder / 'run'


@pytest.fixture(scope='module', params=['coco', 'mpii'])
def samples(request):
    run = request.getfixturevalue(f'{request.param}_run')
    if request.param == 'coco':
        return Samples('coco', COCO_SAMPLES, run, 12, 96)
    return Samples('mpii', MPII_SAMPLES, run, 5, 128)


@pytest.fixture(scope='module')
def tested(samples, data_root):
    """Without and with the flip test."""
    found = []
    for flip in (False, True):
        name = 'flipped' if flip else 'plain'
        folder = samples.run / name
        options = [f'model.test_cfg.flip_test={flip}']
        if samples.name == 'coco':
            options.append(f'test_evaluator.outfile_prefix=run/{name}/results')
        succeed(
            call(
                'test.py',
                samples.config,
                samples.run / f'epoch_{EPOCHS}.pth',
                f'--work-dir={folder}',
                f'--out={folder}/metrics.json',
                f'--dump={folder}/people.pkl',
                '--cfg-options',
                *options,
                cwd=samples.run.parent,
                DARK_CODEC_DATA=str(data_root),
            )
        )
        found.append(
            Tested(
                json.loads((folder / 'metrics.json').read_text()),
                pickle.loads((folder / 'people.pkl').read_bytes()),
                str(folder / 'results.keypoints.json'),
            )
        )
    return found


def errors(person):
    """Prediction - label (K, 2) in image px, and which are labelled (K,)."""
    truth, found = person['gt_instances'], person['pred_instances']
    error = found['keypoints'][0] - truth['keypoints'][0]
    return error, truth['keypoints_visible'][0] > 0


def test_loss_falls(samples):
    steps = losses(samples.run)
    assert len(steps) == EPOCHS
    assert steps[-1] < steps[0] / 5


def test_the_metric_is_right(samples, tested, data_root):
    """By pycocotools itself, and by the definition of PCKh."""
    for metrics, people, results in tested:
        if samples.name == 'mpii':
            assert metrics['PCK'] > 95
            hits = []
            for person in people:
                error, seen = errors(person)
                seen[PELVIS_AND_THORAX] = False
                # the metric takes labels, not predictions, to count from 1
                distance = np.linalg.norm(error[seen] + 1, axis=1)
                head = person['gt_instances']['head_size'][0]
                hits.extend(distance <= 0.5 * head)
            expected = 100 * np.mean(hits)
            assert metrics['PCK'] == pytest.approx(expected, abs=1e-4)
            continue
        assert metrics['coco/AP'] > 0.9
        coco = COCO(str(data_root / 'mmpose_samples/coco/test_coco.json'))
        evaluation = COCOeval(coco, coco.loadRes(results), 'keypoints')
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        names = 'AP', 'AP .5', 'AP .75', 'AP (M)', 'AP (L)', 'AR', 'AR .5'
        for name, value in zip(names, evaluation.stats):
            found = metrics[f'coco/{name}']
            assert found == pytest.approx(value, abs=1e-9), name


def test_keypoints_come_back_to_a_fraction_of_a_pixel(samples, tested):
    """The metrics forgive more: argmax is off by 1 px in the median here."""
    people = tested[0].people
    assert len(people) == samples.people
    all_errors = []
    for person in people:
        error, seen = errors(person)
        zoom = samples.input_width / np.asarray(person['input_scale'])[0]
        all_errors.append(zoom * error[seen])
    all_errors = np.concatenate(all_errors)
    assert np.abs(np.median(all_errors, axis=0)).max() < 0.1
    assert np.median(np.abs(all_errors), axis=0).max() < 0.3


def test_missing_data_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('DARK_CODEC_DATA', str(tmp_path / 'nothing'))
    message = refusal('train', COCO_SAMPLES)
    assert f'{tmp_path}/nothing/mmpose_samples/coco/test_coco.json' in message
    assert 'cocodataset.org' in message
    message = refusal('train', MPII_SAMPLES)
    assert f'{tmp_path}/work_dirs/mpii_headboxes.mat' in message
    assert [path.name for path in tmp_path.iterdir()] == []
