"""Expected OKS: what heatmaps that were drawn from a belief must give."""

import math

import numpy as np
import pytest
import torch

from dark_codec import GaussianFitDecoder, TaylorDecoder
from dark_codec.functional import expected_oks, oks_tolerance

DECODERS = {
    'taylor': lambda sigma: TaylorDecoder(sigma=sigma, covariance=True),
    'taylor max': lambda sigma: TaylorDecoder(
        dict(type='GaussianModulation', rescale='max'), sigma, True
    ),
    'no modulation': lambda sigma: TaylorDecoder(None, sigma, True),
    'fit': lambda sigma: GaussianFitDecoder(sigma, True),
}
every_decoder = pytest.mark.parametrize('name', DECODERS)


SIZE = (24, 32)


def highest_pixel(point, precision, size):
    """Exponent of the Gaussian at the highest pixel of the whole map."""
    y, x = np.mgrid[: size[1], : size[0]]
    way = np.stack([x, y], -1) - point
    return 0.5 * np.einsum('hwi,ij,hwj->hw', way, precision, way).min()


def oracle(height, covariance, point, sigma, tolerance, spread=1.0):
    """One keypoint of the derivation, by matrices, in float64."""
    if not np.isfinite(covariance).all():
        return min(height, 1.0)
    variances, axes = np.linalg.eigh(covariance)
    s = axes @ np.diag(np.maximum(variances, sigma**2)) @ axes.T
    error = s - sigma**2 * np.eye(2)
    below = highest_pixel(point, np.linalg.inv(s), SIZE)
    peak = height * math.exp(below)
    share = allowed(peak, error / sigma**2)
    present = peak * volume(share * error / sigma**2)
    return min(present, 1.0) / volume(share * spread * error / tolerance**2)


def volume(ratio):
    return math.sqrt(np.linalg.det(np.eye(2) + ratio))


def allowed(peak, ratio):
    """Largest share of the error that a mass of 1 allows, by bisection."""
    if peak >= 1:
        return 0.0
    low, high = 0.0, 1.0
    if peak * volume(ratio) <= 1:
        return high
    for _ in range(60):
        middle = (low + high) / 2
        fits = peak * volume(middle * ratio) <= 1
        low, high = (middle, high) if fits else (low, middle)
    return low


def rotation(angle):
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def shape(variances, angle):
    """Covariance with these principal variances."""
    return rotation(angle) @ np.diag(variances) @ rotation(angle).T


def one(height, covariance, sigma, tolerance, point=(9, 9), spread=1.0):
    """Call with one keypoint, of numbers."""
    return expected_oks(
        torch.tensor([float(height)]),
        torch.as_tensor(np.asarray(covariance)[None]),
        torch.tensor([point], dtype=torch.float32),
        SIZE,
        sigma,
        torch.tensor([float(tolerance)]),
        spread,
    ).item()


def draw(rng, centre, covariance, present, sigma, size, count=5_000):
    """Heatmap as the mean of many targets, and the centres of those there."""
    centres = rng.multivariate_normal(centre, covariance, count)
    x, y = (
        np.exp(-((np.arange(length) - at[:, None]) ** 2) / (2 * sigma**2))
        for length, at in zip(size, centres.T)
    )
    return present * (y.T @ x) / count, centres


def mean_oks(centres, point, tolerance, present):
    square = np.square(centres - point).sum(1)
    return present * np.exp(-square / (2 * tolerance**2)).mean()


def score(heatmap, decoder, sigma, tolerance):
    """Decode one map: its score and its point."""
    decoded = decoder(torch.from_numpy(heatmap).float()[None, None])
    assert decoded.refined.all()
    size = heatmap.shape[::-1]
    found = expected_oks(
        decoded.scores,
        decoded.covariance,
        decoded.points,
        size,
        sigma,
        torch.tensor([float(tolerance)]),
    )
    return found.item(), decoded.points[0, 0].numpy()


@pytest.mark.parametrize('spread', [0.0, 0.7, 1.0])
def test_equals_the_oracle(rng, spread):
    sigma, keypoints = 1.5, 17
    heights = rng.uniform(0, 1, (8, keypoints))
    # narrower than the targets, too
    variances = rng.uniform(0.5, 20, (8, keypoints, 2))
    angles = rng.uniform(0, np.pi, (8, keypoints))
    covariances = np.array(
        [
            [shape(*pair) for pair in zip(*row)]
            for row in zip(variances, angles)
        ]
    )
    covariances[0, 0] = np.diag([np.inf, np.inf])
    # beyond the outermost pixels, too
    points = rng.uniform(-0.5, np.array(SIZE) - 0.5, (8, keypoints, 2))
    tolerances = rng.uniform(0.5, 8, keypoints)
    found = expected_oks(
        *(torch.from_numpy(x) for x in (heights, covariances, points)),
        SIZE,
        sigma,
        torch.from_numpy(tolerances),
        spread,
    )
    assert found.dtype == torch.float32
    expected = [
        [
            oracle(*case, sigma, tolerance, spread)
            for *case, tolerance in zip(*row, tolerances)
        ]
        for row in zip(heights, covariances, points)
    ]
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_the_height_where_the_tolerance_is_the_sigma():
    """What everyone reports is right for one tolerance only."""
    covariance = shape((9, 5), 0.4)
    assert one(0.3, covariance, 2, 2) == pytest.approx(0.3)
    # the height of the peak itself, between pixels
    point = np.array([9.4, 11.7])
    below = highest_pixel(point, np.linalg.inv(covariance), SIZE)
    at_pixel = 0.3 * math.exp(-below)
    assert at_pixel < 0.299
    found = one(at_pixel, covariance, 2, 2, tuple(point))
    assert found == pytest.approx(0.3)


def test_presence_where_anything_is_tolerated():
    covariance = shape((9, 5), 0.4)
    present = 0.3 * math.sqrt(45) / 4
    assert one(0.3, covariance, 2, 1e6) == pytest.approx(present)
    assert one(0.9, covariance, 2, 1e6) == 1  # no more than certain


@pytest.mark.parametrize('angle', [0.3, 1.1, math.pi / 2, 2.5])
def test_rotating_the_map_changes_nothing(angle):
    covariance, turn = shape((9, 4.5), 0.4), rotation(angle)
    turned = one(0.3, turn @ covariance @ turn.T, 2, 3)
    assert turned == pytest.approx(one(0.3, covariance, 2, 3))


def test_monotone():
    """In height, in tolerance, and with one presence in the spread."""
    covariance = shape((9, 5), 0.4)
    heights = [one(a, covariance, 2, 3) for a in np.linspace(0.05, 0.9, 30)]
    assert np.all(np.diff(heights) >= 0) and heights[0] < heights[-1]
    tolerances = [one(0.3, covariance, 2, t) for t in np.linspace(0.1, 20, 30)]
    assert np.all(np.diff(tolerances) > 0)
    spreads = [one(4 * 0.8 / v, v * np.eye(2), 2, 3) for v in range(4, 40)]
    assert np.all(np.diff(spreads) < 0)
    shares = [
        one(0.3, covariance, 2, 3, spread=share)
        for share in np.linspace(0, 1, 9)
    ]
    assert np.all(np.diff(shares) < 0)


@every_decoder
@pytest.mark.parametrize('tolerance', [0.8, 1.5, 3])
@pytest.mark.parametrize('sigma', [1.0, 2.0, 3.0])
def test_gives_the_oks_that_its_centres_have(rng, name, sigma, tolerance):
    """By Monte Carlo, with the tolerance in units of sigma."""
    decoder = DECODERS[name](sigma)
    for spread, angle, present in (
        ((0.01, 0.01), 0, 0.9),
        ((0.8, 0.8), 0, 0.7),
        ((1.2, 0.4), 0.7, 0.8),
        ((0.9, 0), 1.9, 1.0),
    ):
        # whatever the position between pixels
        centre = (32, 32) + rng.uniform(-0.5, 0.5, 2)
        covariance = shape(np.square(spread) * sigma**2, angle)
        heatmap, centres = draw(
            rng, centre, covariance, present, sigma, (64, 64)
        )
        found, point = score(heatmap, decoder, sigma, tolerance * sigma)
        expected = mean_oks(centres, point, tolerance * sigma, present)
        assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize('centre', [(-0.4, 10), (0.3, 0.2), (23.2, 31.4)])
@pytest.mark.parametrize('sigma', [1.0, 2.0])
def test_at_the_border(rng, sigma, centre):
    """The fit knows what the border hides of a certain keypoint."""
    covariance = np.square(0.1 * sigma) * np.eye(2)
    heatmap, centres = draw(rng, centre, covariance, 0.8, sigma, (24, 32))
    for tolerance in (0.8 * sigma, 3 * sigma):
        found, point = score(heatmap, DECODERS['fit'](sigma), sigma, tolerance)
        expected = mean_oks(centres, point, tolerance, 0.8)
        assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize('name', ['no modulation'])
@pytest.mark.parametrize('sigma', [0.6, 0.75])
def test_at_a_small_sigma(rng, sigma, name):
    """Which pixels hardly sample."""
    for centre in rng.uniform(10, 11, (5, 2)):
        covariance = np.square(0.8 * sigma) * np.eye(2)
        heatmap, centres = draw(rng, centre, covariance, 0.8, sigma, (24, 24))
        found, point = score(heatmap, DECODERS[name](sigma), sigma, 2 * sigma)
        expected = mean_oks(centres, point, 2 * sigma, 0.8)
        assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_computes_in_float32(rng, dtype):
    """Half precision in, and under autocast."""
    covariance = torch.from_numpy(shape((9, 5), 0.4))[None]
    args = torch.tensor([0.3]), covariance, torch.tensor([[9.3, 7.2]])
    tolerance = torch.tensor([3.0])
    expected = expected_oks(*args, SIZE, 2.0, tolerance)
    half = [x.to(dtype) for x in args]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(expected_oks(*args, SIZE, 2.0, tolerance), expected)
        found = expected_oks(*half, SIZE, 2.0, tolerance.to(dtype))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


def test_unknown_covariances_keep_the_height():
    unknown = np.diag([np.inf, np.inf])
    assert one(0.3, unknown, 2, 3) == pytest.approx(0.3)
    assert one(0, unknown, 2, 3) == 0
    # an OKS is at most 1
    assert one(1e4, unknown, 2, 3) == 1


def test_tolerance_is_that_of_xtcocotools():
    """OKS by COCOeval of a point that is one tolerance away."""
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval

    sigma, size, share = 0.079, (48, 64), 0.22
    area = share * size[0] * size[1]
    tolerance = oks_tolerance(torch.tensor([sigma]), share, size).item()
    truth = dict(id=1, image_id=1, category_id=1, iscrowd=0, area=area)
    truth |= dict(bbox=[0, 0, 1, 1], num_keypoints=1, keypoints=[20, 30, 2])
    coco = COCO()
    coco.dataset = dict(
        images=[dict(id=1)], annotations=[truth], categories=[dict(id=1)]
    )
    coco.createIndex()
    found = coco.loadRes(
        [
            dict(
                image_id=1,
                category_id=1,
                keypoints=[20 + tolerance, 30, 1],
                score=1,
            )
        ]
    )
    evaluation = COCOeval(
        coco, found, 'keypoints', np.array([sigma]), use_area=True
    )
    evaluation.evaluate()
    assert evaluation.ious[1, 1] == pytest.approx(math.exp(-0.5), abs=1e-6)


def test_traces_and_exports(rng):
    """As one graph, without a branch that its inputs decide."""
    args = (
        torch.rand(2, 3),
        torch.eye(2).expand(2, 3, 2, 2) * 5,
        torch.full((2, 3, 2), 9.0),
    )
    tolerance = torch.tensor([1.0, 2.0, 3.0])

    def score_all(height, covariance, points):
        return expected_oks(height, covariance, points, SIZE, 2.0, tolerance)

    traced = torch.jit.trace(score_all, args)
    unknown = args[1].clone()
    unknown[0, 0] = torch.diag(torch.tensor([math.inf, math.inf]))
    others = torch.rand(2, 3), unknown, 20 * torch.rand(2, 3, 2)
    torch.testing.assert_close(traced(*others), score_all(*others))
