"""Covariances: exact on Gaussians, and reachable from a model's head."""

import numpy as np
import pytest
import torch
from mmpose.models.heads import HeatmapHead
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample
from sample_maps import SCALES, gaussians

from dark_codec import GaussianFitDecoder, TaylorDecoder
from dark_codec.functional import covariance_to_input

SIZE = (48, 64)
SIGMA = 2.0
DECODERS = {
    'taylor': lambda sigma: TaylorDecoder(sigma=sigma, covariance=True),
    'taylor max': lambda sigma: TaylorDecoder(
        dict(type='GaussianModulation', rescale='max'), sigma, True
    ),
    'no modulation': lambda sigma: TaylorDecoder(None, sigma, True),
    'fit': lambda sigma: GaussianFitDecoder(sigma, True),
}


def decode(maps, decoder):
    maps = torch.as_tensor(np.asarray(maps), dtype=torch.float32)
    decoded = decoder(maps[None])
    assert not decoded.covariance.isnan().any()
    return decoded.covariance[0].double().numpy(), decoded.refined[0].numpy()


def shaped_gaussians(centres, covariances, size=SIZE):
    """(M, 2) centres and (M, 2, 2) covariances, x first, to (M, H, W)."""
    y, x = np.mgrid[: size[1], : size[0]]
    way = np.stack([x, y], -1) - centres[:, None, None]
    precisions = np.linalg.inv(covariances)
    return np.exp(-0.5 * np.einsum('mhwi,mij,mhwj->mhw', way, precisions, way))


def random_covariances(rng, count, low, high):
    """Principal axes of any direction, standard deviations low to high."""
    angle = rng.uniform(0, np.pi, count)
    cos, sin = np.cos(angle), np.sin(angle)
    axes = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
    deviations = rng.uniform(low, high, (count, 2))
    return np.einsum('mij,mj,mkj->mik', axes, deviations**2, axes)


@pytest.mark.parametrize('name', DECODERS)
def test_exact_on_anisotropic_gaussians(rng, name, kernel):
    """Of other shapes than the training Gaussian, too: 0.6 to 1.4 sigma."""
    expected = random_covariances(rng, 100, 0.6 * SIGMA, 1.4 * SIGMA)
    centres = rng.uniform(18, [SIZE[0] - 19, SIZE[1] - 19], (100, 2))
    maps = shaped_gaussians(centres, expected)
    covariances, refined = decode(maps, DECODERS[name](SIGMA))
    assert refined.all()
    # px^2, on values of 1.4 to 7.8. Measured: 0.05; windows end at 3
    # sigma, where the widest maps are not over.
    np.testing.assert_allclose(covariances, expected, atol=0.08)
    # without the kernel's second moment all would be sigma^2 too large
    off_diagonal = np.abs(expected[:, 0, 1])
    assert off_diagonal.max() > 2


@pytest.mark.parametrize('name', DECODERS)
@pytest.mark.parametrize('scale', SCALES)
def test_the_training_gaussian_gives_its_sigma(rng, scale, name):
    size, sigma, _ = scale
    extent = np.array(size) - 1
    centres = rng.uniform(5 * sigma, extent - 5 * sigma, (100, 2))
    maps = gaussians(centres, size, sigma)
    covariances, _ = decode(maps, DECODERS[name](sigma))
    expected = np.broadcast_to(sigma**2 * np.eye(2), (100, 2, 2))
    # a kernel that is cut off at 3 sigma leaves 1.6 %
    cut_off = 1e-4 if name in ('fit', 'no modulation') else 0.02
    np.testing.assert_allclose(covariances, expected, atol=cut_off * sigma**2)


@pytest.mark.parametrize('scale', SCALES)
def test_the_fit_knows_the_border(rng, scale):
    """The training Gaussian's covariance wherever the border cuts it."""
    size, sigma, _ = scale
    centres = rng.uniform(-0.5, np.array(size) - 0.5, (500, 2))
    covariances, refined = decode(
        gaussians(centres, size, sigma), DECODERS['fit'](sigma)
    )
    assert refined.all()
    expected = np.broadcast_to(sigma**2 * np.eye(2), (500, 2, 2))
    np.testing.assert_allclose(covariances, expected, atol=0.01 * sigma**2)


@pytest.mark.parametrize('name', DECODERS)
def test_positive_semidefinite_or_unknown(rng, name, real_heatmaps):
    noise = rng.normal(size=(200, 64, 48))
    maps = np.concatenate([noise, real_heatmaps[:20].reshape(-1, 64, 48)])
    maps[0] = 0
    maps[1, 5, 5] = np.nan
    covariances, refined = decode(maps, DECODERS[name](SIGMA))
    assert not refined[:2].any()
    assert np.isfinite(covariances[refined]).all()
    np.testing.assert_array_equal(
        covariances[refined], covariances[refined].transpose(0, 2, 1)
    )
    check_semidefinite(covariances[refined])
    unknown = np.diag([np.inf, np.inf])
    for covariance in covariances[~refined]:
        np.testing.assert_array_equal(covariance, unknown)


def check_semidefinite(covariances):
    """Exactly: float64 holds the products of float32 numbers."""
    (xx, xy), (_, yy) = np.moveaxis(covariances, 0, -1)
    assert np.all(xx >= 0) and np.all(yy >= 0)
    assert np.all(xy * xy <= xx * yy)


@pytest.mark.parametrize('name', DECODERS)
def test_semidefinite_where_the_kernel_is_wider(rng, name, kernel):
    """The difference of the two variances is rounding, or negative."""
    centres = rng.uniform(10, [37, 53], (100, 2))
    noise = rng.normal(size=(100, 64, 48))
    for sigma, maps in [
        (0.6, gaussians(centres, SIZE, 0.4)),
        (2.0, gaussians(centres, SIZE, (0.2, 1.5))),
        (2.0, noise),
    ]:
        decoder = DECODERS[name](sigma)
        covariances, refined = decode(maps, decoder)
        check_semidefinite(covariances[refined])
        # and in input px, by steps that are no powers of two
        covariances = covariance_to_input(
            torch.as_tensor(covariances[refined]).float(),
            (211, 379),
            SIZE,
            'align_corners',
        )
        check_semidefinite(covariances.double().numpy())


def test_not_made_unless_asked_for():
    maps = torch.rand(1, 2, 64, 48)
    assert TaylorDecoder(sigma=SIGMA)(maps).covariance is None
    assert GaussianFitDecoder(SIGMA)(maps).covariance is None


def codec_config(decoder, **args):
    return dict(
        type='DARKCodec', decoder=dict(type=decoder, covariance=True), **args
    )


# input px per heatmap px along x and y for 192x256 and 48x64
STRIDES = dict(
    asymmetric=(4, 4), half_pixel=(4, 4), align_corners=(191 / 47, 255 / 63)
)


@pytest.mark.parametrize('use_udp', [False, True])
@pytest.mark.parametrize('alignment', STRIDES)
@pytest.mark.parametrize('decoder', ['TaylorDecoder', 'GaussianFitDecoder'])
def test_in_input_px_by_the_codec(rng, decoder, alignment, use_udp):
    """Stretched as the coordinates are: d(input px) / d(heatmap px)."""
    cfg = codec_config(decoder, alignment=alignment, use_udp=use_udp)
    codec = KEYPOINT_CODECS.build(cfg)
    heatmap_covariance = np.array([[5.0, 1.5], [1.5, 3.0]])
    # two maps whose centres are 8 and 6 px apart give the coordinates' scale
    centres = np.array([[18.0, 25.0], [26.0, 31.0]])
    maps = shaped_gaussians(centres, np.stack([heatmap_covariance] * 2))
    decoded = codec.decode_on_device(
        torch.as_tensor(maps, dtype=torch.float32)[None]
    )
    points = decoded.points[0].double().numpy()
    scale = np.diag((points[1] - points[0]) / [8, 6])
    stretch = [n / (n - 1) for n in (192, 256)] if use_udp else [1, 1]
    np.testing.assert_allclose(
        np.diag(scale), np.multiply(STRIDES[alignment], stretch), rtol=2e-3
    )
    expected = scale @ heatmap_covariance @ scale
    in_heatmap_px = codec.decoder(
        torch.as_tensor(maps, dtype=torch.float32)[None]
    ).covariance[0]
    for covariance, before in zip(decoded.covariance[0], in_heatmap_px):
        np.testing.assert_allclose(covariance, expected, rtol=0.03)
        exactly = scale @ before.double().numpy() @ scale
        np.testing.assert_allclose(covariance, exactly, rtol=5e-3)


@pytest.mark.parametrize('decoder', ['TaylorDecoder', 'GaussianFitDecoder'])
def test_a_head_predicts_as_without(rng, decoder):
    """MMPose's head takes two lists, and the covariances stay at hand."""
    maps = torch.rand(2, 3, 64, 48)
    cfg = codec_config(decoder)
    plain = dict(cfg, decoder=decoder)
    predictions = []
    for codec in (cfg, plain):
        head = HeatmapHead(3, 3, None, final_layer=None, decoder=codec)
        predictions.append(head.predict((maps,), [PoseDataSample()] * 2))
    for ours, without in zip(*predictions):
        assert ours.keypoints.shape == (1, 3, 2)
        assert ours.keypoint_scores.shape == (1, 3)
        np.testing.assert_array_equal(ours.keypoints, without.keypoints)
        np.testing.assert_array_equal(
            ours.keypoint_scores, without.keypoint_scores
        )
    head = HeatmapHead(3, 3, None, final_layer=None, decoder=cfg)
    decoded = head.decoder.decode_on_device(head.forward((maps,)))
    assert decoded.covariance.shape == (2, 3, 2, 2)
    np.testing.assert_array_equal(
        decoded.points[:, None], [p.keypoints for p in predictions[0]]
    )
