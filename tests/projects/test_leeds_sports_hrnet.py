"""projects/leeds_sports/hrnet: the whole command, with a narrow network."""

import json
import subprocess
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from scipy.io import loadmat, savemat
from tiny_run import environment, narrow_hrnet

from dark_codec import apply_codec
from projects.leeds_sports import lsp2coco

ROOT = Path(__file__).parents[2]
HRNET = ROOT / 'projects' / 'leeds_sports' / 'hrnet'
CONFIGS = sorted((HRNET / 'configs').glob('*.py'))
PEOPLE = 4
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@pytest.fixture
def few_people(data_root, tmp_path):
    """Leeds Sports with four people in each file."""
    for name in ('lsp', 'lspet'):
        if not (data_root / name).is_dir():
            pytest.skip(f'no {name} in {data_root}')
    (tmp_path / 'lsp').symlink_to(data_root / 'lsp')
    extended = tmp_path / 'lspet'
    extended.mkdir()
    (extended / 'images').symlink_to(data_root / 'lspet' / 'images')
    joints = loadmat(data_root / 'lspet' / 'joints.mat')['joints']
    savemat(extended / 'joints.mat', dict(joints=joints[..., :PEOPLE]))
    out = tmp_path / 'leeds_sports'
    options = ['--lspet', str(extended), '--out', str(out)]
    lsp2coco.main([str(tmp_path / 'lsp'), *options])
    for path in out.glob('*.json'):
        coco = json.loads(path.read_text())
        coco['images'] = coco['images'][:PEOPLE]
        ids = {image['id'] for image in coco['images']}
        coco['annotations'] = [
            person
            for person in coco['annotations']
            if person['image_id'] in ids
        ]
        path.write_text(json.dumps(coco))
    return tmp_path


def options(data):
    """Two iterations of few people and channels, in the main process."""
    train = 'train_dataloader.dataset.datasets'
    paths = [f'{train}.0.dataset', f'{train}.1']
    paths += [f'{loader}.dataset' for loader in LOADERS[1:]]
    chosen = [f'{path}.data_root={data}/' for path in paths]
    for loader in LOADERS:
        chosen += [f'{loader}.batch_size={2 * PEOPLE}']
        chosen += [f'{loader}.num_workers=0']
        chosen += [f'{loader}.persistent_workers=False']
    chosen += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    return [*chosen, 'param_scheduler.1.end=1', *narrow_hrnet()]


def test_trains_both_and_compares_their_decoders(few_people):
    out = few_people / 'out'
    command = ['bash', HRNET / 'run.sh', out, *options(few_people)]
    result = subprocess.run(
        command,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, (
        result.stdout[-3000:] + result.stderr[-3000:]
    )
    for name in ('dark', 'biased'):
        report = json.loads((out / name / 'report/report.json').read_text())
        assert f'{name}: Epoch(train)' in result.stdout
        assert len(report['decoders']) == 7
        log = (out / f'{name}.log').read_text()
        assert 'targets_on_device' in log or 'BatchGenerateTarget' in log
    assert 'BiasedEncoder' in (out / 'biased.log').read_text()


def test_the_two_networks_differ_in_the_encoder_only(monkeypatch):
    # as they are written
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')
    first, second = (Config.fromfile(path).to_dict() for path in CONFIGS)
    assert first.pop('codec') == dict(
        second.pop('codec'), encoder=dict(type='BiasedEncoder')
    )
    assert first == second


@pytest.mark.parametrize('path', CONFIGS, ids=['biased', 'dark'])
def test_the_network_as_it_is_written(path):
    """HRNet-W32, whose heatmaps are those of the codec."""
    cfg = apply_codec(Config.fromfile(path))
    with torch.device('meta'):
        model = MODELS.build(cfg.model).eval()
        heatmaps = model(torch.zeros(1, 3, 128, 96), None)
    assert heatmaps.shape == (1, 14, 32, 24)
    assert model.head.decoder.heatmap_size == (24, 32)
    size = sum(parameter.numel() for parameter in model.parameters())
    assert size == pytest.approx(28.5e6, rel=0.01)
