"""The short way on the host finds what the functions for all maps find."""

import numpy as np
import pytest
import torch
from sample_maps import KINDS, SCALES, make_maps

from dark_codec import DARKCodec, GaussianModulation, TaylorDecoder
from dark_codec.decoders import HeatmapDecoder
from dark_codec.functional import (
    RESCALES,
    find_peaks,
    gaussian_kernel,
    limit_step,
    log_derivatives,
    modulated_stencil,
    newton_step,
    opencv_kernel,
)
from dark_codec.functional._backend import PIECE
from dark_codec.functional.host import decode_peaks

SIGMA = 2.0
RADIUS = 2.0  # of the trust region


def long_way(maps, kernel, rescale):
    """On tensors: points, scores, and which maps are regular peaks."""
    maps = torch.from_numpy(maps)
    peaks = find_peaks(maps)
    stencil = modulated_stencil(maps, peaks, kernel, rescale)
    step, solved = newton_step(log_derivatives(stencil))
    inside = step.norm(dim=1) <= RADIUS
    points = torch.stack([peaks.x, peaks.y], 1) + limit_step(step, RADIUS)
    regular = peaks.valid & solved & inside
    return points.numpy(), peaks.score.numpy(), regular.numpy()


def peaks_at(centres, size=(48, 64), sigma=SIGMA):
    x, y = np.moveaxis(np.asarray(centres, float)[..., None, None], 1, 0)
    across = np.arange(size[0]) - x
    down = np.arange(size[1])[:, None] - y
    maps = np.exp(-(across**2 + down**2) / (2 * sigma**2))
    return maps.astype(np.float32)


@pytest.mark.parametrize('rescale', RESCALES)
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('scale', range(len(SCALES)))
def test_regular_maps_come_out_the_same(scale, kind, rescale, rng):
    size, sigma, _ = SCALES[scale]
    maps = make_maps(kind, size, sigma, rng, count=200)[0]
    kernel = gaussian_kernel(sigma)
    points, scores, regular = long_way(maps, kernel, rescale)
    assert regular.mean() > 0.5
    # many, which are filtered in one product, and few, which are not
    for some in (regular, np.flatnonzero(regular)[:20]):
        found = decode_peaks(maps[some], kernel, rescale, RADIUS)
        np.testing.assert_allclose(found[0], points[some], atol=1e-5)
        np.testing.assert_array_equal(found[1], scores[some])


@pytest.mark.parametrize('size', [(3, 4), (5, 5), (7, 40), (48, 9)])
@pytest.mark.parametrize('kernel_size', [1, 11])
def test_small_maps_and_other_kernels(size, kernel_size, rng):
    centres = rng.uniform(0, np.subtract(size, 1), (100, 2))
    maps = peaks_at(centres, size)
    kernel = opencv_kernel(kernel_size)
    points, _, regular = long_way(maps, kernel, 'max')
    assert regular.any()
    found, _ = decode_peaks(maps[regular], kernel, 'max', RADIUS)
    np.testing.assert_allclose(found, points[regular], atol=1e-5)


BAD = {
    'zero': lambda m: m * 0,
    'constant': lambda m: m * 0 + 1,
    'negative': lambda m: m - 2,
    'nan at the peak': lambda m: np.where(m == m.max(), np.nan, m),
    'nan far away': lambda m: np.where(m == m.min(), np.nan, m),
    'inf': lambda m: np.where(m == m.max(), np.inf, m),
    '-inf beside the peak': lambda m: (
        np.roll(np.where(m == m.max(), -np.inf, 0) + m, 1, 1) + m
    ),
    'saddle': lambda m: (
        np.add.outer(
            -((np.arange(64) - 30.0) ** 2), 0.5 * np.abs(np.arange(48) - 20.0)
        )
        / 4000
        + 2
    ),
    'ridge': lambda m: m * 0 + m.max(0),
}


@pytest.mark.parametrize('rescale', RESCALES)
@pytest.mark.parametrize('bad', BAD)
def test_what_is_no_regular_peak_is_left_to_others(bad, rescale):
    good = peaks_at([[20.3, 30.6], [24.1, 11.2], [5.5, 60.1]])
    maps = good.copy()
    with np.errstate(invalid='ignore'):
        maps[1] = BAD[bad](maps[1])
    kernel = gaussian_kernel(SIGMA)
    regular = long_way(maps, kernel, rescale)[2]
    assert regular.tolist() == [True, False, True]
    with np.errstate(all='ignore'):
        assert decode_peaks(maps, kernel, rescale, RADIUS) is None
    decoder = TaylorDecoder(
        dict(type='GaussianModulation', rescale=rescale), sigma=SIGMA
    )
    found = decoder(torch.from_numpy(maps)[None])
    expected = HeatmapDecoder.decode_maps(decoder, torch.from_numpy(maps))
    assert found.refined[0].tolist() == expected.refined.tolist()
    assert found.points.isfinite().all()
    torch.testing.assert_close(
        found.points[0, ::2], expected.points[::2], rtol=0, atol=1e-5
    )


def test_a_step_out_of_the_trust_region_is_left_to_others():
    maps = peaks_at([[20, 30], [20.4, 30]])
    kernel = gaussian_kernel(SIGMA)
    assert decode_peaks(maps, kernel, 'max', 0.5) is not None
    assert decode_peaks(maps, kernel, 'max', 0.3) is None


def test_a_peak_in_the_first_pixel_is_regular():
    """There `argmax` gives 0, as for constant maps."""
    maps = peaks_at([[0, 0], [20, 30]])
    kernel = gaussian_kernel(SIGMA)
    found, _ = decode_peaks(maps, kernel, 'max', RADIUS)
    points, _, regular = long_way(maps, kernel, 'max')
    assert regular.all()
    np.testing.assert_allclose(found, points, atol=1e-5)


def test_many_maps_are_decoded_in_pieces(rng):
    centres = rng.uniform(4, 20, (PIECE + 30, 2))
    maps = peaks_at(centres, (24, 24), 1.0)
    maps[PIECE] = 0
    decode = DARKCodec((96, 96), sigma=1.0).batch_decode
    whole = np.stack(decode(torch.from_numpy(maps)[:, None])[0])[:, 0, 0]
    single = [decode(torch.from_numpy(m)[None, None])[0][0] for m in maps]
    np.testing.assert_allclose(whole, np.concatenate(single)[:, 0], atol=1e-4)
    whole = np.delete(whole, PIECE, 0) / 4
    truth = np.delete(centres, PIECE, 0)
    np.testing.assert_allclose(whole, truth, atol=2e-2)


class Sharpened(GaussianModulation):
    def stencil(self, heatmaps, peaks):
        stencil = super().stencil(heatmaps, peaks)
        return stencil**2 + 0.2 * stencil[:, ::-1, ::-1]


def test_a_modulation_of_ones_own_is_not_passed_over():
    maps = torch.from_numpy(peaks_at([[20.3, 30.6]]))[None]
    plain = TaylorDecoder(sigma=SIGMA)
    own = TaylorDecoder(dict(type=Sharpened, rescale='max'), sigma=SIGMA)
    assert (plain(maps).points - own(maps).points).abs().max() > 0.01
