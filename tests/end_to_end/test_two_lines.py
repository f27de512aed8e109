"""The change that users make to MMPose's HRNet config, and what it reaches."""

import json
import math
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import mmpose
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from mmpose.datasets.transforms import GenerateTarget, TopdownAffine
from mmpose.registry import KEYPOINT_CODECS
from samples import (
    CONFIGS,
    few_coco_samples,
    losses,
    succeed,
    succeeded,
)
from tiny_run import call, call_all

from dark_codec import (
    DARKCodec,
    QuarterShiftDecoder,
    TaylorDecoder,
    UnbiasedEncoder,
    apply_codec,
)

HRNET = 'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
MMPOSE = Path(mmpose.__file__).parent / '.mim'
BASE = f"""
_base_ = ['mmpose::body_2d_keypoint/topdown_heatmap/coco/{HRNET}']
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
"""
QUARTER_SHIFT = """
codec = dict(
    type='DARKCodec',
    alignment='half_pixel',
    decoder=dict(type='QuarterShiftDecoder'),
)
"""
RESTATED = """
dark = dict(
    type='DARKCodec', input_size=(192, 256), heatmap_size=(48, 64), sigma=2
)
model = dict(head=dict(decoder=dark))
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody'),
    dict(type='RandomBBoxTransform'),
    dict(type='TopdownAffine', input_size=dark['input_size']),
    dict(type='GenerateTarget', encoder=dark),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""
EXPLICIT = ['edited copy', 'restated']
DEFAULT = SimpleNamespace(decoder=TaylorDecoder, alignment='asymmetric')


def edited_copy():
    """MMPose's whole config with another codec line."""
    folder = MMPOSE / 'configs/body_2d_keypoint/topdown_heatmap/coco'
    text = (folder / HRNET).read_text()
    text = text.replace('../../../_base_/', 'mmpose::_base_/')
    text, changes = re.subn(r"type='MSRAHeatmap'", "type='DARKCodec'", text)
    assert changes == 1
    return (
        "custom_imports = dict(imports=['dark_codec'], "
        f'allow_failed_imports=False)\n{text}'
    )


def commands(train, test, config, run, data_root):
    """Those of the two tools for a config, by name."""
    options = ['--cfg-options', *few_coco_samples(data_root)]
    test = [test, config, f'{run}/epoch_1.pth', f'--work-dir={run} test']
    return dict(
        train=[train, config, f'--work-dir={run}', *options],
        test=[*test, f'--out={run}.json', *options],
    )


def results(folder, run):
    """The loss and the metrics."""
    (loss,) = losses(folder / run)
    return loss, json.loads((folder / f'{run}.json').read_text())


@pytest.fixture(scope='module', params=['default', 'quarter shift'])
def run(request, data_root, tmp_path_factory):
    """One of the two-line configs, trained and tested by our tools."""
    folder = tmp_path_factory.mktemp('two lines')
    if request.param == 'default':
        # the repository's own file
        name = HRNET.replace('w32_', 'w32_dark-')
        config = shutil.copy(CONFIGS / 'coco' / name, folder)
        expected = DEFAULT
    else:
        config = folder / 'two_lines.py'
        config.write_text(BASE + QUARTER_SHIFT)
        expected = SimpleNamespace(
            decoder=QuarterShiftDecoder, alignment='half_pixel'
        )
    for command in commands(
        'train.py', 'test.py', config, 'run', data_root
    ).values():
        succeed(call(*command, cwd=folder))
    loss, metrics = results(folder, 'run')
    # what MMEngine saved is what it built everything from
    saved = Config.fromfile(folder / 'run' / Path(config).name)
    saved.work_dir = str(folder / 'in process')
    return SimpleNamespace(
        loss=loss,
        metrics=metrics,
        runner=Runner.from_cfg(saved),
        expected=expected,
    )


def test_our_tools_train_and_test(run):
    assert 0 < run.loss < 1
    assert 0 <= run.metrics['coco/AP'] <= 1


def is_expected(codec, expected):
    assert isinstance(codec, DARKCodec)
    assert isinstance(codec.encoder, UnbiasedEncoder)
    assert isinstance(codec.decoder, expected.decoder)
    assert codec.alignment == expected.alignment
    assert codec.input_size == (192, 256)
    assert codec.heatmap_size == (48, 64)
    assert codec.sigma == 2
    return True


def test_the_head_decodes_with_it(run):
    assert is_expected(run.runner.model.head.decoder, run.expected)


def test_the_flip_test_fits_the_alignment(run):
    test_cfg = run.runner.model.test_cfg
    assert test_cfg['flip_test']
    assert test_cfg['shift_heatmap'] == (
        run.expected.alignment == 'asymmetric'
    )


def gaussian(x, y, stride, half_pixel):
    """The target of one keypoint by the paper's Eq. 14, with peak 1."""
    shift = 0.5 if half_pixel else 0
    u, v = (x + shift) / stride - shift, (y + shift) / stride - shift
    return [
        [
            math.exp(-((i - u) ** 2 + (j - v) ** 2) / (2 * 2**2))
            for i in range(48)
        ]
        for j in range(64)
    ]


def test_the_training_pipeline_encodes_with_it(run):
    loader = run.runner.build_dataloader(run.runner.cfg.train_dataloader)
    dataset = loader.dataset
    transforms = dataset.pipeline.transforms
    (warp,) = (t for t in transforms if isinstance(t, TopdownAffine))
    assert tuple(warp.input_size) == (192, 256)
    (target,) = (t for t in transforms if isinstance(t, GenerateTarget))
    assert is_expected(target.encoder, run.expected)

    results = dataset.get_data_info(0)
    for transform in transforms[: transforms.index(target) + 1]:
        results = transform(results)
    points = results['transformed_keypoints'][0]
    drawn = np.flatnonzero(results['keypoint_weights'][0])
    assert len(drawn) > 5
    half_pixel = run.expected.alignment == 'half_pixel'
    for k in drawn:
        expected = gaussian(*points[k], 4, half_pixel)
        np.testing.assert_allclose(results['heatmaps'][k], expected, atol=1e-5)


def write_explicit(name, folder):
    """A config that says itself where the codec is used."""
    config = folder / f'{name}.py'
    copied = name == 'edited copy'
    config.write_text(edited_copy() if copied else BASE + RESTATED)
    return config


@pytest.fixture(params=EXPLICIT)
def explicit(request, tmp_path):
    return write_explicit(request.param, tmp_path)


@pytest.fixture(scope='module')
def under_mmpose(data_root, tmp_path_factory):
    """Both, trained and tested by MMPose's own tools."""
    folder = tmp_path_factory.mktemp('explicit')
    tools = MMPOSE / 'tools/train.py', MMPOSE / 'tools/test.py'
    jobs = {}
    for name in EXPLICIT:
        config = write_explicit(name, folder)
        found = commands(*tools, config, name, data_root)
        jobs.update({f'{name} {tool}': c for tool, c in found.items()})
    call_all(jobs, folder, fresh={'restated train'})
    return folder


@pytest.mark.parametrize('name', EXPLICIT)
def test_the_explicit_form_runs_under_mmposes_own_tools(under_mmpose, name):
    for tool in ('train', 'test'):
        succeeded(under_mmpose, f'{name} {tool}')
    loss, metrics = results(under_mmpose, name)
    assert 0 < loss < 1
    assert 0 <= metrics['coco/AP'] <= 1


def codecs(cfg):
    """Those of the head and of the training pipeline."""
    pipeline = cfg.train_dataloader.dataset.pipeline
    (target,) = (t for t in pipeline if t.type == 'GenerateTarget')
    return [
        KEYPOINT_CODECS.build(part)
        for part in (cfg.model.head.decoder, target.encoder)
    ]


def test_the_explicit_form_means_the_same_to_our_tools(explicit):
    cfg = Config.fromfile(explicit)
    applied = apply_codec(Config.fromfile(explicit))
    for codec in (*codecs(cfg), *codecs(applied)):
        assert is_expected(codec, DEFAULT)
    assert applied.model.test_cfg == cfg.model.test_cfg


@pytest.mark.parametrize(
    'name, input_size, sigma, keypoints',
    [
        ('coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-128x96', (96, 128), 1, 17),
        (
            'coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-384x288',
            (288, 384),
            3,
            17,
        ),
        (
            'mpii/td-hm_hrnet-w32_dark-8xb32-210e_mpii-256x256',
            (256, 256),
            2,
            16,
        ),
    ],
)
def test_the_other_hrnet_configs(name, input_size, sigma, keypoints):
    """Of the paper's sizes: the same codec everywhere, and its own crops."""
    cfg = apply_codec(Config.fromfile(CONFIGS / f'{name}.py'))
    for codec in codecs(cfg):
        assert isinstance(codec, DARKCodec)
        assert codec.input_size == input_size
        assert codec.heatmap_size == tuple(n // 4 for n in input_size)
        assert codec.sigma == sigma
    for loop in ('train', 'val', 'test'):
        pipeline = cfg[f'{loop}_dataloader'].dataset.pipeline
        (warp,) = (t for t in pipeline if t.type == 'TopdownAffine')
        assert tuple(warp.input_size) == input_size
    assert cfg.model.head.out_channels == keypoints
    assert cfg.model.test_cfg.shift_heatmap
