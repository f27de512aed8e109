"""COCO's photographs, from the command line: fit, test, resume, distribute."""

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from samples import (
    COCO_EPOCHS,
    COCO_SAMPLES,
    losses,
    scalars,
    succeed,
)
from tiny_run import TOOLS, call, free_port, on_cpu, refused

PEOPLE, INPUT_WIDTH = 12, 96


@pytest.fixture(scope='module')
def coco(data_root):
    return COCO(str(data_root / 'mmpose_samples/coco/test_coco.json'))


def score(tool, coco_run, data_root, name, flip, *processes):
    """Test, and return the metrics and the path of the results' json."""
    succeed(
        call(
            tool,
            COCO_SAMPLES,
            coco_run / f'epoch_{COCO_EPOCHS}.pth',
            *processes,
            f'--work-dir={name}',
            f'--out={name}/metrics.json',
            '--cfg-options',
            f'model.test_cfg.flip_test={flip}',
            f'test_evaluator.outfile_prefix={name}/results',
            cwd=coco_run,
            DARK_CODEC_DATA=str(data_root),
            PORT=str(free_port()),
        )
    )
    metrics = json.loads((coco_run / name / 'metrics.json').read_text())
    return metrics, coco_run / name / 'results.keypoints.json'


@pytest.fixture(scope='module')
def plain(coco_run, data_root):
    return score('test.py', coco_run, data_root, 'plain', False)


@pytest.fixture(scope='module')
def flipped(coco_run, data_root):
    return score('test.py', coco_run, data_root, 'flipped', True)


@pytest.fixture(params=['plain', 'flipped'])
def scored(request):
    """Metrics and results without and with the flip test."""
    return request.getfixturevalue(request.param)


def test_loss_falls(coco_run):
    steps = losses(coco_run)
    assert len(steps) == COCO_EPOCHS
    assert steps[-1] < steps[0] / 5


def test_average_precision(scored):
    metrics, _ = scored
    assert metrics['coco/AP'] > 0.9


def test_pycocotools_gives_the_same(scored, coco):
    metrics, results = scored
    evaluation = COCOeval(coco, coco.loadRes(str(results)), 'keypoints')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = 'AP', 'AP .5', 'AP .75', 'AP (M)', 'AP (L)', 'AR', 'AR .5'
    for name, value in zip(names, evaluation.stats):
        assert metrics[f'coco/{name}'] == pytest.approx(value, abs=1e-9), name


def test_keypoints_come_back_to_a_fraction_of_a_pixel(plain, coco):
    """AP would forgive more: argmax is off by 1 px in the median here."""
    results = json.loads(plain[1].read_text())
    errors = []
    for person in coco.dataset['annotations']:
        truth = np.reshape(person['keypoints'], (-1, 3))
        seen = truth[:, 2] > 0
        if not seen.any():
            continue
        candidates = [
            np.reshape(result['keypoints'], (-1, 3))[seen, :2]
            - truth[seen, :2]
            for result in results
            if result['image_id'] == person['image_id']
        ]
        _, _, w, h = person['bbox']
        # input px per image px: the crop is 1.25 times the box, of 3:4
        zoom = INPUT_WIDTH / (1.25 * max(w, h * 3 / 4))
        errors.append(zoom * min(candidates, key=lambda e: np.abs(e).mean()))
    assert len(errors) == PEOPLE
    errors = np.concatenate(errors)
    assert np.abs(np.median(errors, axis=0)).max() < 0.1
    assert np.median(np.abs(errors), axis=0).max() < 0.3


@on_cpu
def test_two_processes_score_as_one_does(coco_run, flipped, data_root):
    metrics, path = score('dist_test.sh', coco_run, data_root, 'two', True, 2)
    assert metrics == pytest.approx(flipped[0], abs=1e-9)

    def keypoints(path):
        results = json.loads(path.read_text())
        rows = [[r['image_id'], r['score'], *r['keypoints']] for r in results]
        return np.array(sorted(rows))

    assert len(keypoints(path)) == PEOPLE
    np.testing.assert_allclose(
        keypoints(path), keypoints(flipped[1]), atol=1e-3
    )


@on_cpu
def test_two_processes_train(data_root, tmp_path):
    succeed(
        call(
            'dist_train.sh',
            COCO_SAMPLES,
            2,
            '--work-dir=run',
            '--no-validate',
            '--cfg-options',
            'train_cfg.max_epochs=3',
            'default_hooks.checkpoint.interval=3',
            cwd=tmp_path,
            DARK_CODEC_DATA=str(data_root),
            PORT=str(free_port()),
        )
    )
    checkpoint = torch.load(tmp_path / 'run/epoch_3.pth', weights_only=True)
    # 10 times 12 people, batches of 12, shared by two
    assert checkpoint['meta']['iter'] == 3 * 5
    first, _, last = losses(tmp_path / 'run')
    assert last < first


def test_killed_training_resumes(data_root, tmp_path):
    """Killed at some epoch, and finished from there."""
    arguments = [
        COCO_SAMPLES,
        '--work-dir=run',
        '--no-validate',
        '--cfg-options',
        'train_dataloader.dataset.times=1',
        'default_hooks.checkpoint.interval=1',
    ]
    run = tmp_path / 'run'
    data = dict(DARK_CODEC_DATA=str(data_root))
    process = subprocess.Popen(
        [sys.executable, '-W', 'ignore', TOOLS / 'train.py', *arguments],
        cwd=tmp_path,
        env={**os.environ, **data, 'OMP_NUM_THREADS': '1'},
        stdout=subprocess.DEVNULL,
    )
    pointer = run / 'last_checkpoint'
    # MMEngine writes it after the checkpoint, and not at once
    while not (pointer.exists() and 'epoch_3' in pointer.read_text()):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (run / f'epoch_{COCO_EPOCHS}.pth').exists()

    reached = pointer.read_text()
    before = torch.load(reached, weights_only=True)['meta']['epoch']
    assert 2 <= before < COCO_EPOCHS
    printed = succeed(
        call('train.py', *arguments, '--resume', cwd=tmp_path, **data)
    )
    assert f'resumed epoch: {before}' in printed
    latest = max(run.glob('*/vis_data/scalars.json'))
    shutil.copytree(latest.parents[1], tmp_path / 'second' / 'run')
    epochs = [line['epoch'] for line in scalars(tmp_path / 'second')]
    assert epochs == list(range(before + 1, COCO_EPOCHS + 1))
    end = torch.load(run / f'epoch_{COCO_EPOCHS}.pth', weights_only=True)
    assert end['meta']['epoch'] == end['meta']['iter'] == COCO_EPOCHS


def test_a_missing_data_folder_is_named(tmp_path):
    result = call(
        'train.py',
        COCO_SAMPLES,
        cwd=tmp_path,
        DARK_CODEC_DATA=str(tmp_path / 'nothing'),
    )
    message = refused(result)
    assert f'{tmp_path}/nothing/mmpose_samples/coco/test_coco.json' in message
    assert 'cocodataset.org' in message
    assert not (tmp_path / 'work_dirs').exists()
