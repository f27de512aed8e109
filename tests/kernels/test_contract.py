"""What every kernel owes the reference, map by map.

``pytest tests/kernels tests/gpu -k gpu`` runs what needs a GPU.
"""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import (
    BACKENDS,
    DECODERS,
    FEW,
    INF,
    NAN,
    STRIDES,
    bad_maps,
    check_table,
    distant_maps,
    every_decoder,
    maps_of,
    negative_view,
    peaks,
    raw,
    spoilt_maps,
    strided_maps,
    taylor,
    wide_map,
)
from sample_maps import KINDS, gaussians

from dark_codec import ArgmaxDecoder, GaussianFitDecoder, QuarterShiftDecoder

DTYPES = [torch.float32, torch.float16, torch.bfloat16]
WIDE = [
    taylor(3.0, covariance=True),
    taylor(2.0, kernel_size=11, rescale='max'),
    taylor(2.0, rescale='none'),
    taylor(1.0, kernel_size=1),
    GaussianFitDecoder(2.0, covariance=True),
    GaussianFitDecoder(4.5, covariance=True),
]
# the interpreter, which is slow, decodes a few
in_every_dtype = pytest.mark.parametrize(
    'backend, decoder, dtype',
    [
        pytest.param(backend, decoder, dtype, id=f'{backend}-{name}-{dtype}')
        for backend in BACKENDS
        for name, decoder in DECODERS.items()
        for dtype in DTYPES
        if backend != 'interpreted'
        or (decoder in FEW and dtype is torch.float32)
    ],
    indirect=['backend'],
)


def check(backend, decoder, maps, at_least=1.0):
    found = backend.decode(decoder, maps)
    if callable(maps):
        maps = maps()
    return check_table(found, decoder, maps, at_least)


def positions(length, generator):
    """Of the maximum: at borders of blocks, and anywhere."""
    near = [0, 1, 63, 64, 511, 512, 513, 2047, 2048, length - 2, length - 1]
    near = [place for place in near if 0 <= place < length]
    anywhere = torch.randint(length, (20,), generator=generator).tolist()
    return sorted({*near, *anywhere})


@every_decoder
def test_kinds_of_maps(backend, decoder, rng):
    """Clean, noisy, skewed, and cut off by each of the borders."""
    sizes = [(12, 16)] if backend.slow else [(12, 16), (48, 64), (90, 17)]
    for size in sizes:
        count = 4 if backend.slow else 24
        maps = [
            maps_of(kind, size, 1.0, rng, count if kind == 'truncated' else 2)
            for kind in KINDS
        ]
        found = check(backend, decoder, torch.cat(maps)[:, None], 0.9)
        # raw stencils do not fit beside the border
        least = 0.15 if decoder.reach == 2 else 0.85
        assert found[:, 3].mean() > least


# test_sizes_of_kernels has what the interpreter decodes
@pytest.mark.parametrize(
    'backend', ['reference', 'numba', 'gpu'], indirect=True
)
@pytest.mark.parametrize('decoder', WIDE, ids=lambda d: str(d.recipe)[:30])
def test_wide_kernels(backend, decoder, rng):
    for size in ((48, 64), (41, 33), (90, 7), (72, 96)):
        x = rng.uniform(-0.5, size[0] - 0.5, 60)
        y = rng.uniform(-0.5, size[1] - 0.5, 60)
        maps = gaussians(np.stack([x, y], 1), size, 2.0)
        maps = maps + rng.normal(0, 0.02, maps.shape)
        check(backend, decoder, torch.tensor(maps)[:, None].float(), 0.95)


@in_every_dtype
def test_real_heatmaps(backend, decoder, dtype, real_heatmaps):
    maps = torch.from_numpy(real_heatmaps[:20]).to(dtype)
    if backend.slow:
        maps = maps[:1, 3:5]
    found = check(backend, decoder, maps, 0.9)
    assert found[:, 3].mean() > 0.8


@pytest.mark.parametrize('sigma', [0.4, 2.0, 6.0])
@pytest.mark.parametrize('size', [(7, 5), (30, 40)])
def test_sizes_of_kernels(backend, sigma, size, rng):
    """Also windows that are larger than the map, or read in pieces."""
    maps = maps_of('truncated', size, sigma, rng, 2)[None]
    # a map narrower than the kernel is almost flat once it is smoothed
    stable = 0 if sigma > 2 else 1
    fit = GaussianFitDecoder(sigma, covariance=True)
    check(backend, fit, maps, stable)
    check(backend, taylor(sigma, covariance=True, rescale='max'), maps, stable)
    check(backend, taylor(sigma), maps[:, :1], stable)


def test_large_maps(backend, rng):
    """The size of Sapiens' maps."""
    maps = maps_of('noisy', (192, 256), 6.0, rng, 8)[None]
    decoders = [taylor(6.0, rescale='max'), GaussianFitDecoder(6.0, True)]
    if not backend.slow:
        decoders.append(taylor(6.0, covariance=True))
    for decoder in decoders:
        check(backend, decoder, backend.few(maps, 1), 0.7)


@in_every_dtype
def test_bad_maps(backend, decoder, dtype):
    """None costs another map anything: the first and last are refined."""
    maps = bad_maps().to(dtype)
    found = check(backend, decoder, maps, 0.5)
    assert torch.equal(found[0], found[-1]) and found[0, 3] == 1
    assert 5 < (found[:, 2] == 0).sum() < len(found) - 5
    if backend.slow:
        return
    spoilt = spoilt_maps().to(dtype)
    check(backend, decoder, spoilt, 0)
    # every other map is good
    good = peaks((17, 20), 2.0).repeat(1, spoilt.shape[1] // 2, 1, 1)
    mixed = torch.stack([good.to(dtype), spoilt], 2).flatten(1, 2)
    alone = backend.decode(decoder, good.to(dtype))
    assert torch.equal(backend.decode(decoder, mixed)[::2], alone)


@pytest.mark.parametrize('rest', [0.0, -0.0, -3.0, -INF, 'negative'])
def test_second_highest_is_not_positive(backend, rest):
    generator = torch.Generator().manual_seed(1)
    maps = torch.zeros(1, 6, 20, 17)
    maps += -torch.rand(maps.shape, generator=generator)
    if rest != 'negative':
        maps[:] = rest
    for one, place in zip(maps[0], [0, 1, 16, 170, 338, 339]):
        one.flatten()[place] = 0.5
    found = check(backend, QuarterShiftDecoder('second'), maps)
    on_pixel = (found[:, :2] % 1 == 0).all()
    assert on_pixel == (rest == -INF)


@pytest.mark.parametrize('length', [1, 2, 65, 513, 1537, 4099])
def test_maximum_at_every_place(backend, length):
    generator = torch.Generator().manual_seed(length)
    places = torch.tensor(positions(length, generator))
    maps = torch.rand(1, len(places), 1, length, generator=generator) * 0.5
    maps[0, torch.arange(len(places)), 0, places] = 1.0
    table = backend.decode(ArgmaxDecoder(), maps)
    if length > 1:  # a map of one pixel is constant
        assert torch.equal(table[:, 0], places.float())
        assert (table[:, 2:4] == 1).all()


def test_of_equal_maxima_the_first(backend):
    """Within a block, in another one, and in another lane of it."""
    places = [0, 1, 63, 64, 511, 512, 2047, 2048, 2049, 4096, 4199]
    pairs = [(a, b) for a in places for b in places if a < b]
    maps = torch.zeros(1, len(pairs), 70, 60)
    for one, pair in zip(maps[0], pairs):
        one.flatten()[list(pair)] = 0.75
    table = backend.decode(ArgmaxDecoder(), maps)
    first = torch.tensor([a for a, _ in pairs])
    assert torch.equal(table[:, 1] * 60 + table[:, 0], first.float())


def test_lowest_value_in_every_row_and_column(backend):
    """The lowest of the smoothed map, beside the border too."""
    clean = peaks((48, 64), 2.0, 1)
    maps = 0.2 + clean.repeat(1, 64, 1, 1)
    for i, one in enumerate(maps[0]):
        one[i, (i * 7) % 48] -= 8
    maps = backend.few(maps)
    found = check(backend, taylor(2.0), maps, 0.9)
    plain = backend.decode(taylor(2.0, rescale='none'), maps)
    moved = (found - plain)[:, :2].abs().amax(1)
    assert (moved > 5e-4).float().mean() > 0.8
    # on a slanted background, of which the border hides a part
    clean = peaks((12, 16), count=1)[0, 0]
    x, y = torch.linspace(0, 0.1, 12), torch.linspace(0, 0.1, 16)
    slanted = clean + 0.3 + x + y[:, None]
    flips = [slanted.flip(dims) for dims in ((), (0,), (1,), (0, 1))]
    assert check(backend, taylor(), torch.stack(flips)[None])[:, 3].all()


def test_minus_infinity_beyond_the_window(backend):
    """Is below all that 'minmax' can subtract, and unseen by 'max'."""
    maps = peaks((16, 18), count=1)
    maps[0, 0, -1, -1] = -INF
    assert check(backend, taylor(), maps)[0, 3] == 0
    assert check(backend, taylor(rescale='max'), maps)[0, 3] == 1


def test_stencils_that_the_border_cuts(backend):
    """Without modulation a peak needs 2 px on each side."""
    maps = torch.zeros(1, 8, 7, 8)
    places = [(1, 3), (2, 3), (5, 3), (6, 3), (3, 1), (3, 2), (3, 4), (3, 5)]
    for heatmap, (x, y) in zip(maps[0], places):
        heatmap[y, x] = 1
    found = check(backend, raw(), maps)
    assert found[:, 3].tolist() == [0, 1, 1, 0] * 2


def test_the_fit_takes_all_its_steps(backend):
    """From a hot pixel 5 px beside a Gaussian, 1 px at a time."""
    heatmap = torch.tensor(gaussians(np.array([[13, 10]]), (24, 20), 5.0))
    heatmap[0, 10, 8] = 1.2
    found = check(backend, GaussianFitDecoder(5.0), heatmap[None].float())
    assert 11 < found[0, 0] < 12.1 and found[0, 3] == 1


@pytest.mark.parametrize('size', [(1, 1), (1, 6), (6, 1), (2, 3), (4, 4)])
def test_tiny_maps(backend, size):
    maps = torch.arange(1.0, 1 + size[0] * size[1]).view(1, 1, *size)
    for decoder in FEW:
        check(backend, decoder, maps)


@pytest.mark.parametrize('layout', STRIDES)
def test_strides(backend, layout):
    for dtype in DTYPES[: 1 if backend.slow else 3]:
        maps = partial(strided_maps, layout, dtype)
        plain = maps().contiguous()
        for decoder in FEW:
            found = check(backend, decoder, maps)
            assert torch.equal(found, backend.decode(decoder, plain))


def test_negative_views(backend):
    """What ``.imag`` of a conjugate is: the sign is a bit of the tensor."""
    assert negative_view().is_neg()
    for decoder in FEW:
        expected = backend.decode(decoder, peaks())
        assert torch.equal(backend.decode(decoder, negative_view), expected)


@pytest.mark.parametrize('maps', [wide_map, distant_maps])
def test_more_elements_than_int32_counts(backend, maps):
    if backend.name == 'gpu' and torch.cuda.mem_get_info()[0] < 8 * 2**30:
        pytest.skip('needs 8 GB of GPU memory')
    for decoder in FEW:
        check(backend, decoder, maps)


@pytest.mark.parametrize('dtype', DTYPES[1:], ids=str)
@pytest.mark.parametrize('scale', [1.0, 2e4])
def test_half_precision(backend, dtype, scale):
    """Arithmetic in float32: sums of many large values do not overflow."""
    maps = (scale * peaks(sigma=2.0)).to(dtype)
    for decoder in (taylor(2.0, covariance=True), GaussianFitDecoder(2.0)):
        assert check(backend, decoder, maps)[:, 3].all()


@pytest.mark.parametrize('dtype', DTYPES[1:], ids=str)
def test_every_positive_half_is_read_as_float32(backend, dtype):
    step = 997 if backend.slow else 1
    values = torch.arange(0, 0x7C00, step, dtype=torch.int16).view(dtype)
    maps = torch.stack([values, -values], 1)[None, :, None]
    table = backend.decode(ArgmaxDecoder(), maps)
    assert torch.equal(table[:, 2], values.float())


@pytest.mark.parametrize('shape', [(0, 3, 4, 4), (2, 0, 4, 4)], ids=str)
def test_no_maps(backend, shape):
    for decoder in FEW:
        columns = 8 if decoder.recipe.covariance else 4
        table = backend.decode(decoder, torch.zeros(shape))
        assert table.shape == (0, columns)


# the reference meets an error of torch
@pytest.mark.parametrize(
    'backend', ['numba', 'interpreted', 'gpu'], indirect=True
)
def test_no_pixels(backend):
    with pytest.raises(ValueError, match='must have pixels'):
        backend.decode(ArgmaxDecoder(), torch.zeros(1, 2, 0, 4))


def test_defaults_of_torch_do_not_matter(backend):
    maps = peaks((20, 15), 2.0)
    expected = backend.decode(DECODERS['max'], maps)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device('meta' if backend.name == 'numba' else 'cpu'):
            table = backend.decode(DECODERS['max'], maps)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(table, expected)


@st.composite
def any_maps(draw, sides):
    """Peaks of any size and noise, spoilt, quantised, scaled, laid out."""
    height, width = draw(st.integers(1, sides)), draw(st.integers(1, sides))
    count = draw(st.integers(2, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # the centres lie anywhere, up to the outer edge of the map
    centres = rng.uniform(-0.5, [width - 0.5, height - 0.5], (2 * count, 2))
    sigmas = draw(st.sampled_from([0.4, 0.8, 1.0, 2.0, 5.0]))
    maps = gaussians(centres, (width, height), sigmas)
    noise = draw(st.sampled_from([0.0, 0.02, 0.3, 3.0]))
    maps = torch.tensor(maps + noise * rng.standard_normal(maps.shape))
    # few values: equal maxima, plateaus
    levels = draw(st.sampled_from([None, None, 2, 8]))
    if levels:
        maps = (maps * levels).round() / levels
    spoil = draw(st.sampled_from([None, None, None, NAN, INF, -INF, 0.0]))
    if spoil is not None:
        for one in maps[::2]:
            one.flatten()[rng.integers(one.numel())] = spoil
    maps = maps * draw(st.sampled_from([1.0, 1e-3, 255.0, -1.0]))
    maps = maps.float().view(2, count, height, width)
    layout = draw(st.sampled_from(['plain', *STRIDES]))
    if layout != 'plain':
        maps = STRIDES[layout](maps)
    return maps.to(draw(st.sampled_from(DTYPES)))


def test_any_maps(backend):
    examples, sides = (16, 14) if backend.slow else (200, 40)
    decoders = st.sampled_from([*DECODERS.values(), *WIDE])

    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(any_maps(sides), decoders)
    def judge(maps, decoder):
        check(backend, decoder, maps, 0)

    judge()
