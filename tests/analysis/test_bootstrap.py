"""The bootstrap against closed forms."""

import numpy as np
import pytest
import scipy.stats

from dark_codec.analysis.bootstrap import bootstrap, bootstrap_mean


def test_interval_of_a_mean_is_the_normal_one(rng):
    values = rng.normal(3, 2, (400, 2)) * [1, 10]
    estimate = bootstrap_mean(values, draws=20000)
    # the resampled mean's sd is the population's sd / sqrt(n), exactly
    half = 1.95996 * values.std(0) / 20
    np.testing.assert_allclose(estimate.value, values.mean(0))
    np.testing.assert_allclose(estimate.low, values.mean(0) - half, rtol=0.01)
    np.testing.assert_allclose(estimate.high, values.mean(0) + half, rtol=0.01)


def test_two_images_have_three_means():
    # 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4
    values = np.array([0.0, 1.0])
    assert bootstrap_mean(values, level=0.45)[1:] == (0.5, 0.5)
    assert bootstrap_mean(values, level=0.55)[1:] == (0, 1)


def test_differences_are_paired(rng):
    values = rng.normal(size=300)
    other = values + 0.25
    estimate = bootstrap_mean(other - values)
    np.testing.assert_allclose(estimate, 0.25)
    # both draw the same images
    first, second = bootstrap_mean(values), bootstrap_mean(other)
    np.testing.assert_allclose(np.subtract(second, first), 0.25)


def test_arrays_are_resampled_together(rng):
    x = rng.normal(size=80)
    estimate = bootstrap(lambda a, b: (b / a).std(), x, 2 * x)
    np.testing.assert_allclose(estimate, 0, atol=1e-12)


def test_seeds(rng):
    values = rng.normal(size=30)
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)


@pytest.mark.parametrize(
    'values, arguments, message',
    [
        (np.zeros((0, 2)), {}, 'at least one image'),
        (np.zeros(3), dict(draws=0), 'draws must be positive, got 0'),
        (np.zeros(3), dict(level=95), 'level must lie between .* got 95'),
    ],
)
def test_bad_arguments(values, arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_mean(values, **arguments)


def test_arrays_must_be_of_the_same_images():
    with pytest.raises(ValueError, match=r'lengths \[3, 4\]'):
        bootstrap(np.dot, np.zeros(3), np.zeros(4))


def test_scipy_gives_the_same_intervals(rng):
    """Of the same draws; it takes no single image."""

    def median(index, axis=-1):
        return np.median(values[index], axis=axis)

    def by_scipy(index):
        return scipy.stats.bootstrap(
            (index,),
            median,
            n_resamples=200,
            vectorized=True,
            method='percentile',
            random_state=np.random.default_rng(3),
        ).confidence_interval

    values = rng.normal(size=40)
    found = bootstrap(np.median, values, draws=200, seed=3)
    expected = by_scipy(np.arange(40))
    np.testing.assert_allclose(found[1:], expected, atol=1e-12)
    with pytest.raises(ValueError, match='two or more observations'):
        by_scipy(np.arange(1))
    assert bootstrap(np.median, values[:1])[1:] == (values[0], values[0])
