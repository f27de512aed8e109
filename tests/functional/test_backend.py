"""numpy arrays and torch tensors go through the same formulas."""

import numpy as np
import pytest
import torch
from sample_maps import KINDS, SCALES, make_maps

from dark_codec import DARKCodec
from dark_codec.functional import (
    RESCALES,
    SHIFTS,
    _backend,
    encode_biased,
    encode_unbiased,
    find_peaks,
    fit_gaussian,
    gather_windows,
    gaussian_kernel,
    modulate,
    modulated_stencil,
    quarter_shift,
)


def both(function, maps, *args):
    """The results of a function for a tensor and for an array, as arrays."""

    def as_arrays(result):
        parts = result if isinstance(result, tuple) else (result,)
        return [np.asarray(part) for part in parts if part is not None]

    tensors, arrays = function(maps, *args), function(maps.numpy(), *args)
    for part in arrays if isinstance(arrays, tuple) else (arrays,):
        assert part is None or isinstance(part, np.ndarray)
    tensors, arrays = as_arrays(tensors), as_arrays(arrays)
    assert [a.dtype for a in arrays] == [t.dtype for t in tensors]
    assert [a.shape for a in arrays] == [t.shape for t in tensors]
    return tensors, arrays


@pytest.fixture(params=KINDS)
def maps(rng, request):
    size, sigma, _ = SCALES[1]
    return torch.from_numpy(make_maps(request.param, size, sigma, rng)[0])


@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_peaks_and_windows_are_identical(maps, dtype):
    maps = maps.to(dtype)
    for tensor, array in zip(*both(find_peaks, maps)):
        np.testing.assert_array_equal(tensor, array)
    peaks, host_peaks = find_peaks(maps), find_peaks(maps.numpy())
    tensors = gather_windows(maps, peaks.x, peaks.y, 8)
    arrays = gather_windows(maps.numpy(), host_peaks.x, host_peaks.y, 8)
    for tensor, array in zip(tensors, arrays):
        np.testing.assert_array_equal(tensor, array)


def test_peaks_of_ties_nan_and_constants():
    rows = torch.tensor(
        [
            [0.0, 3.0, 3.0, 1.0],
            [0.0, float('nan'), 5.0, float('nan')],
            [float('-inf')] * 4,
            [1.0, float('inf'), float('nan'), 0.0],
            [2.0, 2.0, 2.0, 2.0],
            [2.0, 2.0, 1.0, 2.0],
        ]
    )
    tensors, arrays = both(find_peaks, rows.view(-1, 2, 2))
    for tensor, array in zip(tensors, arrays):
        np.testing.assert_array_equal(tensor, array)
    x, y, _, valid = arrays
    assert (x + 2 * y).tolist() == [1, 1, 0, 2, 0, 0]
    assert valid.tolist() == [True, False, False, False, False, True]


@pytest.mark.parametrize('rescale', RESCALES)
@pytest.mark.parametrize('sigma', [1.0, 3.0])
def test_modulation_agrees(maps, rescale, sigma):
    kernel = gaussian_kernel(sigma)

    def stencil(heatmaps):
        return modulated_stencil(
            heatmaps, find_peaks(heatmaps), kernel, rescale
        )

    for function in (lambda h: modulate(h, kernel, rescale), stencil):
        for tensor, array in zip(*both(function, maps)):
            np.testing.assert_allclose(tensor, array, atol=2e-6, rtol=0)


@pytest.mark.parametrize('variant', SHIFTS)
def test_quarter_shifts_are_identical(maps, variant):
    def shift(heatmaps):
        return quarter_shift(heatmaps, find_peaks(heatmaps), variant)

    for tensor, array in zip(*both(shift, maps)):
        np.testing.assert_array_equal(tensor, array)


def test_fits_agree(maps):
    def fit(heatmaps):
        return fit_gaussian(heatmaps, find_peaks(heatmaps), 2.0, True)

    tensors, arrays = both(fit, maps)
    np.testing.assert_array_equal(tensors[1], arrays[1])
    solved = arrays[1]
    np.testing.assert_allclose(tensors[0], arrays[0], atol=1e-4)
    np.testing.assert_allclose(
        tensors[2][solved], arrays[2][solved], rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize('encode', [encode_unbiased, encode_biased])
def test_encoders_agree(encode, rng):
    points = torch.from_numpy(
        (rng.random((3, 2, 5, 2)) * 80 - 10).astype(np.float32)
    )
    visible = torch.from_numpy(rng.random((3, 2, 5)).astype(np.float32))

    tensors = encode(points, visible, (48, 64), 2.0)
    arrays = encode(points.numpy(), visible.numpy(), (48, 64), 2.0)
    for tensor, array in zip(tensors, arrays):
        assert isinstance(array, np.ndarray) and array.dtype == np.float32
        np.testing.assert_allclose(tensor, array, atol=3e-7)


@pytest.mark.parametrize('decoder', ['TaylorDecoder', 'GaussianFitDecoder'])
@pytest.mark.parametrize('alignment', ['asymmetric', 'half_pixel'])
def test_decoded_keypoints_agree(monkeypatch, maps, alignment, decoder):
    codec = DARKCodec(alignment=alignment, decoder=decoder)
    host = codec.decode_on_device(maps[None])
    monkeypatch.setattr('dark_codec.decoders.host_array', lambda tensor: None)
    tensors = codec.decode_on_device(maps[None])
    np.testing.assert_allclose(host.points, tensors.points, atol=4e-3)
    assert torch.equal(host.scores, tensors.scores)
    assert torch.equal(host.refined, tensors.refined)


def test_which_tensors_become_arrays():
    class Marked(torch.Tensor):
        pass

    maps = torch.rand(2, 6, 6)
    array = _backend.host_array(maps)
    assert array.ctypes.data == maps.data_ptr()
    assert _backend.host_array(maps.bfloat16()).dtype == np.float32
    assert _backend.host_array(maps.as_subclass(Marked)) is None
    assert _backend.host_array(maps.to('meta')) is None

    seen = []

    def traced(tensor):
        seen.append(_backend.host_array(tensor))
        return tensor + 1

    torch.jit.trace(traced, maps, check_trace=False)
    assert seen == [None]


def test_constants_made_in_inference_mode_can_be_used_in_training():
    _backend._device_table.cache_clear()
    maps = torch.rand(2, 6, 6, requires_grad=True)
    kernel = gaussian_kernel(1.25)
    with torch.inference_mode():
        expected = modulate(maps, kernel)
    torch.testing.assert_close(modulate(maps, kernel), expected)
