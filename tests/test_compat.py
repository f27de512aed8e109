import functools
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmengine.utils.dl_utils import mmcv_full_available
from tiny_run import free_port, write_config, write_data

import dark_codec
from dark_codec import compat

ROOT = Path(dark_codec.__file__).parents[1]
without_ops = pytest.mark.skipif(
    mmcv_full_available(), reason='mmcv has its own operators here'
)
new_torch = pytest.mark.skipif(
    torch.__version__ < '2.6', reason='weights_only is not the default'
)


def run_python(code, *path, **env):
    """Run code in a fresh interpreter that finds this checkout."""
    search = os.pathsep.join([*map(str, path), str(ROOT)])
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env={**os.environ, 'PYTHONPATH': search, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


# mmcv.ops


@without_ops
def test_everything_imports_and_mmcv_ext_stays_absent():
    run_python("""
import importlib.util
try:
    import mmcv.ops
except ModuleNotFoundError as error:
    assert error.name == 'mmcv._ext'
else:
    raise AssertionError('the shim is not needed any more')
import dark_codec
import mmcv.ops, mmpose.models, mmpose.apis, mmdet.apis
assert importlib.util.find_spec('mmcv._ext') is None
from mmengine.utils.dl_utils import mmcv_full_available
assert not mmcv_full_available()
from mmcv.utils import collect_env
assert collect_env()['MMCV Compiler'] == 'n/a'
""")


@without_ops
def test_a_missing_operator_says_its_name_and_what_to_install():
    from mmcv.ops import RoIAlign, soft_nms

    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    with pytest.raises(NotImplementedError, match='"softnms".*full mmcv'):
        soft_nms(boxes, torch.ones(1))
    with pytest.raises(NotImplementedError, match='"roi_align_forward"'):
        RoIAlign(2)(torch.zeros(1, 1, 4, 4), torch.zeros(1, 5))


def iou(a, b, offset):
    width = min(a[2], b[2]) - max(a[0], b[0]) + offset
    height = min(a[3], b[3]) - max(a[1], b[1]) + offset
    common = max(width, 0) * max(height, 0)
    areas = [(c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b)]
    return common / (sum(areas) - common)


def naive_nms(boxes, scores, threshold, offset=0, labels=None):
    kept = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if not any(
            iou(boxes[index], boxes[k], offset) > threshold
            for k in kept
            if labels is None or labels[k] == labels[index]
        ):
            kept.append(index)
    return kept


def random_boxes(seed, count=60):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 20, (count, 2))
    boxes = np.hstack([corner, corner + rng.uniform(1, 15, (count, 2))])
    return boxes.astype(np.float32), rng.random(count, np.float32)


@pytest.mark.parametrize('offset', [0, 1])
@pytest.mark.parametrize('threshold', [0.1, 0.3, 0.7])
def test_nms_against_a_loop(offset, threshold):
    from mmcv.ops import nms

    boxes, scores = random_boxes(seed=offset)
    expected = naive_nms(boxes.tolist(), scores, threshold, offset)
    assert 1 < len(expected) < len(boxes)
    dets, kept = nms(boxes, scores, threshold, offset=offset)
    assert kept.tolist() == expected
    np.testing.assert_array_equal(dets[:, :4], boxes[expected])
    np.testing.assert_array_equal(dets[:, 4], scores[expected])


def test_nms_offset_decides_where_the_overlap_is_near_the_threshold():
    from mmcv.ops import nms

    # 2/6 = 0.33 without, (3*2)/(9+9-6) = 0.5 with the offset
    boxes = np.array([[0, 0, 2, 2], [1, 0, 3, 2]], np.float32)
    scores = np.array([0.9, 0.8], np.float32)
    assert len(nms(boxes, scores, 0.4, offset=0)[1]) == 2
    assert len(nms(boxes, scores, 0.4, offset=1)[1]) == 1


def test_nms_of_no_boxes():
    from mmcv.ops import nms

    dets, kept = nms(torch.zeros(0, 4), torch.zeros(0), 0.5)
    assert dets.shape == (0, 5) and kept.shape == (0,)


def test_batched_nms_keeps_classes_apart():
    from mmcv.ops import batched_nms

    boxes, scores = random_boxes(seed=2)
    labels = np.random.default_rng(3).integers(0, 3, len(boxes))
    expected = naive_nms(boxes.tolist(), scores, 0.3, labels=labels)
    assert len(expected) > len(naive_nms(boxes.tolist(), scores, 0.3))
    dets, kept = batched_nms(
        torch.from_numpy(boxes),
        torch.from_numpy(scores),
        torch.from_numpy(labels),
        dict(type='nms', iou_threshold=0.3),
    )
    assert kept.tolist() == expected
    np.testing.assert_array_equal(dets[:, :4], boxes[expected])


@pytest.mark.filterwarnings('ignore')
def test_an_rtmdet_detector_runs():
    from mmdet.apis import inference_detector, init_detector
    from mmengine.hub import get_config

    cfg = get_config('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py')
    cfg.model.backbone.init_cfg = None
    cfg.model.test_cfg.update(score_thr=0.0, max_per_img=50)
    torch.manual_seed(0)  # of random weights, some find nothing
    detector = init_detector(cfg, device='cpu', palette='coco')
    picture = np.random.default_rng(0).integers(
        0, 256, (96, 128, 3), dtype=np.uint8
    )
    found = inference_detector(detector, picture).pred_instances.numpy()
    kept = naive_nms(
        found.bboxes.tolist(),
        found.scores,
        cfg.model.test_cfg.nms.iou_threshold + 1e-3,
        labels=found.labels,
    )
    assert len(kept) == len(found) == 50


def test_nothing_changes_where_mmcv_is_complete(tmp_path):
    full = tmp_path / 'mmcv'
    full.mkdir()
    for part in Path(mmcv.__file__).parent.iterdir():
        if not part.name.startswith('_ext'):
            (full / part.name).symlink_to(part)
    # Every operator that mmcv.ops asks for is there, and is itself.
    (full / '_ext.py').write_text("""
ops = {}
def __getattr__(name):
    if name.startswith('__'):
        raise AttributeError(name)
    return ops.setdefault(name, lambda *args, **kwargs: name)
""")
    out = run_python(
        """
import mmcv, mmcv.utils.ext_loader as loader
before = loader.load_ext
import mmcv._ext, mmcv.ops, sys
nms = mmcv.ops.nms
import dark_codec
assert loader.load_ext is before
assert mmcv.ops.nms is nms
assert sys.modules['mmcv.ops.nms'].ext_module is mmcv._ext
assert mmcv.ops.get_compiler_version() == 'get_compiler_version'
print(mmcv.__file__)
""",
        tmp_path,
    )
    assert Path(out.strip()).parent == full


# checkpoints


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


REFUSED = 'Unsupported|unsupported|Can only build|methods of HistoryBuffer'


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


# distributed runs on the CPU

on_cpu = pytest.mark.skipif(
    get_device() != 'cpu', reason='MMEngine distributes by itself here'
)
LAUNCHERS = {
    'pytorch': dict(RANK='0', WORLD_SIZE='1', LOCAL_RANK='0'),
    'slurm': dict(
        SLURM_PROCID='0',
        SLURM_NTASKS='1',
        SLURM_NODELIST='localhost',
        SLURM_LOCALID='0',
    ),
    'mpi': dict(
        OMPI_COMM_WORLD_LOCAL_RANK='0',
        OMPI_COMM_WORLD_SIZE='1',
        OMPI_COMM_WORLD_RANK='0',
    ),
}


@on_cpu
@pytest.mark.parametrize('launcher', LAUNCHERS)
def test_every_launcher_starts_gloo(launcher):
    run_python(
        f"""
import torch
from mmengine.config import Config
set_device = torch.cuda.set_device
from dark_codec.compat import prepare_distributed
cfg = Config(dict(
    launcher={launcher!r},
    env_cfg=dict(mp_cfg=dict(mp_start_method='fork'),
                 dist_cfg=dict(backend='nccl', timeout=60)),
    find_unused_parameters=True,
    sync_bn='torch',
    model=dict(
        backbone=dict(norm_cfg=dict(type='SyncBN', eps=1e-3)),
        necks=[dict(norm_cfg=dict(type='MMSyncBN')), dict(type='Other')])))
prepare_distributed(cfg)
assert torch.distributed.get_backend() == 'gloo'
assert torch.distributed.get_world_size() == 1
assert torch.cuda.set_device is set_device
assert torch.multiprocessing.get_start_method() == 'fork'
assert cfg.model_wrapper_cfg == dict(
    type='MMDistributedDataParallel', device_ids=None,
    broadcast_buffers=False, find_unused_parameters=True)
assert cfg.model.backbone.norm_cfg == dict(type='BN', eps=1e-3)
assert [n.get('norm_cfg', n).type for n in cfg.model.necks] == ['BN', 'Other']
assert 'sync_bn' not in cfg
prepare_distributed(cfg)
torch.distributed.destroy_process_group()
""",
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(free_port()),
        **LAUNCHERS[launcher],
    )


@on_cpu
def test_a_wrapper_of_the_users_own_is_kept():
    run_python(
        """
from mmengine.config import Config
from dark_codec.compat import prepare_distributed
own = dict(type='Mine', static_graph=True)
cfg = Config(dict(launcher='pytorch', model={}, model_wrapper_cfg=own))
prepare_distributed(cfg)
assert cfg.model_wrapper_cfg == dict(own, device_ids=None)
""",
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(free_port()),
        **LAUNCHERS['pytorch'],
    )


def test_without_launcher_the_config_stays():
    content = dict(launcher='none', sync_bn='torch', model=dict(type='SyncBN'))
    cfg = Config(content)
    compat.prepare_distributed(cfg)
    assert cfg.to_dict() == content
    assert not torch.distributed.is_initialized()
