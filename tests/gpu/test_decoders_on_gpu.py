"""The decoders on a GPU: Triton's kernel, compiled, against the reference.

Needs a GPU; a GPU with little memory skips the large cases.
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
    STRIDES,
    bad_maps,
    check_table,
    every_decoder,
    maps_of,
    peaks,
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
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def decode(decoder, heatmaps):
    """The table, by Triton and nothing else."""
    kernel = pick(heatmaps)
    assert kernel.__module__ == 'dark_codec.kernels.cuda'
    return decoder.decode_table(heatmaps)


def check(decoder, heatmaps):
    return check_table(decode(decoder, heatmaps), decoder, heatmaps)


def all_kinds(rng, size=(48, 64), sigma=1.0, count=40):
    maps = [maps_of(kind, size, sigma, rng, count) for kind in KINDS]
    return torch.stack(maps).cuda()


@pytest.mark.parametrize('dtype', DTYPES, ids=str)
@every_decoder
def test_kinds_of_maps(decoder, dtype, rng):
    maps = all_kinds(rng).to(dtype)
    found = check(decoder, maps)
    assert found[:, 3].mean() > 0.7
    # and what the host's reference says
    check_table(found.cpu(), decoder, maps.cpu())


@every_decoder
def test_bad_maps(decoder):
    found = check(decoder, bad_maps().cuda())
    assert torch.equal(found[0], found[-1]) and found[0, 3] == 1
    assert not found[:, :4].isnan().any() and not found[:, 4:].isnan().any()


@pytest.mark.parametrize('layout', STRIDES)
@few_decoders
def test_strides(decoder, layout):
    check(decoder, STRIDES[layout](peaks(count=4).view(2, 2, 16, 12)).cuda())


@pytest.mark.parametrize('layout', ['channels last', 'cut out'])
@few_decoders
def test_strides_made_on_the_device(decoder, layout, rng):
    """``.cuda()`` keeps some strides only."""
    maps = STRIDES[layout](all_kinds(rng, count=17))
    assert not maps.is_contiguous()
    check(decoder, maps)


@pytest.mark.parametrize('size', [(1, 1), (1, 6), (6, 1), (2, 3), (4, 4)])
@few_decoders
def test_tiny_maps(decoder, size):
    count = size[0] * size[1]
    check(decoder, torch.arange(1.0, 1 + count).view(1, 1, *size).cuda())


@pytest.mark.parametrize('sigma', [0.5, 2.0, 3.0])
def test_sizes_of_kernels(sigma, rng):
    maps = all_kinds(rng, sigma=sigma)
    covariance = sigma >= 1  # see interpreted_cuda.py
    check(taylor(sigma, covariance), maps)
    check(taylor(sigma, kernel_size=17), maps)
    check(GaussianFitDecoder(sigma, covariance), maps)


@pytest.mark.parametrize('sigma', [6.0])
def test_large_maps(sigma, rng):
    """What Sapiens predicts: 308 maps of 256 x 192 px."""
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


def test_more_elements_than_int32_counts():
    if torch.cuda.mem_get_info()[0] < 8 * 2**30:
        pytest.skip('needs 8 GB of GPU memory')
    maps = peaks((6, 4), count=1).cuda()
    storage = torch.empty(3 * 2**30 + 6, dtype=torch.float16, device='cuda')
    wide = storage.as_strided(maps.shape, (0, 0, 2**30, 1))
    wide.copy_(maps)
    for decoder in FEW:
        check(decoder, wide)
    # and a batch that does: the last sample lies beyond
    many = storage[: 2**31 + 24].as_strided((2, 1, 4, 6), (2**31, 24, 6, 1))
    many.copy_(maps.expand(2, 1, -1, -1))
    for decoder in FEW:
        check(decoder, many)


@pytest.mark.parametrize('shape', [(0, 3, 4, 4), (2, 0, 4, 4)])
@few_decoders
def test_no_maps(decoder, shape):
    table = decode(decoder, torch.zeros(shape, device='cuda'))
    assert len(table) == 0 and table.is_cuda


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
