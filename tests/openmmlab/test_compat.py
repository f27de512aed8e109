"""Operators that mmcv-lite lacks; distributed runs on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.utils.dl_utils import mmcv_full_available
from tiny_run import free_port

import dark_codec
from dark_codec.openmmlab import compat

ROOT = Path(dark_codec.__file__).parents[1]
without_ops = pytest.mark.skipif(
    mmcv_full_available(), reason='mmcv has its own operators here'
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


UNCHANGED = """
import mmcv, mmcv.utils.ext_loader as loader
before = loader.load_ext
import mmcv._ext, mmcv.ops, sys
nms = mmcv.ops.nms
import dark_codec
assert loader.load_ext is before
assert mmcv.ops.nms is nms
assert sys.modules['mmcv.ops.nms'].ext_module is mmcv._ext
assert mmcv.ops.get_compiler_version() == {compiler}
print(mmcv.__file__)
"""


def test_nothing_changes_where_mmcv_looks_complete(tmp_path):
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
        UNCHANGED.format(compiler="'get_compiler_version'"), tmp_path
    )
    assert Path(out.strip()).parent == full


@pytest.mark.skipif(not mmcv_full_available(), reason='mmcv has no operators')
def test_nothing_changes_where_mmcv_is_complete():
    run_python(UNCHANGED.format(compiler='mmcv._ext.get_compiler_version()'))


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
START_EACH = f"""
import os
import torch
from mmengine.config import Config
set_device = torch.cuda.set_device
from dark_codec.openmmlab.compat import prepare_distributed
before = dict(os.environ)
for launcher, variables in {LAUNCHERS!r}.items():
    os.environ.clear()
    os.environ.update(before, **variables)
    cfg = Config(dict(
        launcher=launcher,
        env_cfg=dict(mp_cfg=dict(mp_start_method='fork'),
                     dist_cfg=dict(backend='nccl', timeout=60)),
        find_unused_parameters=True,
        sync_bn='torch',
        model=dict(
            backbone=dict(norm_cfg=dict(type='SyncBN', eps=1e-3)),
            necks=[dict(norm_cfg=dict(type='MMSyncBN')),
                   dict(type='Other')])))
    prepare_distributed(cfg)
    assert torch.distributed.get_backend() == 'gloo', launcher
    assert torch.distributed.get_world_size() == 1
    assert torch.cuda.set_device is set_device
    assert torch.multiprocessing.get_start_method() == 'fork'
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel', device_ids=None,
        broadcast_buffers=False, find_unused_parameters=True)
    assert cfg.model.backbone.norm_cfg == dict(type='BN', eps=1e-3)
    kinds = [neck.get('norm_cfg', neck).type for neck in cfg.model.necks]
    assert kinds == ['BN', 'Other']
    assert 'sync_bn' not in cfg
    own = dict(type='Mine', static_graph=True)
    cfg = Config(dict(launcher=launcher, model={{}}, model_wrapper_cfg=own))
    prepare_distributed(cfg)
    assert cfg.model_wrapper_cfg == dict(own, device_ids=None)
    torch.distributed.destroy_process_group()
"""


@on_cpu
def test_every_launcher_starts_gloo():
    run_python(
        START_EACH, MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free_port())
    )


def test_without_launcher_the_config_stays():
    content = dict(launcher='none', sync_bn='torch', model=dict(type='SyncBN'))
    cfg = Config(content)
    compat.prepare_distributed(cfg)
    assert cfg.to_dict() == content
    assert not torch.distributed.is_initialized()
