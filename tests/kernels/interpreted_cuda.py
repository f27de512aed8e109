"""Triton's kernel against the reference, in Triton's interpreter.

Run by ``test_cuda.py`` in a process of its own: the interpreter has to be
asked for (``TRITON_INTERPRET=1``) before Triton is imported.
"""

import os
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import (
    DECODERS,
    FEW,
    STRIDES,
    bad_maps,
    check_table,
    every_decoder,
    maps_of,
    peaks,
    raw,
    taylor,
)
from sample_maps import KINDS

from dark_codec import ArgmaxDecoder, GaussianFitDecoder, QuarterShiftDecoder
from dark_codec.kernels import cuda

if os.environ.get('TRITON_INTERPRET') != '1':
    pytest.skip('run by test_cuda.py', allow_module_level=True)


def check(decoder, heatmaps):
    return check_table(
        cuda.decode(heatmaps, decoder.recipe), decoder, heatmaps
    )


@every_decoder
def test_kinds_of_maps(decoder, rng):
    """Clean, noisy, skewed, and cut off by each of the borders."""
    maps = [
        maps_of(kind, (12, 16), 1.0, rng, 4 if kind == 'truncated' else 2)
        for kind in KINDS
    ]
    found = check(decoder, torch.cat(maps)[:, None])
    # raw stencils do not fit beside the border
    assert found[:, 3].sum() >= (5 if decoder.reach == 2 else 9)


def test_lowest_value_in_each_corner():
    """On a slanted background, of which the border hides a part."""
    width, height = 12, 16
    clean = peaks((width, height), count=1)[0, 0]
    x, y = torch.linspace(0, 0.1, width), torch.linspace(0, 0.1, height)
    slanted = clean + 0.3 + x + y[:, None]
    flips = [slanted.flip(dims) for dims in ((), (0,), (1,), (0, 1))]
    found = check(taylor(), torch.stack(flips)[None])
    assert found[:, 3].all()


@pytest.mark.parametrize('sigma', [0.4, 2.0, 6.0])
@pytest.mark.parametrize('size', [(7, 5), (30, 40)])
def test_sizes_of_kernels(sigma, size, rng):
    """Also windows that are larger than the map, or read in pieces."""
    maps = maps_of('truncated', size, sigma, rng, 2)[None]
    # cut off, a narrow Gaussian has one pixel: no spread but rounding
    covariance = sigma >= 1
    check(GaussianFitDecoder(sigma, covariance), maps)
    check(taylor(sigma, covariance, rescale='max'), maps)
    check(taylor(sigma), maps[:, :1])


# All paths through the kernel; what differs elsewhere is a number
PATHS = ['argmax', 'sign', 'raw with covariance']
PATHS += ['minmax with covariance', 'narrow fit with covariance']


@pytest.mark.parametrize('name', PATHS)
def test_bad_maps(name):
    """None costs another map anything: the first and last are refined."""
    found = check(DECODERS[name], bad_maps())
    assert torch.equal(found[0], found[-1]) and found[0, 3] == 1
    assert not found[:, :4].isnan().any() and not found[:, 4:].isnan().any()


@pytest.mark.parametrize('size', [(1, 1), (1, 6), (6, 1), (2, 3), (4, 4)])
def test_tiny_maps(size):
    for decoder in FEW:
        check(
            decoder, torch.arange(1.0, 1 + size[0] * size[1]).view(1, 1, *size)
        )


@contextmanager
def blocks(pixels, window):
    """Maps and windows are read so many pixels at a time."""
    usual = cuda._BLOCK, cuda._WINDOW
    cuda._BLOCK, cuda._WINDOW = pixels, window
    cuda._plan.cache_clear()
    yield
    cuda._BLOCK, cuda._WINDOW = usual
    cuda._plan.cache_clear()


@pytest.mark.parametrize('block', [2, 16, 4096])
def test_the_first_of_equal_maxima_counts(block):
    """Within a block, in another one, and in another lane of it."""
    places = [(0, 1), (3, 40), (15, 16), (16, 31), (41, 2), (17, 32), (7, 23)]
    maps = torch.zeros(1, len(places), 6, 7)
    for heatmap, pair in zip(maps[0], places):
        heatmap.view(-1)[list(pair)] = 0.5
    with blocks(block, 1024):
        found = check(ArgmaxDecoder(), maps)
    first = torch.tensor([min(pair) for pair in places])
    assert torch.equal(found[:, 0] + 7 * found[:, 1], first.float())


@pytest.mark.parametrize('layout', STRIDES)
def test_strides(layout):
    maps = STRIDES[layout](peaks((7, 9), count=4).view(2, 2, 9, 7))
    check(QuarterShiftDecoder(), maps)
    for decoder in FEW:
        check(decoder, maps[:, -1:])


def test_more_elements_than_int32_counts():
    """A map whose rows lie 2^30 elements apart: only a few are touched."""
    maps = peaks((6, 4), count=1)
    storage = torch.empty(3 * 2**30 + 6, dtype=torch.float16)
    wide = storage.as_strided(maps.shape, (0, 0, 2**30, 1))
    wide.copy_(maps)
    assert wide.stride(2) * 3 > 2**31
    for decoder in FEW:
        check(decoder, wide)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('scale', [1.0, 2e4])
def test_half_precision(dtype, scale):
    """Arithmetic in float32: sums of many large values do not overflow."""
    maps = (scale * peaks(sigma=2.0)).to(dtype)
    for decoder in (taylor(2.0, covariance=True), GaussianFitDecoder(2.0)):
        found = check(decoder, maps)
        assert found[:, 3].all()


@pytest.mark.parametrize('shape', [(0, 3, 4, 4), (2, 0, 4, 4)])
def test_no_maps(shape):
    for decoder in FEW:
        columns = 8 if decoder.recipe.covariance else 4
        table = cuda.decode(torch.zeros(shape), decoder.recipe)
        assert table.shape == (0, columns)


def test_no_pixels():
    with pytest.raises(ValueError, match=r'pixels, got shape \(1, 2, 0, 4\)'):
        cuda.decode(torch.zeros(1, 2, 0, 4), ArgmaxDecoder().recipe)


def test_real_heatmaps(real_heatmaps):
    maps = torch.from_numpy(real_heatmaps[:2, 3:5])
    for decoder in (taylor(2.0, covariance=True), GaussianFitDecoder(2.0)):
        check(decoder, maps)


@st.composite
def problems(draw):
    """A decoder, maps and the sizes of blocks that they are read in."""
    sigma = draw(st.sampled_from([0.5, 1.0, 1.7]))
    covariance = draw(st.booleans())
    decoder = draw(
        st.sampled_from(
            [
                QuarterShiftDecoder(),
                raw(sigma, covariance),
                taylor(sigma, covariance, rescale='max'),
                taylor(sigma, covariance),
                taylor(sigma, covariance, kernel_size=7),
                # see test_sizes_of_kernels
                GaussianFitDecoder(sigma, covariance and sigma >= 1),
            ]
        )
    )
    height, width = draw(st.integers(1, 14)), draw(st.integers(1, 14))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    rand = torch.rand(6, generator=generator)
    y, x = torch.meshgrid(
        torch.arange(float(height)), torch.arange(float(width)), indexing='ij'
    )
    # the centre lies anywhere, up to the outer edge of the map
    squares = (y + 0.5 - rand[0] * height) ** 2 / (0.7 + 0.6 * rand[1])
    squares = squares + (x + 0.5 - rand[2] * width) ** 2
    maps = torch.exp(-squares / (2 * sigma**2))[None, None].repeat(1, 2, 1, 1)
    maps[0, 1] += 0.1 * torch.rand(height, width, generator=generator)
    dtype = draw(
        st.sampled_from([torch.float32, torch.float16, torch.bfloat16])
    )
    block = draw(st.sampled_from([16, 2048]))
    window = draw(st.sampled_from([16, 1024]))
    return decoder, maps.to(dtype), block, window


@settings(max_examples=16, deadline=None, derandomize=True)
@given(problems())
def test_any_problem(problem):
    decoder, maps, block, window = problem
    with blocks(block, window):
        check(decoder, maps)
