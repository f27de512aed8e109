"""GaussianFitDecoder: exact on clean maps, at the bound on noisy ones."""

import math

import numpy as np
import pytest
import torch
from sample_maps import SCALES, gaussians, make_maps
from scipy.optimize import minimize

from dark_codec import GaussianFitDecoder, TaylorDecoder

# Of a position on one axis, for noise of sd 1 and a Gaussian of height 1
# that the border does not cut off: independent of its sigma.
CRAMER_RAO = 1 / math.sqrt(math.pi / 2)
# An RMSE of n values has a relative error of 1 / sqrt(2 n): 0.7 % here. The
# expected ratio inside is 1.00, and 1.01 at 32x24 with noise 0.1.
NOISY_MAPS = 10000


def draw_centres(rng, size, margin, count):
    """Uniform, margin px inside the outermost pixel centres."""
    extent = np.array(size) - 1
    return rng.uniform(margin, extent - margin, (count, 2))


def decode(maps, sigma):
    decoded = GaussianFitDecoder(sigma)(torch.from_numpy(maps)[None])
    return decoded.points[0].double().numpy(), decoded.refined[0].numpy()


def clean_maps(centres, size, sigma):
    """As sample_maps.gaussians, fast enough for thousands of maps."""
    profiles = [
        np.exp(
            -0.5 * ((np.arange(length) - centres[:, axis, None]) / sigma) ** 2
        )
        for axis, length in enumerate(size)
    ]
    maps = profiles[1][:, :, None] * profiles[0][:, None, :]
    return maps.astype(np.float32)


@pytest.mark.parametrize('size, sigma', [scale[:2] for scale in SCALES])
def test_exact_on_clean_maps_up_to_the_outer_edge(rng, size, sigma, kernel):
    centres = draw_centres(rng, size, -0.5, 1500)
    corners = np.array(size) * [[0, 0], [0, 1], [1, 0], [1, 1]] - 0.5
    centres = np.concatenate([centres, corners])
    points, refined = decode(clean_maps(centres, size, sigma), sigma)
    error = points - centres
    assert refined.all()
    assert np.sqrt((error**2).mean(0)).max() < 1e-3
    # Measured: 5e-6. One step less leaves 9e-4 beside the border.
    assert np.abs(error).max() < 1e-4


@pytest.mark.parametrize('noise', [0, 0.03])
@pytest.mark.parametrize('sigma', [0.3, 0.35, 0.5, 0.6, 0.8, 1, 2, 4, 6])
def test_narrow_to_wide(rng, sigma, noise, kernel):
    """What is refined is right; nothing is worse than the Taylor step."""
    size = (24, 32) if sigma < 2 else (48, 64)
    centres = draw_centres(rng, size, -0.5, 600)
    corners = np.array(size) * [[0, 0], [0, 1], [1, 0], [1, 1]] - 0.5
    centres[: len(corners)] = corners
    maps = clean_maps(centres, size, sigma)
    maps = maps + np.float32(noise) * rng.standard_normal(maps.shape, 'f4')
    points, refined = decode(maps, sigma)
    error = np.linalg.norm(points - centres, axis=1)
    other = TaylorDecoder(sigma=sigma)(torch.from_numpy(maps)[None]).points[0]
    other_error = np.linalg.norm(other.numpy() - centres, axis=1)
    # not where noise is the highest pixel, which both start from
    near = error < 3
    assert near.mean() > 0.98
    assert error[near].mean() < other_error[near].mean()
    if not noise:
        assert error[refined].max() < 0.02
        assert refined.mean() > (0.95 if sigma >= 0.5 else 0.9)


@pytest.mark.parametrize('size, sigma', [scale[:2] for scale in SCALES])
def test_centres_outside_of_the_map(rng, size, sigma):
    """Found as far out as the trust region, max(1, sigma), reaches."""
    centres = draw_centres(rng, size, 4 * sigma, 200)
    centres[:, 0] = rng.uniform(-0.75 * sigma, 0, 200)
    points, refined = decode(clean_maps(centres, size, sigma), sigma)
    assert refined.all()
    np.testing.assert_allclose(points, centres, atol=5e-3)
    centres[:, 0] = -3 * sigma
    points, _ = decode(clean_maps(centres, size, sigma), sigma)
    assert np.all(points[:, 0] > -sigma - 1e-4)
    assert np.all(points[:, 0] < -0.9 * sigma)


def noisy_ratios(size, sigma, margin, count):
    """RMSE per axis over the bound, for each amount of noise."""
    levels = (0.01, 0.03, 0.1)
    rng = np.random.default_rng(7)
    squares, chunk = np.zeros((3, 2)), 1000
    for _ in range(count // chunk):
        centres = draw_centres(rng, size, margin, chunk)
        clean = clean_maps(centres, size, sigma)
        # the same noise for each level: half of the time goes here
        noise = rng.standard_normal(clean.shape, dtype=np.float32)
        for i, level in enumerate(levels):
            points, _ = decode(clean + np.float32(level) * noise, sigma)
            squares[i] += ((points - centres) ** 2).sum(0)
    bound = CRAMER_RAO * np.array(levels)[:, None]
    return np.sqrt(squares / count) / bound


@pytest.mark.parametrize('size, sigma', [scale[:2] for scale in SCALES])
def test_noisy_maps_inside_reach_the_bound(size, sigma):
    ratios = noisy_ratios(size, sigma, 3 * sigma, NOISY_MAPS)
    assert ratios.max() < 1.03
    # nothing is better than the bound by more than the samples' own error
    assert ratios.min() > 0.975


@pytest.mark.parametrize('size, sigma', [scale[:2] for scale in SCALES])
def test_noisy_maps_up_to_the_outer_edge(size, sigma):
    """Beside the border the true bound is higher: less is to be seen."""
    assert noisy_ratios(size, sigma, -0.5, NOISY_MAPS // 2).max() < 1.2


def most_likely(heatmap, sigma):
    """Least squares over height and centre, in float64, by scipy.

    Over the pixels that the decoder uses: within 3 sigma, rounded up, of the
    highest one.
    """
    height, width = heatmap.shape
    peak_y, peak_x = np.unravel_index(heatmap.argmax(), heatmap.shape)
    reach = math.ceil(3 * sigma)
    x = np.arange(width)[_span(peak_x, reach, width)]
    y = np.arange(height)[_span(peak_y, reach, height)]
    window = heatmap[y[0] : y[-1] + 1, x[0] : x[-1] + 1].astype(float)

    def loss(centre):
        g = np.outer(
            np.exp(-((y - centre[1]) ** 2) / (2 * sigma**2)),
            np.exp(-((x - centre[0]) ** 2) / (2 * sigma**2)),
        )
        # the best height is in closed form
        best = (window * g).sum() / (g * g).sum()
        return ((window - best * g) ** 2).sum() / (window**2).sum()

    start = np.array([peak_x, peak_y], float)
    result = minimize(
        loss,
        start,
        method='Nelder-Mead',
        options=dict(
            xatol=1e-6,
            fatol=1e-15,
            initial_simplex=start + [[0, 0], [0.5, 0], [0, 0.5]],
        ),
    )
    return result.x, (peak_x, peak_y)


def _span(peak, reach, length):
    return slice(max(peak - reach, 0), min(peak + reach + 1, length))


@pytest.mark.parametrize('kind', ['noisy', 'truncated', 'skewed'])
@pytest.mark.parametrize('size, sigma', [scale[:2] for scale in SCALES])
def test_equals_a_general_optimiser(rng, size, sigma, kind):
    maps, _ = make_maps(kind, size, sigma, rng, count=16)
    noise = rng.normal(0, 0.02, maps.shape)
    check_against_optimiser((maps + noise).astype(np.float32), sigma, 12)


def test_equals_a_general_optimiser_on_real_maps(rng, real_heatmaps):
    maps = real_heatmaps[:10].reshape(-1, 64, 48)
    check_against_optimiser(maps, 2.0, 100)


def check_against_optimiser(maps, sigma, at_least):
    points, refined = decode(maps, sigma)
    compared = 0
    for heatmap, point, ok in zip(maps, points, refined):
        expected, peak = most_likely(heatmap, sigma)
        if np.linalg.norm(expected - peak) > max(1, sigma) - 1e-3:
            continue
        assert ok
        np.testing.assert_allclose(point, expected, atol=2e-3)
        compared += 1
    assert compared >= at_least


def test_height_does_not_matter(rng):
    centres = draw_centres(rng, (48, 64), -0.5, 50)
    maps = clean_maps(centres, (48, 64), 2.0)
    for height in (1e-6, 0.02, 255.0, 1e4):
        points, refined = decode(np.float32(height) * maps, 2.0)
        assert refined.all()
        np.testing.assert_allclose(points, centres, atol=1e-4)


def test_what_no_gaussian_fits_is_not_refined():
    y, x = np.mgrid[:64, :48]
    # a peak in a pit: its product with the Gaussian is negative
    pit = -5 * gaussians(np.array([[20, 30]]), (48, 64), 2.0)[0]
    pit[30, 20] = 0.001
    # lower than what lies above and below of it
    saddle = np.exp(-0.02 * (x - 20.0) ** 2) * (np.abs(y - 30) > 1)
    saddle[30, 20] = 1.01
    maps = np.stack([pit, saddle]).astype(np.float32)
    points, refined = decode(maps, 2.0)
    assert not refined.any()
    assert np.abs(points - [20, 30]).max() <= 0.25


def test_sigma_is_checked():
    for sigma in (None, 0, -1.0, float('inf')):
        with pytest.raises(ValueError, match='sigma.*got'):
            GaussianFitDecoder(sigma)
