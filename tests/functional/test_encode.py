import numpy as np
import oracles
import pytest
import torch
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from sample_maps import SCALES

from dark_codec.functional import (
    QUANTISERS,
    encode_biased,
    encode_unbiased,
    input_to_heatmap,
)

COUNT = 200


@pytest.fixture(params=SCALES, ids=str)
def scale(request):
    return request.param


def random_keypoints(rng, input_size, sigma):
    """Inside the input and far outside, some of them invisible."""
    reach = 4 * (3 * sigma + 4)
    shape = (1, COUNT)
    x, y = (rng.uniform(-reach, n + reach, shape) for n in input_size)
    keypoints = np.stack([x, y], -1).astype(np.float32)
    visible = rng.choice([0, 0.3, 0.5, 1, 2], shape).astype(np.float32)
    return keypoints, visible


def encode(function, keypoints, visible, size, *args, alignment='asymmetric'):
    input_size = tuple(4 * n for n in size)
    points = input_to_heatmap(
        torch.from_numpy(keypoints), input_size, size, alignment
    )
    heatmaps, weights = function(
        points[None], torch.from_numpy(visible)[None], size, *args
    )
    assert heatmaps.dtype == weights.dtype == torch.float32
    return heatmaps[0].numpy(), weights[0].numpy()


@pytest.mark.parametrize('unbiased', [True, False])
def test_equals_msra(rng, scale, unbiased):
    size, sigma, _ = scale
    input_size = tuple(4 * n for n in size)
    keypoints, visible = random_keypoints(rng, input_size, sigma)
    # MMPose indexes with it and wants a whole number
    msra = MSRAHeatmap(input_size, size, int(sigma), unbiased=unbiased)
    expected = msra.encode(keypoints, visible)
    function = encode_unbiased if unbiased else encode_biased
    heatmaps, weights = encode(function, keypoints, visible, size, sigma)
    np.testing.assert_allclose(heatmaps, expected['heatmaps'], atol=1e-6)
    np.testing.assert_array_equal(weights, expected['keypoint_weights'])
    # the keypoints are of all sorts
    assert 0.2 < np.mean(weights == 0) < 0.8
    assert np.any(weights != visible)


def test_equals_udp_up_to_its_patch(rng, scale):
    size, sigma, _ = scale
    input_size = tuple(4 * n for n in size)
    keypoints, visible = random_keypoints(rng, input_size, sigma)
    udp = UDPHeatmap(input_size, size, sigma=int(sigma))
    expected = udp.encode(keypoints, visible)
    heatmaps, weights = encode(
        encode_unbiased,
        keypoints,
        visible,
        size,
        sigma,
        alignment='align_corners',
    )
    # UDPHeatmap tells by the rounded position whether a keypoint is seen
    centres = keypoints[0] * (np.array(size) - 1) / (np.array(input_size) - 1)
    outside = np.maximum(-centres, centres - size).max(-1)
    clear = (outside < 3 * sigma - 1) | (outside > 3 * sigma + 2.5)
    assert clear.mean() > 0.5
    np.testing.assert_array_equal(
        weights[0, clear], expected['keypoint_weights'][0, clear]
    )
    heatmaps, expected = heatmaps[clear], expected['heatmaps'][clear]
    in_patch = expected > 0
    np.testing.assert_allclose(
        heatmaps[in_patch], expected[in_patch], atol=1e-6
    )
    # its patch ends 3 sigma from the rounded centre
    assert heatmaps[~in_patch].max() < np.exp(-0.5 * (3 - 0.5 / sigma) ** 2)


@pytest.mark.parametrize('quantise', [None, *QUANTISERS])
@pytest.mark.parametrize('sigma', [1.0, 1.5])
def test_equals_the_loop(rng, quantise, sigma):
    size = (24, 32)
    points = rng.uniform(-8, 40, (30, 2)).astype(np.float32)
    visible = rng.choice([0, 0.5, 1], 30)
    expected, expected_weights = oracles.encode(
        points, visible, size, sigma, quantise
    )
    args = (
        torch.from_numpy(points)[None, None],
        torch.tensor(visible[None, None]),
    )
    if quantise:
        heatmaps, weights = encode_biased(*args, size, sigma, quantise)
    else:
        heatmaps, weights = encode_unbiased(*args, size, sigma)
    np.testing.assert_allclose(heatmaps[0], expected, atol=1e-6)
    np.testing.assert_array_equal(weights[0, 0], expected_weights)


@pytest.mark.parametrize(
    ('quantise', 'column'),
    [
        ('floor', [10, 11, 10, 0]),
        ('ceil', [11, 12, 11, 1]),
        ('round', [11, 12, 10, 1]),
    ],
)
def test_quantised_centres(quantise, column):
    x = torch.tensor([10.5, 11.5, 10.25, 0.5])
    points = torch.stack([x, torch.full((4,), 7.0)], -1)[None, None]
    heatmaps, _ = encode_biased(
        points, torch.ones(1, 1, 4), (24, 32), 2.0, quantise
    )
    peak = heatmaps[0] == 1
    assert peak.sum((1, 2)).tolist() == [1] * 4
    assert peak[:, 7].nonzero()[:, 1].tolist() == column


def test_round_goes_towards_zero_below_zero_as_int_does():
    keypoints = np.array([[[-0.5, 3], [-0.9, 3], [-1.5, 3], [-1.6, 3]]]) * 4
    visible = np.ones((1, 4))
    expected = MSRAHeatmap((96, 128), (24, 32), 2).encode(keypoints, visible)
    heatmaps, _ = encode(encode_biased, keypoints, visible, (24, 32), 2.0)
    np.testing.assert_allclose(heatmaps, expected['heatmaps'], atol=1e-6)


def test_whole_values_are_drawn_where_they_are():
    """A swap of axes or of sizes cannot hide here."""
    points = torch.tensor([[[[20.0, 3.0]]]])
    for function in (encode_unbiased, encode_biased):
        heatmaps, _ = function(points, torch.ones(1, 1, 1), (24, 32), 1.0)
        assert heatmaps.shape == (1, 1, 32, 24)
        assert heatmaps[0, 0, 3, 20] == 1
        beside = heatmaps[0, 0, 4, 21].item()
        assert beside == pytest.approx(np.exp(-1), abs=1e-6)


@pytest.mark.parametrize('function', [encode_unbiased, encode_biased])
@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_not_finite_is_not_drawn(function, bad):
    points = torch.full((1, 1, 3, 2), 5.0)
    points[0, 0, 1, 0] = bad
    points[0, 0, 2, 1] = bad
    heatmaps, weights = function(points, torch.ones(1, 1, 3), (24, 32), 2.0)
    assert weights.tolist() == [[[1, 0, 0]]]
    assert heatmaps[0, 0].max() == 1
    assert torch.all(heatmaps[0, 1:] == 0)


def test_gradient_by_keypoints_is_finite():
    points = torch.tensor([[[[5.3, 9.1], [5.0, np.nan], [500.0, 5.0]]]])
    points.requires_grad_()
    heatmaps, _ = encode_unbiased(points, torch.ones(1, 1, 3), (24, 32), 2.0)
    heatmaps[0, :, 8, 4].sum().backward()
    value = heatmaps[0, 0, 8, 4].item()
    expected = torch.tensor([(4 - 5.3) * value / 4, (8 - 9.1) * value / 4])
    torch.testing.assert_close(points.grad[0, 0, 0], expected)
    assert torch.all(points.grad[0, 0, 1:] == 0)


def test_invisible_keypoints_keep_their_weight():
    """An invisible keypoint's weight says so by itself."""
    points = torch.tensor([[[[5.0, 5.0], [5.0, 5.0], [500.0, 5.0]]]])
    visible = torch.tensor([[[0.0, 0.4, 0.4]]])
    heatmaps, weights = encode_unbiased(points, visible, (24, 32), 2.0)
    assert torch.all(heatmaps == 0)
    torch.testing.assert_close(weights, visible)


@pytest.mark.parametrize('quantise', [None, 'floor'])
def test_instances_are_merged_by_their_maximum(rng, quantise):
    points = rng.uniform(2, 20, (2, 3, 4, 2)).astype(np.float32)
    visible = np.ones((2, 3, 4), np.float32)
    visible[0, 1, 2] = 0
    args = torch.from_numpy(points), torch.from_numpy(visible), (24, 32), 2.0
    if quantise:
        heatmaps, weights = encode_biased(*args, quantise)
    else:
        heatmaps, weights = encode_unbiased(*args)
    assert heatmaps.shape == (2, 4, 32, 24)
    np.testing.assert_array_equal(weights, visible)
    for b in range(2):
        each = [
            oracles.encode(points[b, n], visible[b, n], *args[2:], quantise)[0]
            for n in range(3)
        ]
        np.testing.assert_allclose(heatmaps[b], np.max(each, 0), atol=1e-6)


def test_under_autocast_and_in_half_precision(rng):
    points = torch.tensor(rng.uniform(0, 24, (2, 1, 4, 2)))
    expected, _ = encode_unbiased(points, torch.ones(2, 1, 4), (24, 32), 2.0)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        heatmaps, _ = encode_unbiased(
            points, torch.ones(2, 1, 4), (24, 32), 2.0
        )
    assert torch.equal(heatmaps, expected)
    heatmaps, weights = encode_unbiased(
        points.half(), torch.ones(2, 1, 4).half(), (24, 32), 2.0
    )
    assert heatmaps.dtype == weights.dtype == torch.float32
    torch.testing.assert_close(heatmaps, expected, atol=0.01, rtol=0)


def test_unknown_quantiser():
    with pytest.raises(ValueError, match="quantise.*'floor'.*'nearest'"):
        encode_biased(
            torch.zeros(1, 1, 1, 2),
            torch.ones(1, 1, 1),
            (4, 4),
            1.0,
            'nearest',
        )
