"""numpy's fast path and the tensor path are one function."""

import sys

import numpy as np
import pytest
import torch
from sample_maps import KINDS, SCALES, make_maps

from dark_codec import DARKCodec
from dark_codec.functional import (
    RESCALES,
    _host,
    find_peaks,
    gather_windows,
    gaussian_kernel,
    modulate,
    modulated_stencil,
)


def both_paths(monkeypatch, function, *args):
    """What a function returns on the fast path, and off it."""
    fast = function(*args)
    calls = []
    with monkeypatch.context() as patch:
        for name, module in list(sys.modules.items()):
            if name.startswith('dark_codec') and hasattr(module, 'on_host'):
                patch.setattr(module, 'on_host', calls.append)
        slow = function(*args)
    assert calls, 'this function has one path only'
    return fast, slow


@pytest.fixture(params=KINDS)
def maps(rng, request):
    size, sigma, _ = SCALES[1]
    return torch.from_numpy(make_maps(request.param, size, sigma, rng)[0])


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32, torch.half])
def test_peaks_and_windows_are_identical(monkeypatch, maps, dtype):
    maps = maps.to(dtype)
    fast, slow = both_paths(monkeypatch, find_peaks, maps)
    assert all(torch.equal(a, b) for a, b in zip(fast, slow))
    fast, slow = both_paths(
        monkeypatch, gather_windows, maps, fast.x, fast.y, 8
    )
    assert all(torch.equal(a, b) for a, b in zip(fast, slow))


def test_argmax_of_ties_and_nan(monkeypatch):
    rows = torch.tensor(
        [
            [0.0, 3.0, 3.0, 1.0],
            [0.0, float('nan'), 5.0, float('nan')],
            [float('-inf')] * 4,
            [1.0, float('inf'), float('nan'), 0.0],
        ]
    )
    fast, slow = both_paths(monkeypatch, _host.argmax, rows)
    assert fast.tolist() == slow.tolist() == [1, 1, 0, 2]


@pytest.mark.parametrize('rescale', RESCALES)
@pytest.mark.parametrize('sigma', [1.0, 3.0])
def test_modulation_agrees(monkeypatch, maps, rescale, sigma):
    kernel = gaussian_kernel(sigma)
    fast, slow = both_paths(monkeypatch, modulate, maps, kernel, rescale)
    torch.testing.assert_close(fast, slow, atol=2e-6, rtol=0)
    peaks = find_peaks(maps)
    fast, slow = both_paths(
        monkeypatch, modulated_stencil, maps, peaks, kernel, rescale
    )
    torch.testing.assert_close(fast, slow, atol=2e-6, rtol=0)


@pytest.mark.parametrize('alignment', ['asymmetric', 'half_pixel'])
def test_decoded_keypoints_agree(monkeypatch, maps, alignment):
    codec = DARKCodec(alignment=alignment)
    fast, slow = both_paths(monkeypatch, codec.decode, maps.numpy())
    np.testing.assert_allclose(fast[0], slow[0], atol=4e-3)
    np.testing.assert_array_equal(fast[1], slow[1])


def test_which_path_is_taken():
    class Marked(torch.Tensor):
        pass

    maps = torch.rand(2, 6, 6)
    assert _host.on_host(maps)
    assert not _host.on_host(maps.as_subclass(Marked))
    assert not _host.on_host(maps.to('meta'))

    seen = []

    def traced(tensor):
        seen.append(_host.on_host(tensor))
        return tensor + 1

    torch.jit.trace(traced, maps, check_trace=False)
    assert seen == [False]


def test_constants_made_in_inference_mode_can_be_used_in_training():
    _host._device_table.cache_clear()
    maps = torch.rand(2, 6, 6, requires_grad=True)
    kernel = gaussian_kernel(1.25)
    with torch.inference_mode():
        expected = modulate(maps, kernel)
    torch.testing.assert_close(modulate(maps, kernel), expected)
