"""Decoders under torch.jit.trace and torch's former exporter to ONNX."""

import io

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession

from dark_codec import DARKCodec
from dark_codec.deployment import ExportedDecoder

DECODERS = [
    dict(type='ArgmaxDecoder'),
    dict(type='QuarterShiftDecoder'),
    dict(type='QuarterShiftDecoder', variant='second'),
    dict(type='TaylorDecoder'),
    dict(type='TaylorDecoder', modulation=None),
    dict(type='GaussianFitDecoder'),
]
# that sizes are constants, as they are, and that the exporter is a former one
pytestmark = pytest.mark.filterwarnings('ignore')
ALIKE = dict(atol=1e-3, rtol=0)  # input px


@pytest.fixture(params=DECODERS, ids=lambda d: '-'.join(map(str, d.values())))
def module(request):
    codec = DARKCodec((64, 64), sigma=1.0, decoder=request.param)
    return ExportedDecoder(codec)


@pytest.fixture
def heatmaps(module, rng):
    """Of 3 people, up to the border and noisy, and one useless map."""
    points = torch.as_tensor(rng.uniform(0, 63, (3, 1, 5, 2)))
    maps, _ = module.codec.batch_encode(points.float(), torch.ones(3, 1, 5))
    maps = maps + torch.as_tensor(rng.normal(0, 0.01, maps.shape)).float()
    maps[0, 0] = 0
    return maps


def test_traced(module, heatmaps):
    """What is traced with two people decodes three, and none."""
    traced = torch.jit.trace(module, (heatmaps[1:],))
    for found, expected in zip(traced(heatmaps), module(heatmaps)):
        torch.testing.assert_close(found, expected, **ALIKE)
    keypoints, scores = traced(heatmaps[:0])
    assert keypoints.shape == (0, 5, 2) and scores.shape == (0, 5)


def test_exported(module, heatmaps):
    file = io.BytesIO()
    torch.onnx.export(
        module,
        (heatmaps[1:],),
        file,
        dynamo=False,
        input_names=['heatmaps'],
        dynamic_axes=dict(heatmaps={0: 'batch', 1: 'num_keypoints'}),
        opset_version=18,
    )
    session = InferenceSession(file.getvalue())
    outputs = session.run(None, dict(heatmaps=heatmaps.numpy()))
    for found, expected in zip(outputs, module(heatmaps)):
        np.testing.assert_allclose(found, expected, **ALIKE)
    keypoints, scores = session.run(None, dict(heatmaps=heatmaps[:0].numpy()))
    assert keypoints.shape == (0, 5, 2) and scores.shape == (0, 5)
