"""Data sets with empty arrays in their metainfo: train, go on, test, infer."""

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.apis import init_model
from tiny_run import call_all, ended, write_config

EXTRA = """
model['head'].update(out_channels={keypoints})
data = dict(
    type='{kind}', data_root='{root}', ann_file='{name}',
    data_prefix=dict(img=''))
for loader in (train_dataloader, val_dataloader, test_dataloader):
    for key in ('ann_file', 'data_prefix', 'data_root', 'type'):
        loader['dataset'][key] = data[key]
val_evaluator = test_evaluator = dict(type='{metric}'{norm})
default_hooks['checkpoint'].update(save_best=None)
"""
SETS = {
    'onehand10k': dict(
        kind='OneHand10KDataset', keypoints=21, metric='AUC', norm=''
    ),
    'wflw': dict(
        kind='WFLWDataset',
        keypoints=98,
        metric='NME',
        norm=", norm_mode='keypoint_distance'",
    ),
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory, data_root):
    """What the tools write, of all data sets."""
    folder = tmp_path_factory.mktemp('samples')
    jobs = {}
    for name, settings in SETS.items():
        root = data_root / 'mmpose_samples' / name
        extra = EXTRA.format(root=root, name=f'test_{name}.json', **settings)
        config = str(write_config(folder / f'{name}.py', root, extra=extra))
        epochs = '--cfg-options', 'train_cfg.max_epochs={}'
        train = ['train.py', config, f'--work-dir={name}', epochs[0]]
        jobs[f'{name} train'] = [*train, epochs[1].format(1)]
        jobs[f'{name} resume'] = [*train, epochs[1].format(2), '--resume']
        test = ['test.py', config, f'{name}/epoch_2.pth']
        jobs[f'{name} test'] = [*test, f'--work-dir={name}']
    call_all(jobs, folder)
    return folder


@pytest.mark.parametrize('name', SETS)
def test_train_resume_and_test(folder, name):
    for job in ('train', 'resume', 'test'):
        code, output = ended(folder, f'{name} {job}')
        assert code == 0, output
    _, output = ended(folder, f'{name} resume')
    assert 'resumed epoch: 1, ' in output
    _, output = ended(folder, f'{name} test')
    assert f'{SETS[name]["metric"]}: ' in output


@pytest.mark.parametrize('name', SETS)
def test_init_model(folder, name):
    path = folder / name / 'epoch_2.pth'
    cfg = Config.fromfile(folder / f'{name}.py')
    model = init_model(cfg, str(path), device='cpu')
    saved = torch.load(path)['meta']['dataset_meta']
    arrays = [v for v in saved.values() if isinstance(v, np.ndarray)]
    assert any(not array.size for array in arrays)
    np.testing.assert_equal(model.dataset_meta, saved)
