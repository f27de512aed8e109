"""The scores of a codec: settings, errors, and both ways to compute them."""

import math

import numpy as np
import pytest
import torch
from bad_maps import MAPS, SIGMA
from kernel_cases import bad_maps
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from sample_maps import KINDS, make_maps

from dark_codec import (
    ArgmaxDecoder,
    Decoded,
    ExpectedOKS,
    GaussianFitDecoder,
    HeatmapHeight,
    KeypointScores,
    TaylorDecoder,
    kernels,
)
from dark_codec.registry import SCORES, build_part

SIZE = (48, 64)
DECODERS = {
    'taylor': TaylorDecoder(sigma=SIGMA, covariance=True),
    'no modulation': TaylorDecoder(None, SIGMA, True),
    'fit': GaussianFitDecoder(SIGMA, True),
}
every_decoder = pytest.mark.parametrize(
    'decoder', DECODERS.values(), ids=DECODERS
)


class Certain(KeypointScores):
    """As a user may write it."""

    def __call__(self, decoded, heatmap_size, sigma):
        return torch.ones_like(decoded.scores)


def test_build_by_name():
    height = build_part(SCORES, 'HeatmapHeight', 'scores', SIGMA)
    assert type(height) is HeatmapHeight
    cfg = dict(type='ExpectedOKS', sigmas=[0.05, 0.1], area=0.3, spread=0.5)
    scores = build_part(SCORES, cfg, 'scores', SIGMA)
    assert scores.sigmas == (0.05, 0.1)
    assert scores.area == 0.3 and scores.spread == 0.5
    with pytest.raises(ValueError, match="did you mean 'ExpectedOKS'"):
        build_part(SCORES, 'ExpectedOks', 'scores', SIGMA)


def test_coco_is_that_of_mmpose():
    coco = dict(from_file='configs/_base_/datasets/coco.py')
    expected = parse_pose_metainfo(coco)['sigmas']
    np.testing.assert_allclose(ExpectedOKS('coco').sigmas, expected)


@pytest.mark.parametrize(
    ('args', 'error', 'message'),
    [
        ({}, ValueError, "needs sigmas.*'coco'"),
        (dict(sigmas='coko'), ValueError, "'coko'"),
        (dict(sigmas=0.1), TypeError, 'list of numbers'),
        (dict(sigmas=['a']), TypeError, 'list of numbers'),
        (dict(sigmas=[]), ValueError, 'positive'),
        (dict(sigmas=[0.1, 0]), ValueError, 'positive'),
        (dict(sigmas=[math.nan]), ValueError, 'positive'),
        (dict(sigmas='coco', area=0), ValueError, 'area.*got 0'),
        (dict(sigmas='coco', area=22), ValueError, 'area.*got 22'),
        (dict(sigmas='coco', spread=-1), ValueError, 'spread.*got -1'),
        (dict(sigmas='coco', area='0.2'), ValueError, "area.*got '0.2'"),
        (dict(sigmas='coco', spread=True), ValueError, 'spread.*got True'),
    ],
)
def test_errors_name_the_argument(args, error, message):
    with pytest.raises(error, match=message):
        ExpectedOKS(**args)


def test_a_wrong_number_of_keypoints():
    scores = ExpectedOKS([0.1, 0.2])
    table = DECODERS['fit'].decode_table(torch.rand(1, 3, 64, 48))
    message = '2 sigmas.*3 keypoints'
    with pytest.raises(ValueError, match=message):
        scores.of_table(table.numpy(), (1, 3), SIZE, SIGMA)
    with pytest.raises(ValueError, match=message):
        scores(Decoded.from_table(table, (1, 3)), SIZE, SIGMA)


def test_no_covariance():
    table = ArgmaxDecoder().decode_table(torch.rand(1, 2, 64, 48))
    with pytest.raises(ValueError, match='needs covariances'):
        ExpectedOKS([0.1, 0.2]).of_table(table.numpy(), (1, 2), SIZE, SIGMA)


@every_decoder
@pytest.mark.parametrize('kind', [*KINDS, 'bad'])
def test_the_kernel_equals_the_reference(decoder, kind, rng, monkeypatch):
    maps, size = bad_maps(), (8, 9)
    if kind != 'bad':
        size = (24, 32)
        maps = torch.from_numpy(make_maps(kind, size, SIGMA, rng)[0])[None]
    scores = ExpectedOKS(np.linspace(0.02, 0.11, maps.shape[1]))
    shape = tuple(maps.shape[:2])
    table = decoder.decode_table(maps).numpy()
    assert kernels.oks_kernel() is not None
    found = scores.of_table(table, shape, size, SIGMA)
    monkeypatch.setenv(kernels.VARIABLE, 'reference')
    assert kernels.oks_kernel() is None
    expected = scores.of_table(table, shape, size, SIGMA)
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@every_decoder
@pytest.mark.parametrize('kernel', ['auto', 'reference'])
def test_bad_maps(decoder, kernel, monkeypatch):
    """Score 0 where nothing was located, and never NaN."""
    monkeypatch.setenv(kernels.VARIABLE, kernel)
    scores = ExpectedOKS([0.1])
    for values, *rest in MAPS.values():
        dtype = rest[0] if rest and rest[0] else torch.float32
        maps = torch.as_tensor(np.asarray(values)).to(dtype)[None, None]
        size = maps.shape[3], maps.shape[2]
        table = decoder.decode_table(maps)
        found = scores.of_table(table.numpy(), (1, 1), size, SIGMA).item()
        assert 0 <= found <= 1
        assert (found == 0) == (table[0, 2].item() == 0)


@every_decoder
def test_half_precision(decoder, real_heatmaps):
    """Of real maps, as autocast makes them."""
    maps = torch.as_tensor(real_heatmaps[:8]).float()
    scores = ExpectedOKS(np.linspace(0.03, 0.1, maps.shape[1]))
    shape = tuple(maps.shape[:2])
    full, half, brain = (
        scores.of_table(
            decoder.decode_table(maps.to(dtype)).numpy(), shape, SIZE, SIGMA
        )
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
    )
    np.testing.assert_allclose(half, full, atol=0.01)
    # 8 bits
    assert np.median(np.abs(brain - full)) < 0.01


def test_height_is_what_the_decoder_says():
    maps = torch.rand(2, 3, 64, 48)
    table = DECODERS['fit'].decode_table(maps).numpy()
    found = HeatmapHeight().of_table(table, (2, 3), SIZE, SIGMA)
    np.testing.assert_array_equal(found, maps.flatten(2).amax(2))
    assert not np.shares_memory(found, table)


def test_of_users():
    """A call is all that they have to write."""
    table = DECODERS['fit'].decode_table(torch.rand(2, 3, 64, 48)).numpy()
    found = Certain().of_table(table, (2, 3), SIZE, SIGMA)
    np.testing.assert_array_equal(found, np.ones((2, 3)))


@pytest.mark.filterwarnings('ignore::torch.jit.TracerWarning')
def test_one_graph(real_heatmaps):
    """Decoding and scores, compiled without a break."""
    decoder = DECODERS['taylor']
    scores = ExpectedOKS(np.linspace(0.03, 0.1, 12))

    def decode(maps):
        return scores(decoder(maps), SIZE, SIGMA)

    maps = torch.as_tensor(real_heatmaps[:2]).float()
    expected = decode(maps)
    compiled = torch.compile(decode, backend='eager', fullgraph=True)
    torch.testing.assert_close(compiled(maps), expected, atol=1e-4, rtol=0)
    traced = torch.jit.trace(decode, maps)
    torch.testing.assert_close(traced(maps), expected, atol=1e-4, rtol=0)
