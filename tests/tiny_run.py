"""A run that takes seconds: random pictures, COCO's format, a small network.

For tests of how a run starts, distributes and saves; what it learns is
tested on real photographs elsewhere. The tools are called as users call them.
"""

import gc
import json
import multiprocessing
import os
import runpy
import socket
import stat
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from torch.multiprocessing import start_processes

from dark_codec import apply_codec  # before MMPose, for its shims
from dark_codec.cli import UserError

# isort: split
from mmpose.registry import MODELS

TOOLS = Path(__file__).parents[1] / 'tools'
NUM_IMAGES = 8
PRELOADED = ['dark_codec', 'mmpose.apis', 'unformatted_configs']
on_cpu = pytest.mark.skipif(
    get_device() != 'cpu', reason='more processes than GPUs, perhaps'
)
# Body of a stand-in; zeros end the arguments, so that blanks in them are seen.
RECORD = 'printf "%s\\0" "$@" > "$RECORD"\n'

_CONFIG = """
default_scope = 'mmpose'
codec = dict(
    type='{codec}', input_size=(64, 64), heatmap_size=(16, 16), sigma=1.0)
model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor', mean=[127.], std=[64.]),
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=8,
        base_channels=8,
        norm_cfg=dict(type='{norm}'),
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=64,
        out_channels=17,
        deconv_out_channels=(8, 8, 8),
        deconv_kernel_sizes=(4, 4, 4),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=False),
)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
data_root = '{data_root}'
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='people.json',
        data_prefix=dict(img='images/'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=2,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='CocoDataset',
        data_root=data_root,
        ann_file='people.json',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type='CocoMetric', ann_file=data_root + '/people.json')
test_evaluator = val_evaluator
train_cfg = dict(by_epoch=True, max_epochs=2, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=3, start_factor=0.1, by_epoch=False),
    dict(type='MultiStepLR', milestones=[1], by_epoch=True),
]
auto_scale_lr = dict(base_batch_size=4)
default_hooks = dict(
    logger=dict(type='LoggerHook', interval=1),
    checkpoint=dict(
        type='CheckpointHook', interval=1, save_best='coco/AP',
        rule='greater'),
    visualization=dict(type='PoseVisualizationHook', enable=False),
    badcase=dict(
        type='BadCaseAnalysisHook',
        enable=False,
        out_dir='badcase',
        metric_type='loss',
        badcase_thr=0),
)
env_cfg = dict(
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
visualizer = dict(
    type='PoseLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')])
randomness = dict(seed=0)
"""


def write_data(folder: Path, num_images: int = NUM_IMAGES) -> Path:
    """Random 96x128 px pictures with one labelled person each."""
    rng = np.random.default_rng(0)
    (folder / 'images').mkdir(parents=True)
    images, annotations = [], []
    for image_id in range(1, num_images + 1):
        name = f'{image_id:012}.jpg'
        pixels = rng.integers(0, 256, (128, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / 'images' / name), pixels)
        images.append(dict(id=image_id, file_name=name, width=96, height=128))
        points = rng.uniform((10, 20), (80, 100), (17, 2)).round(1)
        labelled = np.column_stack([points, np.full(17, 2)])
        annotations.append(
            dict(
                id=image_id,
                image_id=image_id,
                category_id=1,
                bbox=[5, 10, 85, 105],
                area=85 * 105,
                iscrowd=0,
                num_keypoints=17,
                keypoints=labelled.ravel().tolist(),
            )
        )
    coco = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=1, name='person')],
    )
    (folder / 'people.json').write_text(json.dumps(coco))
    return folder


def write_config(
    path: Path,
    data_root: Path,
    norm: str = 'BN',
    codec: str = 'DARKCodec',
    extra: str = '',
) -> Path:
    """A whole config for the data below `data_root`; `extra` is appended."""
    text = _CONFIG.format(data_root=data_root, norm=norm, codec=codec)
    path.write_text(text + extra)
    return path


def free_port() -> int:
    """A port that nothing on this machine listens to."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def be_one_of_two(rank, port):
    """Make this process one of two that torchrun has started."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE='2',
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
    )
    torch.set_num_threads(1)


def in_two_processes(function, *arguments):
    """Call ``function(rank, *arguments)`` as torch's ``spawn`` would.

    Python's fork server has done the imports for all tests and, unlike this
    process, never a backward pass, which would forbid theirs.
    """
    multiprocessing.set_forkserver_preload(PRELOADED)
    start_processes(function, arguments, nprocs=2, start_method='forkserver')


def call(tool, *arguments, cwd, **env):
    """Run one of the tools; its output and exit code come back.

    It has a process of its own, for MMEngine keeps loggers and visualizers as
    globals, but one that is forked from Python's fork server, which has done
    the imports: they take longer than most runs.
    """
    if tool.endswith('.sh') or {'OMP_NUM_THREADS', 'PYTHONPATH'} & {*env}:
        return start(tool, *arguments, cwd=cwd, **env)
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, 'out'), Path(folder, 'err')
        code = _fork(TOOLS / tool, arguments, cwd, env, out, err)
        return subprocess.CompletedProcess(
            [tool, *arguments], code, out.read_text(), err.read_text()
        )


def start(tool, *arguments, cwd, **env):
    """Run one of the tools as users do."""
    shell = 'bash' if tool.endswith('.sh') else sys.executable
    return subprocess.run(
        [shell, *map(str, (TOOLS / tool, *arguments))],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )


def environment(**changes):
    """That of a process that a user starts on one core."""
    own = dict(VENV=sys.prefix, OMP_NUM_THREADS='1')
    return {**os.environ, **own, **changes}


def call_all(jobs, cwd, fresh=()):
    """Run tools one after the other, some of which may be killed.

    Name -> [tool, *arguments]; :func:`ended` says what came of each. Those
    named in ``fresh`` are started as users start them.
    """
    codes = {}
    for name, (tool, *arguments) in jobs.items():
        log = cwd / f'{name}.log'
        if name in fresh:
            result = start(str(tool), *arguments, cwd=cwd)
            log.write_text(result.stdout + result.stderr)
            codes[name] = result.returncode
        else:
            codes[name] = _fork(TOOLS / tool, arguments, cwd, {}, log, log)
    (cwd / 'codes.json').write_text(json.dumps(codes))


def _fork(path, arguments, cwd, env, out, err):
    """Run a script in a fork of the server; its exit code."""
    multiprocessing.set_forkserver_preload(PRELOADED)
    process = multiprocessing.get_context('forkserver').Process(
        target=_run_script,
        args=(path, [str(a) for a in arguments], cwd, env, out, err),
    )
    process.start()
    process.join(600)
    return process.exitcode


def _run_script(path, arguments, cwd, env, out, err):
    """Run a script as ``python path *arguments`` would."""
    gc.freeze()  # MMEngine's datasets collect garbage each
    os.chdir(cwd)
    os.environ.update(env)
    for number, file in ((1, out), (2, err)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    torch.set_num_threads(1)
    import killed_training  # noqa: F401  its hooks

    sys.argv = [str(path), *arguments]
    runpy.run_path(str(path), run_name='__main__')


def ended(folder, name):
    """Exit code and output of a job."""
    codes = json.loads((folder / 'codes.json').read_text())
    return codes[name], (folder / f'{name}.log').read_text()


def save_weights(config, path):
    """A checkpoint with random weights that make maps with real peaks."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(apply_codec(Config.fromfile(config)).model)
    for parameter in model.head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path)


def refused(result):
    """The message of a user error."""
    assert result.returncode == 2, result.stderr
    assert 'Traceback' not in result.stderr
    return result.stderr


def refusal(tool, *arguments):
    """The message of a user error that comes before anything runs.

    The tool is called in this process.
    """
    name = tool.removesuffix('.py').replace('/', '.')
    main = import_module(f'tools.{name}').main
    with pytest.raises(UserError) as error:
        main([str(argument) for argument in arguments])
    return str(error.value)


def stand_in(folder, name, body):
    """A program that is found before the real one."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text('#!/usr/bin/env bash\n' + body)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f'{folder}{os.pathsep}{os.environ["PATH"]}'


def recorded(path):
    """The arguments that the stand-in was called with."""
    return Path(path).read_text().split('\0')[:-1]
