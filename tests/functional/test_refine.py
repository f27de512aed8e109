import numpy as np
import oracles
import pytest
import torch
from sample_maps import gaussians

from dark_codec.functional import (
    find_peaks,
    limit_step,
    log_derivatives,
    newton_step,
    quarter_shift,
    raw_stencil,
)

EYE = np.eye(2)


@pytest.fixture
def taylor():
    """Steps and whether they are solved, as arrays, of stencils."""

    def taylor(stencil):
        stencil = torch.as_tensor(stencil.astype(np.float32))
        with np.errstate(all='ignore'):
            result = newton_step(log_derivatives(stencil))
        return tuple(np.asarray(part) for part in result)

    return taylor


def stencils(centres, precision):
    """5 x 5 px of Gaussians round (0, 0) with inverse covariances."""
    y, x = np.mgrid[-2:3, -2:3]
    way = np.stack([x, y], -1) - centres[:, None, None]
    return np.exp(-0.5 * np.einsum('mhwi,ij,mhwj->mhw', way, precision, way))


@pytest.mark.parametrize(
    'precision',
    [
        EYE / 4,
        np.diag([0.5, 0.1]),
        # without the mixed derivative, the error is up to 0.5 px
        np.array([[0.5, 0.2], [0.2, 0.3]]),
        np.array([[0.5, -0.2], [-0.2, 0.3]]),
    ],
    ids=['round', 'oblong', 'tilted', 'tilted back'],
)
def test_exact_on_any_gaussian(rng, precision, taylor):
    centres = rng.uniform(-1, 1, (50, 2))
    step, solved = taylor(0.3 * stencils(centres, precision))
    assert solved.all()
    np.testing.assert_allclose(step, centres, atol=1e-4)


def test_equals_the_literal_differences(rng, taylor):
    noise = rng.uniform(0.5, 1, (100, 5, 5))
    noise[:, 2, 2] = 0.95
    step, solved = taylor(noise)
    assert 10 < solved.sum() < 100
    for values, offset, ok in zip(noise, step, solved):
        value = {(x, y): values[y, x] for x in range(5) for y in range(5)}
        expected = oracles.taylor(value, (2, 2))
        assert ok == (expected is not None)
        if ok:
            np.testing.assert_allclose(offset, expected, rtol=2e-3, atol=1e-4)
        else:
            assert np.all(offset == 0)


@pytest.mark.parametrize('scale', [1e-6, 1.0, 255.0, 1e6])
def test_scale_does_not_matter(scale, taylor):
    values = stencils(np.array([[0.3, -0.4]]), EYE / 4)
    step, solved = taylor(scale * values)
    assert solved.all()
    np.testing.assert_allclose(step, [[0.3, -0.4]], atol=1e-4)


def test_no_maximum_is_not_solved(taylor):
    y, x = np.mgrid[-2:3, -2:3]
    saddle = np.exp(0.1 * (x * x - y * y))
    tilted_saddle = np.exp(-0.1 * (x * x + y * y) + 0.5 * x * y)
    valley = np.exp(0.1 * (x * x + y * y))
    ridge = np.exp(-0.1 * x * x + 0.0 * y)
    flat = np.ones((5, 5))
    nothing = np.zeros((5, 5))
    negative = -np.exp(-0.1 * (x * x + y * y))
    nan = np.exp(-0.1 * (x * x + y * y))
    nan[2, 3] = np.nan
    cases = np.stack(
        [saddle, tilted_saddle, valley, ridge, flat, nothing, negative, nan]
    )
    step, solved = taylor(cases)
    assert not solved.any()
    assert np.all(step == 0)


def test_zeros_beside_the_peak_are_finite(taylor):
    alone = np.zeros((1, 5, 5))
    alone[0, 2, 2] = 1
    step, solved = taylor(alone)
    assert solved.all()
    assert np.all(step == 0)


def test_limit_shortens_and_keeps_the_direction():
    steps = torch.tensor([[3.0, 4.0], [-0.3, 0.4], [0.0, 0.0], [0.0, -7.0]])
    limited = limit_step(steps, 2.0)
    expected = torch.tensor([[1.2, 1.6], [-0.3, 0.4], [0.0, 0.0], [0.0, -2.0]])
    torch.testing.assert_close(limited, expected)


ORACLES = dict(
    sign=oracles.quarter_shift_sign, second=oracles.quarter_shift_second
)


@pytest.mark.parametrize('variant', ORACLES)
def test_quarter_shift_equals_the_loop(rng, variant):
    noise = rng.normal(size=(100, 6, 5)).astype(np.float32)
    clean = gaussians(rng.uniform(0, 24, (50, 2)), (24, 32), 2.0)
    for maps in (noise, clean.astype(np.float32)):
        heatmaps = torch.as_tensor(maps)
        shifts = quarter_shift(heatmaps, find_peaks(heatmaps), variant)
        assert np.asarray(shifts).dtype == np.float32
        expected = [ORACLES[variant](heatmap) for heatmap in maps]
        np.testing.assert_allclose(shifts, expected, atol=1e-6)


def test_quarter_shift_of_real_maps(real_heatmaps):
    maps = real_heatmaps[:5].reshape(-1, 64, 48)
    heatmaps = torch.from_numpy(maps)
    for variant, oracle in ORACLES.items():
        shifts = quarter_shift(heatmaps, find_peaks(heatmaps), variant)
        expected = [oracle(heatmap) for heatmap in maps]
        np.testing.assert_allclose(shifts, expected, atol=1e-6)


def test_second_goes_straight_to_a_distant_second_peak():
    maps = torch.zeros(1, 20, 20)
    maps[0, 10, 5] = 1
    maps[0, 14, 8] = 0.5
    shift = quarter_shift(maps, find_peaks(maps), 'second')
    torch.testing.assert_close(shift, torch.tensor([[0.15, 0.20]]))


def test_quarter_shift_without_neighbours():
    for shape in [(1, 1, 1), (1, 1, 4), (1, 4, 1)]:
        maps = torch.zeros(shape)
        maps[0, 0, 0] = 1
        for variant in ORACLES:
            shift = quarter_shift(maps, find_peaks(maps), variant)
            assert shift.shape == (1, 2)
            assert shift.isfinite().all()
    maps = torch.full((1, 4, 4), -torch.inf)
    maps[0, 1, 1] = 1
    shift = quarter_shift(maps, find_peaks(maps), 'second')
    assert torch.all(shift == 0)


def test_unknown_variant():
    maps = torch.zeros(1, 4, 4)
    with pytest.raises(ValueError, match="variant.*'sign', 'second'.*'third'"):
        quarter_shift(maps, find_peaks(maps), 'third')


def test_raw_stencil(rng):
    maps = torch.as_tensor(rng.normal(size=(200, 9, 7)).astype(np.float32))
    peaks = find_peaks(maps)
    stencil, fits = raw_stencil(maps, peaks)
    assert 10 < fits.sum() < 190
    for i in range(200):
        x, y = int(peaks.x[i]), int(peaks.y[i])
        assert fits[i] == (2 <= x < 5 and 2 <= y < 7)
        if fits[i]:
            expected = maps[i, y - 2 : y + 3, x - 2 : x + 3]
            np.testing.assert_array_equal(stencil[i], expected)


def test_raw_stencil_of_a_map_that_is_too_small():
    maps = torch.as_tensor(np.eye(9, 4, dtype=np.float32)[None].repeat(3, 0))
    stencil, fits = raw_stencil(maps, find_peaks(maps))
    assert stencil.shape == (3, 5, 5)
    assert not fits.any()
