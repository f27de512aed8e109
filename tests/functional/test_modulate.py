import cv2
import numpy as np
import oracles
import pytest
import torch
from sample_maps import KINDS, SCALES, make_maps

from dark_codec.functional import (
    RESCALES,
    find_peaks,
    gaussian_kernel,
    modulate,
    modulated_stencil,
    opencv_kernel,
)


@pytest.mark.parametrize('sigma', [0.3, 1, 1.5, 2.0, 3.0])
def test_matched_kernel(sigma):
    np.testing.assert_allclose(
        gaussian_kernel(sigma), oracles.gaussian_taps(sigma), atol=1e-12
    )


@pytest.mark.parametrize('size', [1, 3, 5, 7, 9, 11, 17, 31])
def test_opencv_kernel_blurs_as_gaussian_blur_does(size):
    impulse = np.zeros((41, 41))
    impulse[20, 20] = 1
    blurred = cv2.GaussianBlur(impulse, (size, size), 0)
    kernel = np.array(opencv_kernel(size))
    radius = size // 2
    inner = slice(20 - radius, 21 + radius)
    np.testing.assert_allclose(
        np.outer(kernel, kernel), blurred[inner, inner], atol=1e-12
    )
    assert blurred.sum() == pytest.approx(blurred[inner, inner].sum())


@pytest.mark.parametrize('rescale', RESCALES)
@pytest.mark.parametrize('kind', [*KINDS, 'real'])
def test_equals_dense_convolution(rng, request, kind, rescale):
    if kind == 'real':
        maps, sigma = request.getfixturevalue('real_heatmaps')[:1, :6], 2.0
        maps = maps[0]
    else:
        (size, sigma, _) = SCALES[1]
        maps, _ = make_maps(kind, size, sigma, rng, count=6)
    kernel = gaussian_kernel(sigma)
    result = modulate(torch.as_tensor(maps), kernel, rescale)
    assert np.asarray(result).dtype == np.float32
    for heatmap, modulated in zip(maps, result):
        expected = oracles.Modulated(heatmap, np.array(kernel), rescale)
        np.testing.assert_allclose(modulated, expected.inner(), atol=3e-6)


def test_interior_equals_opencv(rng):
    """There the border has no say, and Eq. 10 is a plain blur."""
    maps = rng.normal(size=(4, 40, 30)).astype(np.float32)
    result = modulate(torch.as_tensor(maps), opencv_kernel(11), 'none')
    for heatmap, modulated in zip(maps, result):
        blurred = cv2.GaussianBlur(heatmap, (11, 11), 0)
        np.testing.assert_allclose(
            modulated[5:-5, 5:-5], blurred[5:-5, 5:-5], atol=1e-6
        )


def test_correlation_with_a_cut_off_gaussian_is_highest_at_its_centre():
    """What dividing by the norm is for; plain smoothing moves it inwards."""
    y, x = np.mgrid[:32, :24]
    maps = np.stack(
        [np.exp(-((x - c) ** 2 + (y - 20 + c) ** 2) / 8) for c in range(3)]
    ).astype(np.float32)
    result = modulate(torch.as_tensor(maps), gaussian_kernel(2.0), 'none')
    peaks = find_peaks(result)
    assert peaks.x.tolist() == [0, 1, 2]
    assert peaks.y.tolist() == [20, 19, 18]


def test_ranges_of_the_rescalings(rng):
    maps = rng.normal(size=(8, 32, 24)).astype(np.float32)
    kernel = gaussian_kernel(1.0)
    minmax, largest, plain = (
        np.asarray(modulate(torch.as_tensor(maps), kernel, rescale))
        for rescale in ('minmax', 'max', 'none')
    )
    np.testing.assert_allclose(minmax.min((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(minmax.max((1, 2)), maps.max((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        largest.max((1, 2)), maps.max((1, 2)), rtol=1e-5
    )
    assert np.all(plain.max((1, 2)) < 0.8 * maps.max((1, 2)))


def test_empty_maps_stay_empty():
    maps = torch.as_tensor(np.zeros((2, 8, 6), np.float32))
    for rescale in RESCALES:
        assert (modulate(maps, gaussian_kernel(1.0), rescale) == 0).all()


@pytest.mark.parametrize('scale', SCALES, ids=str)
@pytest.mark.parametrize('rescale', RESCALES)
@pytest.mark.parametrize('kind', KINDS)
def test_stencil(rng, scale, kind, rescale):
    """Up to its factor, which the stencil leaves out."""
    size, sigma, _ = scale
    maps, _ = make_maps(kind, size, sigma, rng)
    peaks = find_peaks(torch.as_tensor(maps))
    kernel = gaussian_kernel(sigma)
    result = modulated_stencil(torch.as_tensor(maps), peaks, kernel, rescale)
    assert result.shape == (len(maps), 5, 5)
    offsets = range(-2, 3)
    for heatmap, x, y, stencil in zip(maps, peaks.x, peaks.y, result):
        modulated = oracles.Modulated(heatmap, np.array(kernel), rescale)
        expected = np.array(
            [
                [modulated[int(x) + dx, int(y) + dy] for dx in offsets]
                for dy in offsets
            ]
        )
        np.testing.assert_allclose(
            stencil / stencil[2, 2], expected / expected[2, 2], atol=1e-5
        )


def test_stencil_where_the_kernel_reaches_past_the_map(rng):
    """Kernel 3 sees nothing two pixels outside; the map is 4 px narrow."""
    maps = rng.uniform(0.1, 0.5, (4, 5, 4)).astype(np.float32)
    for i, (x, y) in enumerate([(0, 0), (3, 4), (0, 4), (2, 2)]):
        maps[i, y, x] = 1
    peaks = find_peaks(torch.as_tensor(maps))
    for kernel in (opencv_kernel(3), gaussian_kernel(3.0)):
        result = modulated_stencil(
            torch.as_tensor(maps), peaks, kernel, 'none'
        )
        for heatmap, x, y, stencil in zip(maps, peaks.x, peaks.y, result):
            modulated = oracles.Modulated(heatmap, np.array(kernel), 'none')
            expected = [
                [modulated[int(x) + dx, int(y) + dy] for dx in range(-2, 3)]
                for dy in range(-2, 3)
            ]
            np.testing.assert_allclose(stencil, expected, atol=1e-6)


def test_refusals():
    maps = torch.zeros(1, 8, 8)
    kernel = gaussian_kernel(1.0)
    message = "rescale.*'minmax', 'max', 'none'.*'sum'"
    with pytest.raises(ValueError, match=message):
        modulate(maps, kernel, 'sum')
    with pytest.raises(ValueError, match=message):
        modulated_stencil(maps, find_peaks(maps), kernel, 'sum')
    for sigma in (0, -1.0, float('nan'), float('inf'), '2'):
        with pytest.raises(ValueError, match=r'sigma.*positive.*got'):
            gaussian_kernel(sigma)
    for size in (0, -3, 4, 3.0, None):
        with pytest.raises(ValueError, match=r'kernel_size.*odd.*got'):
            opencv_kernel(size)
