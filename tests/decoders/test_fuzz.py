"""What docs/decoders.md promises for any heatmap, on any heatmap."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from kernel_cases import check_covariance

from dark_codec import DARKCodec
from dark_codec.registry import DECODERS, build_part

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


def modulated(**args):
    modulation = dict(type='GaussianModulation', **args)
    return dict(type='TaylorDecoder', modulation=modulation, covariance=True)


CONFIGS = [
    dict(type='ArgmaxDecoder'),
    dict(type='QuarterShiftDecoder'),
    dict(type='QuarterShiftDecoder', variant='second'),
    dict(type='TaylorDecoder', modulation=None, covariance=True),
    modulated(rescale='minmax'),
    modulated(rescale='max'),
    modulated(rescale='none', sigma=0.7),
    modulated(kernel_size=3),
    modulated(kernel_size=17),
    dict(type='GaussianFitDecoder', covariance=True),
]

# What real heatmaps hold, what they should not, and where floats end
VALUES = st.one_of(
    st.floats(0, 1, width=32),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 1.0, -1.0, 1e-6, 1e4, 65504.0, 3e38, -3e38, 1e-44]),
)
BAD_VALUES = st.sampled_from([np.nan, np.inf, -np.inf])
# beyond float32
WIDE_VALUES = st.sampled_from([1e300, -1e300, 1e39, 1e-46, 1e-300])


@st.composite
def heatmaps(draw):
    """(B, K, H, W) tensors of any dtype, content and memory layout."""
    shape = tuple(
        draw(st.integers(low, high))
        for low, high in [(0, 2), (0, 3), (1, 12), (1, 12)]
    )
    dtype = draw(st.sampled_from(DTYPES))
    values = [VALUES]
    if draw(st.booleans()):
        values.append(BAD_VALUES)
    if dtype is torch.float64:
        values.append(WIDE_VALUES)
    array = draw(
        hnp.arrays(np.float64, shape, elements=st.one_of(values), fill=VALUES)
    )
    if draw(st.booleans()):
        array = array + draw(peaks(shape))
    return draw(laid_out(torch.from_numpy(array).to(dtype)))


def peaks(shape):
    """A Gaussian in all maps, also outside of them."""
    y, x = np.mgrid[: shape[2], : shape[3]]

    def gaussian(u, v, sigma, height):
        square = (x - u) ** 2 + (y - v) ** 2
        return height * np.exp(-square / (2 * sigma**2))

    return st.builds(
        gaussian,
        st.floats(-3, 14),
        st.floats(-3, 14),
        st.floats(0.4, 4),
        st.sampled_from([1.0, 1e-3, 1e3]),
    )


@st.composite
def laid_out(draw, maps):
    layout = draw(st.sampled_from(['plain', 'transposed', 'expanded', 'step']))
    if layout == 'transposed':
        return maps.mT.contiguous().mT
    if layout == 'expanded' and len(maps):
        return maps[:1].expand(3, *maps.shape[1:])
    if layout == 'step':
        wide = maps.new_zeros(*maps.shape[:3], 2 * maps.shape[3])
        wide[..., 1::2] = maps
        return wide[..., 1::2]
    return maps


def expected_scores(maps):
    """Score and peak (x, y) of each map, in float32, by plain loops."""
    scores, places = [], []
    for heatmap in maps.float().flatten(0, 1).numpy():
        peak = np.unravel_index(heatmap.argmax(), heatmap.shape)
        highest = heatmap[peak]
        located = (
            np.isfinite(highest)
            and highest > 0
            and heatmap.min() < highest
            and not np.isnan(heatmap).any()
        )
        scores.append(highest if located else 0)
        places.append(peak[::-1])
    return np.array(scores), np.array(places).reshape(-1, 2)


def check(decoded, maps, radius):
    batch, keypoints, height, width = maps.shape
    assert decoded.points.shape == (batch, keypoints, 2)
    assert decoded.scores.shape == (batch, keypoints)
    assert decoded.points.dtype == decoded.scores.dtype == torch.float32
    assert decoded.refined.dtype == torch.bool
    scores, peaks = expected_scores(maps)
    np.testing.assert_array_equal(decoded.scores.flatten(), scores)
    located = scores > 0
    refined = decoded.refined.flatten().numpy()
    assert not refined[~located].any()
    points = decoded.points.reshape(-1, 2).numpy()
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    assert np.all(points[~located] == middle)
    # also refuses NaN
    way = np.linalg.norm(points - peaks, axis=1)[located]
    assert np.all(way <= radius + 1e-4)
    if decoded.covariance is not None:
        check_covariance(decoded.to_table()[:, 3:])


# the same examples each time: a failure elsewhere must be one here
FUZZ = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('config', CONFIGS, ids=lambda config: config['type'])
@FUZZ
@given(maps=heatmaps(), sigma=st.sampled_from([0.3, 1.0, 2.0, 3.0]))
def test_any_decoder_on_any_heatmaps(kernel, config, maps, sigma):
    decoder = build_part(DECODERS, config, 'decoder', sigma)
    decoded = decoder(maps)
    check(decoded, maps, max(1.0, sigma))
    copy = decoder(maps.clone(memory_format=torch.contiguous_format))
    assert torch.equal(decoded.scores, copy.scores)
    assert torch.equal(decoded.refined, copy.refined)
    # BLAS adds in another order where memory is aligned differently, which
    # matters on maps that are almost flat
    torch.testing.assert_close(decoded.points, copy.points, atol=5e-3, rtol=0)


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize(
    'decoder', ['ArgmaxDecoder', 'TaylorDecoder', 'GaussianFitDecoder']
)
@FUZZ
@given(
    maps=heatmaps(),
    alignment=st.sampled_from(['asymmetric', 'half_pixel', 'align_corners']),
    autocast=st.booleans(),
)
def test_any_heatmaps_through_the_codec(decoder, maps, alignment, autocast):
    batch, keypoints, height, width = maps.shape
    assume(alignment != 'align_corners' or min(width, height) > 1)
    codec = DARKCodec(
        (4 * width, 4 * height),
        sigma=1.0,
        decoder=decoder,
        alignment=alignment,
    )
    with torch.autocast('cpu', torch.bfloat16, enabled=autocast):
        points, scores = codec.batch_decode(maps)
    assert len(points) == len(scores) == batch
    expected, peaks = expected_scores(maps)
    for i in range(batch):
        assert points[i].shape == (1, keypoints, 2)
        assert scores[i].shape == (1, keypoints)
        assert points[i].dtype == scores[i].dtype == np.float32
        assert np.isfinite(points[i]).all()
        here = slice(i * keypoints, (i + 1) * keypoints)
        np.testing.assert_array_equal(scores[i][0], expected[here])
        if alignment == 'asymmetric':
            way = np.linalg.norm(points[i][0] / 4 - peaks[here], axis=1)
            assert np.all(way[expected[here] > 0] <= 1 + 1e-4)
