"""MMEngine's checkpoints under torch.load(weights_only=True)."""

import copy
import functools
import os
import zipfile
from pathlib import Path

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from tiny_run import write_config, write_data

from dark_codec.openmmlab import compat

new_torch = pytest.mark.skipif(
    torch.__version__ < '2.6', reason='weights_only is not the default'
)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """A config whose work dir holds what one epoch of training saved."""
    folder = tmp_path_factory.mktemp('run')
    data_root = write_data(folder / 'data')
    cfg = Config.fromfile(write_config(folder / 'tiny.py', data_root))
    cfg.work_dir = str(folder / 'work')
    cfg.train_cfg.max_epochs = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    return cfg, runner


def load(path):
    """Load as MMEngine does, which leaves weights_only to torch."""
    return torch.load(path, map_location='cpu')


def checkpoint_of(cfg):
    return Path(cfg.work_dir, 'epoch_1.pth')


@new_torch
def test_the_shim_is_needed(trained):
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        with pytest.raises(Exception, match='Unsupported global'):
            load(checkpoint_of(trained[0]))
    finally:
        torch.serialization.add_safe_globals(allowed)


def test_a_real_checkpoint_comes_back_whole(trained):
    cfg, runner = trained
    saved = load(checkpoint_of(cfg))
    history = saved['message_hub']['log_scalars']['train/loss']
    assert isinstance(history, HistoryBuffer)
    before = runner.message_hub.get_scalar('train/loss')
    np.testing.assert_array_equal(history.data, before.data)
    assert history.mean() == before.mean()
    sigmas = saved['meta']['dataset_meta']['sigmas']
    np.testing.assert_array_equal(
        sigmas, runner.train_dataloader.dataset.metainfo['sigmas']
    )
    for name, value in runner.model.state_dict().items():
        assert torch.equal(saved['state_dict'][name], value)


def test_a_runner_resumes_from_it(trained):
    cfg, first = trained
    cfg = cfg.copy()
    cfg.resume = True
    cfg.train_cfg.max_epochs = 2
    cfg.experiment_name = 'resumed'
    steps = len(first.message_hub.get_scalar('train/loss').data[0])
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.epoch == 2 and runner.iter == 2 * steps
    history = runner.message_hub.get_scalar('train/loss').data[0]
    assert len(history) == 2 * steps
    np.testing.assert_array_equal(
        history[:steps], first.message_hub.get_scalar('train/loss').data[0]
    )


@pytest.mark.parametrize('way', ['test', 'test the same', 'resume', 'load'])
def test_a_runner_tells_of_another_codec(trained, caplog, way):
    """Whoever has made it; a training may start from any weights."""
    cfg = copy.deepcopy(trained[0])
    if way != 'test the same':
        cfg.codec.sigma = 2.0
    cfg.train_cfg.val_begin = 9
    cfg.experiment_name = way
    cfg.load_from = str(checkpoint_of(cfg))
    cfg.resume = way == 'resume'
    cfg.work_dir += f' {way}'
    runner = Runner.from_cfg(cfg)
    runner.logger.addHandler(caplog.handler)
    runner.test() if way.startswith('test') else runner.train()
    told = 'another codec' in caplog.text
    assert told == ('sigma: 1.0 there, 2.0 here' in caplog.text)
    assert told == (way in ('test', 'resume'))


@pytest.mark.parametrize(
    'names',
    [(b'numpy.core', b'numpy._core'), (b'numpy._core', b'numpy.core')],
    ids=['written by numpy 2', 'written by numpy 1'],
)
def test_checkpoints_of_the_other_numpy(tmp_path, names):
    path = tmp_path / 'plain.pth'
    content = dict(
        array=np.arange(6, dtype=np.float32).reshape(2, 3),
        scalar=np.float64(0.25),
        flags=np.array([True, False]),
    )
    torch.save(content, path)
    other = tmp_path / 'other.pth'
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, 'w') as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith('data.pkl'):
                data = data.replace(names[0], names[1])
                assert names[1] + b'.multiarray' in data
            new.writestr(name, data)
    loaded = load(other)
    np.testing.assert_array_equal(loaded['array'], content['array'])
    assert loaded['array'].dtype == np.float32
    assert loaded['scalar'] == 0.25
    assert loaded['flags'].tolist() == [True, False]


def test_every_data_set_of_mmpose(tmp_path):
    """Their metainfo comes back, also the empty arrays of some."""
    folder = Path(mmpose.__path__[0], '.mim/configs/_base_/datasets')
    files = sorted(folder.glob('*.py'))
    assert len(files) > 50
    with_empty = 0
    for file in files:
        saved = parse_pose_metainfo(dict(from_file=str(file)))
        torch.save(dict(meta=dict(dataset_meta=saved)), tmp_path / 'a.pth')
        loaded = load(tmp_path / 'a.pth')['meta']['dataset_meta']
        np.testing.assert_equal(loaded, saved)
        for name, value in saved.items():
            found = loaded[name]
            assert type(found) is type(value), file
            assert getattr(found, 'dtype', 0) == getattr(value, 'dtype', 0)
        arrays = [v for v in saved.values() if isinstance(v, np.ndarray)]
        with_empty += not all(array.size for array in arrays)
    assert with_empty > 20


REFUSED = (
    'Unsupported|unsupported|Can only build|methods of HistoryBuffer|'
    'takes 0 positional arguments'
)


class Reduced:
    """Is pickled as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def touch(path):
    """What a malicious checkpoint would call."""
    Path(path).touch()


@new_torch
@pytest.mark.parametrize(
    'attack',
    [
        lambda path: Reduced(os.system, f'touch {path}'),
        lambda path: Reduced(touch, path),
        lambda path: Reduced(eval, f'open({path!r}, "w")'),
        lambda path: Reduced(getattr, Reduced, '__init__'),
        lambda path: Reduced(getattr, HistoryBuffer, '__init__'),
        lambda path: Reduced(getattr, HistoryBuffer, '__class__'),
        lambda path: Reduced(getattr, HistoryBuffer.min, '__globals__'),
        lambda path: Reduced(getattr, np.ndarray, 'tofile'),
        lambda path: Reduced(functools.partial, touch, path),
        lambda path: Reduced(np.load, path),
        lambda path: Reduced(bytes, 1 << 40),
        lambda path: np.array([Reduced(touch, path)], dtype=object),
    ],
)
def test_malicious_checkpoints_are_refused(tmp_path, attack):
    victim = tmp_path / 'victim'
    torch.save(dict(meta=attack(str(victim))), tmp_path / 'bad.pth')
    with pytest.raises(Exception, match=REFUSED):
        load(tmp_path / 'bad.pth')
    assert not victim.exists()


@new_torch
def test_methods_that_a_checkpoint_gets_cannot_be_called_by_it(tmp_path):
    method = Reduced(getattr, HistoryBuffer, 'mean')
    torch.save(method, tmp_path / 'method.pth')
    assert load(tmp_path / 'method.pth') is HistoryBuffer.mean
    call = Reduced(HistoryBuffer.mean, HistoryBuffer([1.0], [1]))
    torch.save(call, tmp_path / 'call.pth')
    with pytest.raises(Exception, match='Trying to call'):
        load(tmp_path / 'call.pth')


@new_torch
def test_applying_twice_changes_nothing():
    from mmcv.utils import ext_loader

    before = set(torch.serialization.get_safe_globals()), ext_loader.load_ext
    compat.apply()
    after = set(torch.serialization.get_safe_globals()), ext_loader.load_ext
    assert after == before


@new_torch
def test_what_the_user_allowed_stays():
    allowed = torch.serialization.get_safe_globals()
    own = (len, 'builtins.getattr')
    torch.serialization.clear_safe_globals()
    try:
        torch.serialization.add_safe_globals([own])
        compat.apply()
        now = torch.serialization.get_safe_globals()
        named = [g for g in now if g[1] == 'builtins.getattr']
        assert named == [own] and len(now) > 1
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)


def test_older_torch_is_left_alone(monkeypatch):
    monkeypatch.setattr(torch, '__version__', '2.5.1+cpu')
    monkeypatch.delattr(torch.serialization, 'add_safe_globals', raising=False)
    compat.apply()
