import math

import numpy as np
import oracles
import pytest
import torch

from dark_codec.functional import find_peaks, gather_windows


def test_equals_the_loop(rng, array):
    maps = rng.normal(size=(20, 9, 7)).astype(np.float32)
    peaks = find_peaks(array(maps))
    expected = [oracles.argmax(heatmap) for heatmap in maps]
    assert list(zip(peaks.x.tolist(), peaks.y.tolist())) == expected
    np.testing.assert_array_equal(peaks.score, maps.max((1, 2)))
    assert peaks.valid.all()


def test_first_of_equals(array):
    maps = torch.zeros(2, 4, 5)
    maps[0, 1, 3] = maps[0, 1, 4] = maps[0, 3, 0] = 1
    maps[1, 3, 0] = maps[1, 2, 4] = 1
    peaks = find_peaks(array(maps))
    assert peaks.x.tolist() == [3, 4]
    assert peaks.y.tolist() == [1, 2]


@pytest.mark.parametrize('bad', [math.nan, math.inf])
def test_what_says_nothing_is_not_valid(bad, array):
    maps = torch.rand(7, 6, 5) + 0.1
    maps[0] = 0
    maps[1] = 0.7
    maps[2] = -torch.rand(6, 5) - 0.1
    maps[3, 4, 4] = bad
    maps[4, 0, 0] = bad
    maps[5] = bad
    peaks = find_peaks(array(maps))
    assert peaks.valid.tolist() == [False] * 6 + [True]
    assert peaks.score[:6].tolist() == [0] * 6
    assert peaks.score[6] == maps[6].max()


def test_maximum_at_the_origin_is_valid(array):
    maps = torch.zeros(1, 4, 4)
    maps[0, 0, 0] = 0.2
    peaks = find_peaks(array(maps))
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


def test_windows_move_into_the_map(rng, array):
    maps = rng.normal(size=(20, 9, 7)).astype(np.float32)
    x, y = rng.integers(0, 7, 20), rng.integers(0, 9, 20)
    windows, column, row = gather_windows(array(maps), array(x), array(y), 2)
    assert windows.shape == (20, 5, 5)
    for i in range(20):
        left, top = min(max(x[i] - 2, 0), 2), min(max(y[i] - 2, 0), 4)
        expected = maps[i, top : top + 5, left : left + 5]
        np.testing.assert_array_equal(windows[i], expected)
        assert (column[i], row[i]) == (x[i] - left, y[i] - top)


def test_window_larger_than_the_map(rng, array):
    maps = torch.rand(3, 9, 4)
    at = torch.tensor([0, 1, 3])
    windows, column, row = gather_windows(
        array(maps), array(at), array(at + 5), 3
    )
    assert windows.shape == (3, 7, 4)
    assert column.tolist() == [0, 1, 3]
    assert row.tolist() == [3, 4, 6]
    np.testing.assert_array_equal(windows[2], maps[2, 2:])
