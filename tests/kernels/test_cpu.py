"""The numba kernels against the reference, map by map."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dark_codec.decoders import (
    ArgmaxDecoder,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)

pytest.importorskip('numba')
from dark_codec.kernels import Recipe, cpu  # noqa: E402

NAN, INF = float('nan'), float('inf')
DTYPES = [torch.float32, torch.float16, torch.bfloat16]


def taylor(sigma=2.0, covariance=False, **modulation):
    modulation = dict(type='GaussianModulation', **modulation)
    return TaylorDecoder(modulation, sigma, covariance)


DECODERS = dict(
    argmax=ArgmaxDecoder(),
    sign=QuarterShiftDecoder(),
    second=QuarterShiftDecoder('second'),
    raw=TaylorDecoder(None, 2.0, covariance=True),
    none=taylor(rescale='none'),
    max=taylor(rescale='max', covariance=True),
    minmax=taylor(),
    minmax_1=taylor(1.0),
    minmax_3=taylor(3.0, covariance=True),
    opencv_1=taylor(1.0, kernel_size=1),
    opencv_11=taylor(kernel_size=11),
    fit=GaussianFitDecoder(2.0, covariance=True),
    fit_narrow=GaussianFitDecoder(0.6),
    fit_wide=GaussianFitDecoder(4.5, covariance=True),
)
each_decoder = pytest.mark.parametrize('name', DECODERS)


def reference(heatmaps, decoder):
    return decoder.decode_maps(heatmaps.flatten(0, 1)).to_table()


def stable(heatmaps, decoder, expected):
    """Maps whose result is not one of rounding, (M,).

    All is invariant to scale but for rounding: where another scale brings
    another result, the reference has no right one either.
    """
    good = torch.ones(len(expected), dtype=torch.bool)
    for scale in (0.7, 1.1, 1.3):
        other = reference(heatmaps.float() * scale, decoder)
        good &= other[:, 3] == expected[:, 3]
        good &= (other[:, :2] - expected[:, :2]).abs().amax(1) < 2e-5
    return good


def judge(heatmaps, decoder):
    """Compare both, and tell which maps are regular."""
    table = cpu.decode(heatmaps, decoder.recipe)
    expected = reference(heatmaps, decoder)
    assert table.dtype == torch.float32
    assert table.shape == expected.shape
    torch.testing.assert_close(
        table[:, 2], expected[:, 2], rtol=0, atol=0, equal_nan=False
    )
    assert not table.isnan().any()
    good = stable(heatmaps, decoder, expected)
    ours, theirs = table[good], expected[good]
    assert torch.equal(ours[:, 3], theirs[:, 3])
    torch.testing.assert_close(ours[:, :2], theirs[:, :2], rtol=0, atol=1e-4)
    torch.testing.assert_close(
        ours[:, 4:].isinf(), theirs[:, 4:].isinf(), rtol=0, atol=0
    )
    return table, expected, good


def peaks(shape, sigma, seed, noise=0.02):
    """Gaussians with their centres all over maps (B, K, H, W), and noise."""
    rng = np.random.default_rng(seed)
    batch, keypoints, height, width = shape
    x = rng.uniform(-0.5, width - 0.5, (batch, keypoints, 1, 1))
    y = rng.uniform(-0.5, height - 0.5, (batch, keypoints, 1, 1))
    maps = np.exp(
        -((np.arange(width) - x) ** 2) / (2 * sigma**2)
        - (np.arange(height)[:, None] - y) ** 2 / (2 * sigma**2)
    )
    maps += noise * rng.standard_normal(shape)
    return torch.from_numpy(maps.astype(np.float32))


@each_decoder
@pytest.mark.parametrize(
    'size', [(64, 48), (33, 41), (7, 90), (96, 72)], ids=str
)
def test_peaks_all_over_the_map(name, size):
    decoder = DECODERS[name]
    maps = peaks((8, 17, *size), 2.0, 0)
    table, expected, good = judge(maps, decoder)
    wanted = 0.7 if name == 'fit_narrow' else 0.97
    assert good.float().mean() > wanted
    torch.testing.assert_close(
        table[good][:, 4:], expected[good][:, 4:], rtol=2e-3, atol=2e-3
    )


@each_decoder
def test_real_heatmaps(name, real_heatmaps):
    maps = torch.from_numpy(real_heatmaps[:40])
    _, expected, good = judge(maps, DECODERS[name])
    assert good.float().mean() > 0.97
    assert expected[:, 3].mean() > 0.9


def layouts(maps):
    """The same maps, laid out otherwise."""
    batch, keypoints, height, width = maps.shape
    wide = maps.new_full((batch, keypoints + 2, height + 1, width + 3), 9.0)
    wide[:, 1:-1, 1:, 2:-1] = maps
    every = maps.new_full((batch, keypoints, height * 2, width * 3), 9.0)
    every[..., ::2, 1::3] = maps
    return dict(
        contiguous=maps,
        channels_last=maps.contiguous(memory_format=torch.channels_last),
        sliced=wide[:, 1:-1, 1:, 2:-1],
        every_second=every[..., ::2, 1::3],
        transposed=maps.transpose(2, 3).contiguous().transpose(2, 3),
        batch_inside=maps.transpose(0, 1).contiguous().transpose(0, 1),
    )


@pytest.mark.parametrize('dtype', DTYPES, ids=str)
def test_memory_layouts_change_nothing(dtype):
    maps = peaks((3, 5, 30, 23), 2.0, 1, noise=0.3).to(dtype)
    recipe = DECODERS['minmax_3'].recipe
    plain = cpu.decode(maps.float().contiguous(), recipe)
    for layout, laid in layouts(maps).items():
        assert torch.equal(laid, maps)
        assert torch.equal(cpu.decode(laid, recipe), plain), layout
    one = maps[:1].expand(4, -1, -1, -1)
    assert torch.equal(cpu.decode(one, recipe), plain[:5].repeat(4, 1))


def test_every_positive_half_is_read_as_float32():
    bits = torch.arange(0x7C00, dtype=torch.int16)
    for dtype in (torch.float16, torch.bfloat16):
        values = bits.view(dtype)
        maps = torch.stack([values, -values], 1)[None, :, None]
        table = cpu.decode(maps, Recipe('argmax'))
        assert torch.equal(table[:, 2], values.float())


def bad_maps(height=20, width=17):
    """One map each that is no peak, or only just."""
    rng = np.random.default_rng(2)
    zeros = np.zeros((height, width), np.float32)
    noise = rng.standard_normal((height, width)).astype(np.float32)
    maps = [zeros, zeros - 1, zeros + 0.25, zeros - INF, zeros + NAN]
    maps += [-np.abs(noise), noise * 1e-42, noise * 1e37, -zeros]
    negative_nan = np.array([0xFFC00000], np.uint32).view(np.float32)[0]
    values = [NAN, negative_nan, INF, -INF, 3e38, -3e38, 1e-45, 1.0]
    for x, y in [(0, 0), (width - 1, height - 1), (8, 9), (3, 19)]:
        for value in values:
            for background in (zeros, noise, zeros + 0.5):
                spoiled = background.copy()
                spoiled[y, x] = value
                maps.append(spoiled)
    flat = zeros.copy()
    flat[4:12, 5:14] = 1
    ridge = zeros.copy()
    ridge[:, 8] = 1
    return torch.from_numpy(np.stack([*maps, flat, ridge]))[None]


@each_decoder
@pytest.mark.parametrize('dtype', DTYPES, ids=str)
def test_bad_maps(name, dtype):
    maps = bad_maps().to(dtype)
    table, expected, _ = judge(maps, DECODERS[name])
    assert torch.equal(table[:, 2] > 0, expected[:, 2] > 0)
    lost = expected[:, 2] == 0
    assert 20 < lost.sum() < len(lost)
    assert torch.equal(table[lost], expected[lost])


@pytest.mark.parametrize('rest', [0.0, -0.0, -3.0, -INF, 'negative'])
def test_second_highest_is_not_positive(rest):
    generator = torch.Generator().manual_seed(1)
    if rest == 'negative':
        maps = -torch.rand(6, 1, 20, 17, generator=generator)
    else:
        maps = torch.full((6, 1, 20, 17), rest)
    for one, place in zip(maps, [0, 1, 16, 170, 338, 339]):
        one.flatten()[place] = 0.5
    table, expected, _ = judge(maps, DECODERS['second'])
    torch.testing.assert_close(table, expected, rtol=0, atol=1e-5)
    on_pixel = (table[:, :2] % 1 == 0).all()
    assert on_pixel == (rest == -INF)


@each_decoder
def test_a_bad_map_costs_the_others_nothing(name):
    bad = bad_maps()
    maps = peaks((1, bad.shape[1] * 2, *bad.shape[2:]), 2.0, 3)
    alone = cpu.decode(maps, DECODERS[name].recipe)
    maps[:, 1::2] = bad
    among = cpu.decode(maps, DECODERS[name].recipe)
    assert torch.equal(among[::2], alone[::2])


@pytest.mark.parametrize('length', [1, 63, 64, 65, 511, 512, 513, 1537])
def test_maximum_at_every_place(length):
    maps = torch.rand(length, 1, 1, length) * 0.5
    maps[:, 0, 0].fill_diagonal_(1.0)
    table = cpu.decode(maps, Recipe('argmax'))
    if length > 1:  # a map of one pixel is constant
        assert torch.equal(table[:, 0], torch.arange(length).float())
        assert (table[:, 2:4] == 1).all()


def test_of_equal_maxima_the_first():
    places = [0, 1, 63, 64, 511, 512, 513, 1300, 1499]
    pairs = [(a, b) for a in places for b in places if a < b]
    maps = torch.zeros(len(pairs), 1, 50, 30)
    for one, pair in zip(maps, pairs):
        one.flatten()[list(pair)] = 0.75
    table = cpu.decode(maps, Recipe('argmax'))
    first = torch.tensor([a for a, _ in pairs])
    assert torch.equal(table[:, 1] * 30 + table[:, 0], first.float())


@pytest.mark.parametrize('name', ['max', 'minmax_3', 'fit_wide'])
def test_large_maps(name):
    maps = peaks((1, 12, 256, 192), 3.0, 4, noise=0.05)
    judge(maps, DECODERS[name])


def test_lowest_value_in_every_band():
    """The lowest of the smoothed map may lie in any row and column."""
    maps = torch.full((64, 1, 64, 48), 0.2)
    maps[:, 0] += peaks((1, 1, 64, 48), 2.0, 5, noise=0)[0]
    for i, one in enumerate(maps):
        one[0, i, (i * 7) % 48] -= 8
    table, _, good = judge(maps, DECODERS['minmax'])
    assert good.all()
    plain = cpu.decode(maps, DECODERS['none'].recipe)
    moved = (table - plain)[:, :2].abs().amax(1)
    assert (moved > 5e-4).sum() > 60  # some dents are beside the peak


@st.composite
def some_maps(draw):
    shape = draw(
        st.tuples(
            st.integers(1, 3),
            st.integers(1, 3),
            st.integers(1, 40),
            st.integers(1, 40),
        )
    )
    seed = draw(st.integers(0, 2**32 - 1))
    maps = peaks(
        shape,
        draw(st.sampled_from([0.4, 0.8, 1.0, 2.0, 5.0])),
        seed,
        draw(st.sampled_from([0.0, 0.02, 0.3, 3.0])),
    )
    # few values: equal maxima, plateaus
    levels = draw(st.sampled_from([None, None, 2, 8]))
    if levels:
        maps = (maps * levels).round() / levels
    spoil = draw(st.sampled_from([None, None, None, NAN, INF, -INF, 0.0]))
    if spoil is not None:
        rng = np.random.default_rng(seed)
        for one in maps.flatten(0, 1)[::2]:
            one.flatten()[rng.integers(one.numel())] = spoil
    maps = maps * draw(st.sampled_from([1.0, 1e-3, 255.0, -1.0]))
    maps = maps.to(draw(st.sampled_from(DTYPES)))
    layout = draw(st.sampled_from(sorted(layouts(maps))))
    return layouts(maps)[layout]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(some_maps(), st.sampled_from(sorted(DECODERS)))
def test_any_maps(maps, name):
    judge(maps, DECODERS[name])


@pytest.mark.parametrize('shape', [(0, 17, 64, 48), (3, 0, 64, 48)], ids=str)
def test_no_maps(shape):
    for name, columns in (('minmax', 4), ('fit', 8)):
        table = cpu.decode(torch.zeros(shape), DECODERS[name].recipe)
        assert table.shape == (0, columns)


def test_maps_without_pixels():
    with pytest.raises(ValueError, match='got 0 rows of 5'):
        cpu.decode(torch.zeros(1, 2, 0, 5), Recipe('argmax'))


def test_defaults_of_torch_do_not_matter():
    maps = peaks((1, 3, 20, 15), 2.0, 6)
    expected = cpu.decode(maps, DECODERS['minmax'].recipe)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device('meta'):
            table = cpu.decode(maps, DECODERS['minmax'].recipe)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(table, expected)


def test_negative_views():
    """What ``.imag`` of a conjugate is: the sign is a bit of the tensor."""
    maps = peaks((1, 3, 20, 15), 2.0, 6)
    view = torch._neg_view(-maps)
    assert view.is_neg()
    for name in ('argmax', 'minmax'):
        recipe = DECODERS[name].recipe
        assert torch.equal(cpu.decode(view, recipe), cpu.decode(maps, recipe))
