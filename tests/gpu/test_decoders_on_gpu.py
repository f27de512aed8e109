"""Streams, graphs, devices and waiting: what only a GPU shows.

What is decoded is judged by ``tests/kernels/test_contract.py``, on the GPU
too: ``pytest tests/kernels tests/gpu -k gpu`` runs both.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from kernel_cases import (
    DECODERS,
    FEW,
    check_table,
    every_decoder,
    maps_of,
    taylor,
)
from sample_maps import KINDS

from dark_codec import DARKCodec, GaussianFitDecoder
from dark_codec.kernels import pick

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a GPU'
)
pytest.importorskip('triton', reason='Triton is not installed')

few_decoders = pytest.mark.parametrize(
    'decoder', FEW, ids=lambda decoder: type(decoder).__name__
)


def decode(decoder, heatmaps):
    """The table, by Triton and nothing else."""
    kernel = pick(heatmaps)
    assert kernel.__module__ == 'dark_codec.kernels.triton'
    return decoder.decode_table(heatmaps)


def check(decoder, heatmaps):
    found = decode(decoder, heatmaps)
    return check_table(found, decoder, heatmaps, at_least=0.7)


def all_kinds(rng, size=(48, 64), sigma=1.0, count=40):
    maps = [maps_of(kind, size, sigma, rng, count) for kind in KINDS]
    return torch.stack(maps).cuda()


def test_large_maps(rng):
    """What Sapiens predicts: 308 maps of 256 x 192 px."""
    sigma = 6.0
    few = maps_of('noisy', (192, 256), sigma, rng, 22)
    maps = few.cuda().repeat(14, 1, 1)[None]
    maps = maps * torch.linspace(0.5, 1.5, 308, device='cuda')[:, None, None]
    for decoder in (
        DECODERS['argmax'],
        taylor(sigma, rescale='max'),
        taylor(sigma, covariance=True),
        GaussianFitDecoder(sigma, covariance=True),
    ):
        check(decoder, maps)


@every_decoder
def test_nothing_waits(decoder, rng):
    maps = all_kinds(rng)
    expected = decode(decoder, maps)
    torch.cuda.set_sync_debug_mode('error')
    try:
        found = decode(decoder, maps)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    assert torch.equal(found, expected)


@few_decoders
def test_runs_on_the_current_stream(decoder, rng):
    """Maps that arrive late on a stream are those that are decoded."""
    maps = all_kinds(rng)
    expected = decode(decoder, maps)
    late = torch.zeros_like(maps)
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(50_000_000)
        late.copy_(maps)
        found = decode(decoder, late)
    stream.synchronize()
    assert torch.equal(found, expected)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason='needs a second GPU')
@few_decoders
def test_runs_on_the_tensors_own_device(decoder, rng):
    maps = all_kinds(rng).to('cuda:1')
    assert torch.cuda.current_device() == 0
    check(decoder, maps)
    assert torch.cuda.current_device() == 0


@every_decoder
def test_autocast_and_tf32_change_nothing(decoder, rng, monkeypatch):
    maps = all_kinds(rng)
    expected = decode(decoder, maps)
    monkeypatch.setattr(torch.backends.cuda.matmul, 'allow_tf32', True)
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', True)
    with torch.autocast('cuda'):
        assert torch.equal(decode(decoder, maps), expected)


@few_decoders
def test_can_be_captured_in_a_graph(decoder, rng):
    maps = all_kinds(rng)
    fixed = torch.zeros_like(maps)
    decode(decoder, fixed)  # compiles
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        table = decode(decoder, fixed)
    fixed.copy_(maps)
    graph.replay()
    assert torch.equal(table, decode(decoder, maps))


@pytest.mark.parametrize('name', ['minmax', 'max', 'fit'])
def test_codec_gives_what_it_gives_on_the_host(name, rng):
    args = dict(type='TaylorDecoder')
    if name == 'max':
        args['modulation'] = dict(type='GaussianModulation', rescale='max')
    if name == 'fit':
        args = dict(type='GaussianFitDecoder')
    codec = DARKCodec(decoder=args)
    maps = all_kinds(rng, sigma=2.0)
    keypoints, scores = codec.batch_decode(maps)
    expected_keypoints, expected_scores = codec.batch_decode(maps.cpu())
    np.testing.assert_array_equal(scores, expected_scores)
    # in input px, 4 to a heatmap px
    np.testing.assert_allclose(keypoints, expected_keypoints, atol=8e-4)


FIRST_CALL = """
import time, torch
from dark_codec import TaylorDecoder
maps = torch.rand(1, 17, 64, 48, device='cuda')
torch.cuda.synchronize()
start = time.perf_counter()
TaylorDecoder(sigma=2.0)(maps)
torch.cuda.synchronize()
print(time.perf_counter() - start)
"""


def test_first_call(tmp_path):
    """With nothing in Triton's cache it takes at most 5 s, and then less."""
    environment = dict(os.environ, TRITON_CACHE_DIR=str(tmp_path))
    seconds = []
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, '-c', FIRST_CALL],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stderr
        seconds.append(float(result.stdout.split()[-1]))
    print(f'first call {seconds[0]:.2f} s, cached on disk {seconds[1]:.2f} s')
    assert seconds[0] <= 5 and seconds[1] < seconds[0]
