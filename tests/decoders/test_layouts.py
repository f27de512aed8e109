"""Shapes, layouts and precisions of memory do not change what is decoded."""

import numpy as np
import pytest
import torch
from sample_maps import DECODERS, gaussians

from dark_codec import DARKCodec

SIZE, SIGMA = (48, 64), 2.0


def build(name):
    return DARKCodec(sigma=SIGMA, decoder=DECODERS[name]).decoder


@pytest.mark.parametrize('name', DECODERS)
@pytest.mark.parametrize('shape', [(0, 17, 64, 48), (3, 0, 64, 48)])
def test_empty_batches(name, shape, kernel):
    codec = DARKCodec(decoder=DECODERS[name])
    decoded = codec.decoder(torch.zeros(shape))
    assert decoded.points.shape == (*shape[:2], 2)
    assert decoded.scores.shape == decoded.refined.shape == shape[:2]
    keypoints, scores = codec.batch_decode(torch.zeros(shape))
    assert [k.shape for k in keypoints] == [(1, shape[1], 2)] * shape[0]
    assert [s.shape for s in scores] == [(1, shape[1])] * shape[0]


@pytest.mark.parametrize('name', DECODERS)
def test_what_needs_a_gradient_or_runs_backwards(rng, name, kernel):
    """Other strides: ``kernels/test_contract.py``."""
    maps = gaussians(rng.uniform(0, 40, (6, 2)), SIZE, SIGMA)
    maps = torch.tensor(maps, dtype=torch.float32).view(2, 3, 64, 48)
    decoder = build(name)
    found = decoder(maps.clone().requires_grad_())
    for part, same in zip(found[:3], decoder(maps)[:3]):
        assert torch.equal(part, same) and not part.requires_grad
    codec = DARKCodec(decoder=DECODERS[name])
    backwards = maps[0].numpy()[:, ::-1, ::-1]
    np.testing.assert_array_equal(
        codec.decode(backwards)[0], codec.decode(backwards.copy())[0]
    )


@pytest.mark.parametrize('name', DECODERS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(rng, name, dtype, kernel):
    """Equal to float32 of the same rounded values, under autocast, too."""
    maps = gaussians(rng.uniform(0, 40, (20, 2)), SIZE, SIGMA)
    maps += rng.normal(0, 0.01, maps.shape)
    maps = torch.tensor(maps)[None].to(dtype)
    decoder = build(name)
    expected = decoder(maps.float())
    # the one dtype that torch 2.0 has for autocast on the CPU
    with torch.autocast('cpu', torch.bfloat16):
        results = decoder(maps), decoder(maps.float())
    for decoded in (decoder(maps), *results):
        for part, same in zip(decoded[:3], expected[:3]):
            assert part.dtype == same.dtype
            assert torch.equal(part, same)


@pytest.mark.parametrize('name', DECODERS)
def test_wrong_arguments_are_named(name):
    decoder = build(name)
    with pytest.raises(ValueError, match=r'\(B, K, H, W\), got \(3, 64, 48\)'):
        decoder(torch.zeros(3, 64, 48))
    with pytest.raises(TypeError, match='floating.*int64'):
        decoder(torch.zeros(1, 3, 64, 48, dtype=torch.int64))
