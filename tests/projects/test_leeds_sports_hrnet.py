"""projects/leeds_sports/hrnet: the whole command, a few iterations long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

ROOT = Path(__file__).parents[2]
HRNET = ROOT / 'projects' / 'leeds_sports' / 'hrnet'
CONVERTER = ROOT / 'tools' / 'dataset_converters' / 'lsp2coco.py'
PEOPLE = 4
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


@pytest.fixture
def few_people(data_root, tmp_path):
    """Leeds Sports with four people in each file."""
    for name in ('lsp', 'lspet'):
        if not (data_root / name).is_dir():
            pytest.skip(f'no {name} in {data_root}')
        (tmp_path / name).symlink_to(data_root / name)
    out = tmp_path / 'leeds_sports'
    command = [sys.executable, CONVERTER, tmp_path / 'lsp']
    command += ['--lspet', tmp_path / 'lspet', '--out', out]
    subprocess.run(command, check=True, capture_output=True)
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
    """Two iterations of few people, in the main process."""
    train = 'train_dataloader.dataset.datasets'
    paths = [f'{train}.0.dataset', f'{train}.1']
    paths += [f'{loader}.dataset' for loader in LOADERS[1:]]
    chosen = [f'{path}.data_root={data}/' for path in paths]
    for loader in LOADERS:
        chosen += [f'{loader}.batch_size={2 * PEOPLE}']
        chosen += [f'{loader}.num_workers=0']
        chosen += [f'{loader}.persistent_workers=False']
    chosen += ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    return [*chosen, 'param_scheduler.1.end=1']


def test_trains_both_and_compares_their_decoders(few_people):
    out = few_people / 'out'
    command = ['bash', HRNET / 'run.sh', out, *options(few_people)]
    environment = {
        **os.environ,
        'VENV': str(Path(sys.executable).parents[1]),
        'OMP_NUM_THREADS': '1',
    }
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=900
    )
    assert result.returncode == 0, (
        result.stdout[-3000:] + result.stderr[-3000:]
    )
    for name in ('dark', 'biased'):
        report = json.loads((out / name / 'report/report.json').read_text())
        assert len(report['decoders']) == 7
        log = (out / f'{name}.log').read_text()
        assert 'targets_on_device' in log or 'BatchGenerateTarget' in log
    assert 'BiasedEncoder' in (out / 'biased.log').read_text()


def test_the_two_networks_differ_in_the_encoder_only(monkeypatch):
    # as they are written
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')
    first, second = (
        Config.fromfile(path).to_dict()
        for path in sorted((HRNET / 'configs').glob('*.py'))
    )
    assert first.pop('codec') == dict(
        second.pop('codec'), encoder=dict(type='BiasedEncoder')
    )
    assert first == second
