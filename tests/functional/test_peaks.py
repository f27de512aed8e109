import math

import numpy as np
import oracles
import pytest
import torch

from dark_codec.functional import find_peaks, gather_windows


def test_equals_the_loop(rng):
    maps = rng.normal(size=(20, 9, 7)).astype(np.float32)
    peaks = find_peaks(torch.as_tensor(maps))
    expected = [oracles.argmax(heatmap) for heatmap in maps]
    assert list(zip(peaks.x.tolist(), peaks.y.tolist())) == expected
    np.testing.assert_array_equal(peaks.score, maps.max((1, 2)))
    assert peaks.valid.all()


def test_first_of_equals():
    maps = torch.zeros(2, 4, 5)
    maps[0, 1, 3] = maps[0, 1, 4] = maps[0, 3, 0] = 1
    maps[1, 3, 0] = maps[1, 2, 4] = 1
    peaks = find_peaks(torch.as_tensor(maps))
    assert peaks.x.tolist() == [3, 4]
    assert peaks.y.tolist() == [1, 2]


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_what_says_nothing_is_not_valid(bad):
    maps = torch.rand(7, 6, 5) + 0.1
    maps[0] = 0
    maps[1] = 0.7
    maps[2] = -torch.rand(6, 5) - 0.1
    maps[3, 4, 4] = bad
    maps[4, 0, 0] = bad
    maps[5] = bad
    peaks = find_peaks(torch.as_tensor(maps))
    assert peaks.valid.tolist() == [False] * 6 + [True]
    assert peaks.score[:6].tolist() == [0] * 6
    assert peaks.score[6] == maps[6].max()


def test_maximum_at_the_origin_is_valid():
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 0] = 0.2
    peaks = find_peaks(torch.as_tensor(maps))
    assert peaks.valid.all()
    assert (peaks.x.item(), peaks.y.item()) == (0, 0)


@pytest.mark.parametrize(
    'dtype', [torch.float16, torch.bfloat16, torch.float64]
)
def test_dtypes(rng, dtype):
    maps = torch.tensor(rng.normal(size=(20, 9, 7))).to(dtype)
    peaks = find_peaks(maps)
    expected = [oracles.argmax(heatmap) for heatmap in maps.double().numpy()]
    assert list(zip(peaks.x.tolist(), peaks.y.tolist())) == expected
    assert peaks.score.dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_windows_are_zero_outside_of_the_map(rng, dtype):
    maps = torch.from_numpy(rng.normal(size=(20, 9, 7))).to(dtype)
    # what lies on the border must not be seen outside of it
    maps[:, 0], maps[:, :, -1] = math.inf, math.nan
    x, y = rng.integers(0, 7, 20), rng.integers(0, 9, 20)
    windows = gather_windows(maps, torch.from_numpy(x), torch.from_numpy(y), 3)
    assert windows.values.dtype == torch.float32
    padded = np.pad(maps.float().numpy(), ((0, 0), (3, 3), (3, 3)))
    columns, rows = (np.arange(-3, 4) + at[:, None] for at in (x, y))
    for i in range(20):
        np.testing.assert_array_equal(
            windows.values[i], padded[i, y[i] : y[i] + 7, x[i] : x[i] + 7]
        )
    assert (windows.inside_x.numpy() == (columns >= 0) & (columns < 7)).all()
    assert (windows.inside_y.numpy() == (rows >= 0) & (rows < 9)).all()


def test_a_window_larger_than_the_map():
    maps = torch.rand(1, 2, 1) + 1
    at = torch.tensor([0])
    values = gather_windows(maps, at, at + 1, 2).values[0]
    expected = torch.zeros(5, 5)
    expected[1:3, 2] = maps[0, :, 0]
    assert torch.equal(values, expected)
