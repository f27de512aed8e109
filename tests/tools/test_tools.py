"""train.py and test.py: arguments, and errors that a user can mend."""

import json
import pickle
import re
import shlex
from pathlib import Path

import pytest
from mmengine.config import Config
from tiny_run import (
    NUM_IMAGES,
    TOOLS,
    call,
    on_cpu,
    refusal,
    refused,
    start,
    write_config,
    write_data,
)


@pytest.fixture(scope='module')
def work_dir(folder):
    """What one process trained, with relative paths, from another folder."""
    result = call(
        'train.py',
        'tiny.py',
        '--work-dir=one',
        '--auto-scale-lr',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        # what the tool advises where there are no weights
        'model.backbone.init_cfg=None',
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    return folder / 'one'


# one process


def test_train_obeys_its_arguments(work_dir):
    assert (work_dir / 'epoch_1.pth').is_file()
    assert not (work_dir / 'epoch_2.pth').exists()
    dumped = Config.fromfile(work_dir / 'tiny.py')
    assert dumped.auto_scale_lr.enable is True
    log = next(work_dir.glob('*/*.log')).read_text()
    # batch size 2, base batch size 4
    assert 'Scaling the original LR by 0.5' in log
    # and the end says what to do next
    command = re.search(r'To test it: python (.*)', log)
    tool, config, checkpoint = shlex.split(command[1])
    assert tool == str(TOOLS / 'test.py')
    assert config == 'tiny.py'
    assert Path(checkpoint).samefile(work_dir / 'epoch_1.pth')


def test_as_users_start_it(tmp_path):
    message = refused(start('test.py', 'no.py', 'no.pth', cwd=tmp_path))
    assert message.endswith(
        'test.py: error: the config no.py does not exist\n'
    )


def test_train_resumes_and_skips_validation(folder, work_dir):
    result = call(
        'train.py',
        'tiny.py',
        '--work-dir=resumed',
        '--no-validate',
        '--resume',
        work_dir / 'epoch_1.pth',
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    assert 'resumed epoch: 1' in result.stdout
    assert 'Epoch(train) [1]' not in result.stdout
    assert 'Epoch(train) [2]' in result.stdout
    assert 'Epoch(val)' not in result.stdout


def test_test_writes_what_it_is_asked_for(folder, work_dir):
    result = call(
        'test.py',
        'tiny.py',
        work_dir / 'best_coco_AP_epoch_1.pth',
        '--out=new/folder/metrics.yaml',
        '--dump=new/predictions.pkl',
        '--show-dir=pictures',
        '--badcase',
        '--cfg-options',
        'test_evaluator.prefix=tiny',
        cwd=folder,
    )
    assert result.returncode == 0, result.stderr
    metrics = Config.fromfile(folder / 'new/folder/metrics.yaml')
    assert 0 <= metrics['tiny/AP'] <= 1
    with open(folder / 'new/predictions.pkl', 'rb') as file:
        assert len(pickle.load(file)) == NUM_IMAGES
    # The default of --work-dir; the hooks draw below it.
    results = folder / 'work_dirs' / 'tiny'
    assert len(list(results.glob('*/pictures/*.jpg'))) == NUM_IMAGES
    cases = json.loads(next(results.glob('*/badcase/*.json')).read_text())
    assert len(cases) == NUM_IMAGES


# user errors


def test_missing_data_are_named_with_their_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path / 'tiny.py', 'data/coco')
    message = refusal(
        'train',
        config,
        '--cfg-options',
        'val_dataloader.dataset.bbox_file=boxes.json',
    )
    data_root = tmp_path / 'data/coco'
    for line in [
        f'train_dataloader.dataset.ann_file = {data_root}/people.json',
        f'train_dataloader.dataset.data_prefix.img = {data_root}/images',
        f'val_dataloader.dataset.bbox_file = {tmp_path}/boxes.json',
        f'val_evaluator.ann_file = {data_root}/people.json',
        'http://cocodataset.org',
        'https://mmpose.readthedocs.io/en/latest/dataset_zoo',
    ]:
        assert line in message
    assert 'test_dataloader' not in message
    assert not (tmp_path / 'work_dirs').exists()


def test_missing_data_inside_wrapped_datasets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_data(tmp_path / 'data')
    wrapped = """
train_dataloader['dataset'] = dict(
    type='RepeatDataset', times=2, dataset=dict(
        type='CombinedDataset',
        metainfo=dict(from_file='configs/_base_/datasets/coco.py'),
        datasets=[
            train_dataloader['dataset'],
            dict(type='MpiiDataset', data_root='data/mpii',
                 ann_file='train.json', data_prefix=dict(img='images/'),
                 pipeline=[]),
            dict(type='CocoDataset', ann_file='own.json', pipeline=[],
                 metainfo=dict(from_file='no/such/metainfo.py'))]))
"""
    data_root = tmp_path / 'data'
    config = write_config(tmp_path / 'tiny.py', data_root, extra=wrapped)
    message = refusal('train', config)
    key = 'train_dataloader.dataset.dataset.datasets.1'
    assert f'{key}.ann_file = {data_root}/mpii/train.json' in message
    assert f'{key}.data_prefix.img = {data_root}/mpii/images' in message
    assert 'http://human-pose.mpi-inf.mpg.de' in message
    assert f'datasets.2.ann_file = {tmp_path}/own.json' in message
    assert 'people.json' not in message


@pytest.mark.parametrize(
    ('weights', 'problem'),
    [
        ('http://127.0.0.1:9/hrnet.pth', 'weights cannot be downloaded ('),
        ('hrnet.pth', 'these weights are missing:'),
    ],
)
def test_weights_of_the_backbone_that_are_not_there(
    tmp_path, weights, problem
):
    data = write_data(tmp_path / 'data')
    init = dict(type='Pretrained', checkpoint=weights)
    extra = f"model['backbone']['init_cfg'] = {init}"
    config = write_config(tmp_path / 'tiny.py', data, extra=extra)
    message = refused(call('train.py', config, cwd=tmp_path))
    assert problem in message
    path = weights if '://' in weights else tmp_path / weights
    assert f'  model.backbone.init_cfg.checkpoint = {path}\n' in message
    advice = '--cfg-options model.backbone.init_cfg=None'
    assert message.endswith(f'{advice}\n')


def test_weights_to_test_that_cannot_be_downloaded(folder):
    url = 'http://127.0.0.1:9/weights.pth'
    result = call('test.py', 'tiny.py', url, cwd=folder)
    assert f'  load_from = {url}\n' in refused(result)


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (['train.py', '--resume', 'no.pth'], 'checkpoint no.pth does not'),
        (['train.py', '--cfg-options', 'work_dir'], "expected: 'work_dir'"),
        (
            ['train.py', '--cfg-options', 'codec.decoder=Nothing'],
            'Nothing.*TaylorDecoder',
        ),
        (['test.py', 'no.pth'], 'checkpoint no.pth does not exist'),
        (['test.py', 'no.pth', '--out=metrics.txt'], r'must end in \.json'),
        (['test.py', 'no.pth', '--dump=d.json'], r'must end in \.pkl'),
        (['test.py', 'no.pth', '--out=tiny.py/m.json'], 'tiny.py/m.json'),
    ],
)
def test_bad_arguments(folder, monkeypatch, arguments, expected):
    monkeypatch.chdir(folder)
    tool, *rest = arguments
    message = refusal(tool, 'tiny.py', *rest)
    assert re.search(expected, message), message


@on_cpu
def test_amp_without_a_gpu(folder):
    message = refusal('train', folder / 'tiny.py', '--amp')
    assert '--amp' in message and 'needs a GPU' in message


def test_what_the_config_lacks(tmp_path):
    lacking = '\ndel auto_scale_lr\ndefault_hooks.pop("visualization")\n'
    data_root = write_data(tmp_path / 'data')
    config = write_config(tmp_path / 'tiny.py', data_root, extra=lacking)
    message = refusal('train', config, '--auto-scale-lr')
    assert 'auto_scale_lr=dict(base_batch_size=...)' in message
    message = refusal('train', config, '--show-dir=p')
    assert 'default_hooks.visualization' in message
