from pathlib import Path

import numpy as np
import oracles
import pytest
import torch
from mmpose.codecs import MSRAHeatmap
from sample_maps import KINDS, SCALES, make_maps

from dark_codec import (
    ArgmaxDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)
from dark_codec.registry import DECODERS

# in heatmap px; measured are 1e-5, and a wrong decoder is off by 1e-2
TOLERANCE = 5e-5
# decoded by the original DarkPose implementation
GOLDEN = Path(__file__).parent / 'data' / 'golden_darkpose.npz'


def decode(decoder, maps):
    """Decode (M, H, W) numpy maps: points, scores, refined."""
    decoded = decoder(torch.from_numpy(maps)[None])
    return tuple(part[0].numpy() for part in decoded[:3])


def darkpose(kernel_size, sigma):
    """The decoder that published DarkPose and MMPose numbers come from."""
    modulation = dict(
        type='GaussianModulation', kernel_size=kernel_size, rescale='max'
    )
    return TaylorDecoder(modulation, sigma)


def comparable(points, maps, margin, sigma):
    """Peaks away from the border, refined by less than the trust region.

    There are no border rule and no limit in the original implementation.
    """
    peaks = np.array([oracles.argmax(heatmap) for heatmap in maps])
    far = np.array(maps.shape[2:0:-1]) - 1 - margin
    inside = np.all((peaks >= margin) & (peaks <= far), 1)
    short = np.linalg.norm(points - peaks, axis=1) < max(1, sigma) - 1e-3
    return inside & short


@pytest.mark.parametrize('kind', ['clean', 'noisy', 'skewed'])
@pytest.mark.parametrize('scale', SCALES, ids=str)
def test_parity_with_mmpose(rng, scale, kind, kernel):
    size, sigma, kernel_size = scale
    maps, _ = make_maps(kind, size, sigma, rng, count=40)
    msra = MSRAHeatmap(
        size, size, sigma, unbiased=True, blur_kernel_size=kernel_size
    )
    expected, expected_scores = msra.decode(maps)
    points, scores, refined = decode(darkpose(kernel_size, sigma), maps)
    use = comparable(expected[0], maps, kernel_size // 2 + 2, sigma)
    assert use.mean() > 0.5
    assert refined[use].all()
    np.testing.assert_allclose(points[use], expected[0, use], atol=TOLERANCE)
    np.testing.assert_array_equal(scores, expected_scores[0])


def test_parity_with_mmpose_on_real_maps(real_heatmaps):
    maps = real_heatmaps[:100].reshape(-1, 64, 48)
    msra = MSRAHeatmap((48, 64), (48, 64), 2, unbiased=True)
    expected = msra.decode(maps)[0][0]
    points, _, refined = decode(darkpose(11, 2.0), maps)
    use = comparable(expected, maps, 7, 2.0)
    assert use.mean() > 0.5
    assert refined[use].all()
    np.testing.assert_allclose(points[use], expected[use], atol=TOLERANCE)


def golden_cases(real_heatmaps):
    """Kernel size, maps and what DarkPose decodes from them; by case."""
    with np.load(GOLDEN) as arrays:
        for case in sorted({key.split('/')[0] for key in arrays}):
            golden = arrays[f'{case}/darkpose'].reshape(-1, 2)
            maps = arrays.get(f'{case}/heatmaps', real_heatmaps[:6])
            kernel_size = int(case.split('_k')[1].split('_')[0])
            yield kernel_size, maps, golden


def count_compared(kernel_size, maps, golden):
    """How many maps could be compared, all of which agree."""
    sigma = {3: 1.0, 11: 2.0, 17: 3.0}[kernel_size]
    maps = maps.reshape(-1, *maps.shape[-2:])
    points, _, _ = decode(darkpose(kernel_size, sigma), maps)
    use = comparable(golden, maps, kernel_size // 2 + 2, sigma)
    np.testing.assert_allclose(points[use], golden[use], atol=TOLERANCE)
    return use.sum()


def test_parity_with_darkpose(real_heatmaps):
    cases = golden_cases(real_heatmaps)
    *synthetic, real = [count_compared(*case) for case in cases]
    assert synthetic == [6, 6, 4, 4, 2, 2, 2, 2]  # chosen to be comparable
    assert real > 36  # of 72


def test_quarter_shift_is_mmposes(rng, real_heatmaps):
    for maps in (
        make_maps('clean', (48, 64), 2.0, rng, 50)[0],
        make_maps('noisy', (48, 64), 2.0, rng, 50)[0],
        real_heatmaps[:20].reshape(-1, 64, 48),
    ):
        expected, scores = MSRAHeatmap((48, 64), (48, 64), 2).decode(maps)
        result = decode(QuarterShiftDecoder(), maps)
        peaks = np.array([oracles.argmax(heatmap) for heatmap in maps])
        # MMPose leaves out column 1 and row 1, too
        inside = np.all((peaks > 1) & (peaks < [46, 62]), 1)
        assert inside.mean() > 0.8
        np.testing.assert_array_equal(result[0][inside], expected[0, inside])
        np.testing.assert_array_equal(result[1], scores[0])
        assert result[2].all()


def test_literal_quarter_shift(rng, real_heatmaps):
    noisy, _ = make_maps('noisy', (48, 64), 2.0, rng, 20)
    for maps in (noisy, real_heatmaps[:2].reshape(-1, 64, 48)):
        points, _, _ = decode(QuarterShiftDecoder('second'), maps)
        expected = [
            oracles.argmax(heatmap) + oracles.quarter_shift_second(heatmap)
            for heatmap in maps
        ]
        np.testing.assert_allclose(points, expected, atol=1e-5)


def test_argmax(rng):
    maps, _ = make_maps('noisy', (24, 32), 1.0, rng)
    points, scores, refined = decode(ArgmaxDecoder(), maps)
    expected = [oracles.argmax(heatmap) for heatmap in maps]
    np.testing.assert_array_equal(points, expected)
    np.testing.assert_array_equal(scores, maps.max((1, 2)))
    assert refined.all()


def check_against_oracle(maps, sigma, rescale):
    modulation = dict(type='GaussianModulation', rescale=rescale)
    decoder = TaylorDecoder(modulation, sigma)
    points, _, refined = decode(decoder, maps)
    taps = oracles.gaussian_taps(sigma)
    for heatmap, point, ok in zip(maps, points, refined):
        expected, expected_ok = oracles.decode(
            heatmap, taps, rescale, max(1, sigma)
        )
        assert ok == expected_ok
        np.testing.assert_allclose(point, expected, atol=TOLERANCE)
    return points, refined


@pytest.mark.parametrize('rescale', ['minmax', 'max', 'none'])
@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('scale', SCALES, ids=str)
def test_taylor_equals_the_paper(rng, scale, kind, rescale, kernel):
    size, sigma, _ = scale
    maps, _ = make_maps(kind, size, sigma, rng, 8)
    check_against_oracle(maps, sigma, rescale)


@pytest.mark.parametrize('rescale', ['minmax', 'none'])
def test_taylor_equals_the_paper_on_real_maps(real_heatmaps, rescale):
    maps = real_heatmaps[:8].reshape(-1, 64, 48)
    _, refined = check_against_oracle(maps, 2.0, rescale)
    assert refined.mean() > 0.9


def test_unmodulated_taylor(rng):
    """The paper's "without modulation": the log of the map itself.

    Where that has no maximum, the quarter shift decodes.
    """
    clean, _ = make_maps('clean', (48, 64), 2.0, rng, 40)
    noise = rng.normal(0, 0.4, clean.shape).astype(np.float32)
    for maps, minimum, maximum in [(clean, 1, 1), (clean + noise, 0.1, 0.9)]:
        points, _, refined = decode(TaylorDecoder(None, 2.0), maps)
        assert minimum <= refined.mean() <= maximum
        for heatmap, point, ok in zip(maps, points, refined):
            x, y = oracles.argmax(heatmap)
            step = None
            if 2 <= x < 46 and 2 <= y < 62:
                value = {
                    (x + dx, y + dy): float(heatmap[y + dy, x + dx])
                    for dx in range(-2, 3)
                    for dy in range(-2, 3)
                }
                step = oracles.taylor(value, (x, y))
            assert ok == (step is not None)
            if ok:
                step = step * min(1, 2 / np.linalg.norm(step))
            else:
                step = oracles.quarter_shift_sign(heatmap)
            np.testing.assert_allclose(point, [x, y] + step, atol=1e-3)


@pytest.mark.parametrize('scale', SCALES, ids=str)
@pytest.mark.parametrize('rescale', ['minmax', 'max', 'none'])
def test_clean_maps_are_decoded_exactly(rng, scale, rescale):
    size, sigma, _ = scale
    maps, centres = make_maps('clean', size, sigma, rng, 100)
    modulation = dict(type='GaussianModulation', rescale=rescale)
    decoders = [TaylorDecoder(modulation, sigma), TaylorDecoder(None, sigma)]
    for decoder in decoders:
        points, scores, refined = decode(decoder, maps)
        assert refined.all()
        np.testing.assert_allclose(points, centres, atol=2e-4)
        np.testing.assert_array_equal(scores, maps.max((1, 2)))


def test_trust_region(rng):
    """A broad plateau asks for a step of many pixels."""
    y, x = np.mgrid[:64, :48]
    # the peak is an outlier on the flank of a wide Gaussian
    wide = np.exp(-((x - 30) ** 2 + (y - 30) ** 2) / 200)
    wide[28, 24] = 1.1
    maps = wide[None].astype(np.float32)
    points, _, refined = decode(TaylorDecoder(sigma=2.0), maps)
    assert refined.all()
    step = points[0] - [24, 28]
    assert np.linalg.norm(step) == pytest.approx(2.0, abs=1e-4)
    assert step[0] > 0


@pytest.mark.parametrize('name', sorted(DECODERS.module_dict))
def test_batches(rng, name):
    args = dict(sigma=2.0) if DECODERS.get(name).uses_sigma else {}
    decoder = DECODERS.build(dict(type=name, **args))
    maps = torch.from_numpy(make_maps('noisy', (48, 64), 2.0, rng)[0])
    batch = maps.view(3, 4, 64, 48)
    whole = decoder(batch)
    assert whole.points.shape == (3, 4, 2)
    assert whole.scores.shape == whole.refined.shape == (3, 4)
    assert whole.points.dtype == whole.scores.dtype == torch.float32
    assert whole.refined.dtype == torch.bool
    for b in range(3):
        for k in range(4):
            alone = decoder(batch[b : b + 1, k : k + 1])
            torch.testing.assert_close(
                alone.points[0, 0], whole.points[b, k], atol=1e-5, rtol=0
            )
    empty = decoder(batch[:0])
    assert empty.points.shape == (0, 4, 2)


@pytest.mark.parametrize('name', sorted(DECODERS.module_dict))
def test_refused_heatmaps(name):
    args = dict(sigma=2.0) if DECODERS.get(name).uses_sigma else {}
    decoder = DECODERS.build(dict(type=name, **args))
    with pytest.raises(ValueError, match=r'\(B, K, H, W\), got \(3, 64, 48\)'):
        decoder(torch.zeros(3, 64, 48))
    with pytest.raises(TypeError, match='floating.*int64'):
        decoder(torch.zeros(1, 3, 64, 48, dtype=torch.int64))


def test_refusals():
    with pytest.raises(ValueError, match="variant.*'sign', 'second'.*'x'"):
        QuarterShiftDecoder('x')
    for sigma in (None, 0, -1.0, float('nan')):
        with pytest.raises(ValueError, match='sigma.*positive.*got'):
            TaylorDecoder(sigma=sigma)
    with pytest.raises(ValueError, match="modulation 'Blur'.*Gaussian"):
        TaylorDecoder('Blur', 2.0)
    with pytest.raises(TypeError, match='modulation.*name or a dict.*3'):
        TaylorDecoder(3, 2.0)
    for args, message in [
        (dict(kernel_size=4), 'kernel_size.*odd.*4'),
        (dict(kernel_size=0), 'kernel_size.*odd.*0'),
        (dict(rescale='mean'), "rescale.*'minmax'.*'mean'"),
        (dict(sigma=-2.0), 'sigma.*positive.*-2'),
    ]:
        with pytest.raises(ValueError, match=message):
            TaylorDecoder(dict(type='GaussianModulation', **args), 2.0)
