"""What MMPose asks of its Gaussian codecs, asked of DARKCodec and of them.

The differences that docs/faq.md names are tested as such.
"""

import numpy as np
import pytest
from mmpose.codecs import MegviiHeatmap, MSRAHeatmap, UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS

from dark_codec import DARKCodec

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
MSRA = [
    dict(type='MSRAHeatmap', sigma=2, **SIZES),
    dict(type='MSRAHeatmap', sigma=2, unbiased=True, **SIZES),
]
UDP = [dict(type='UDPHeatmap', sigma=2, **SIZES)]
MEGVII = [dict(type='MegviiHeatmap', kernel_size=11, **SIZES)]
DARK = [
    dict(type='DARKCodec', sigma=2, **SIZES, alignment=alignment)
    for alignment in ('asymmetric', 'half_pixel', 'align_corners')
] + [
    dict(type='DARKCodec', sigma=2, **SIZES, decoder=decoder)
    for decoder in ('QuarterShiftDecoder', 'GaussianFitDecoder')
]


def name(codec):
    extra = [str(codec[k]) for k in list(codec)[1:] if k not in SIZES]
    return ' '.join([codec['type'], *extra])


def every(*codecs):
    return pytest.mark.parametrize(
        'cfg', [cfg for some in codecs for cfg in some], ids=name
    )


@pytest.fixture
def keypoints(rng):
    """One instance of 17, not at the border; in float64, as MMPose has it."""
    return (0.1 + 0.8 * rng.random((1, 17, 2))) * SIZES['input_size']


@every(MSRA, UDP, MEGVII, DARK)
def test_the_registry_builds_it(cfg):
    codec = KEYPOINT_CODECS.build(cfg)
    kinds = dict(
        MSRAHeatmap=MSRAHeatmap,
        UDPHeatmap=UDPHeatmap,
        MegviiHeatmap=MegviiHeatmap,
        DARKCodec=DARKCodec,
    )
    assert type(codec) is kinds[cfg['type']]
    assert codec.label_mapping_table == dict(
        keypoint_weights='keypoint_weights'
    )
    assert codec.field_mapping_table == dict(heatmaps='heatmaps')
    assert not codec.instance_mapping_table


@every(MSRA, UDP, MEGVII, DARK)
def test_encoding(cfg, keypoints):
    codec = KEYPOINT_CODECS.build(cfg)
    visible = np.ones((1, 17), np.float32)
    visible[0, 3] = 0
    encoded = codec.encode(keypoints, visible)
    heatmaps, weights = encoded['heatmaps'], encoded['keypoint_weights']
    assert heatmaps.shape == (17, 64, 48) and heatmaps.dtype == np.float32
    assert weights.shape == (1, 17) and weights.dtype == np.float32
    np.testing.assert_array_equal(weights, visible)
    assert not heatmaps[3].any()
    # the peak is the pixel next to the keypoint
    corners = cfg['type'] == 'UDPHeatmap' or (
        cfg.get('alignment') == 'align_corners'
    )
    scale = (np.array((192, 256)) - corners) / (np.array((48, 64)) - corners)
    for k in set(range(17)) - {3}:
        y, x = np.unravel_index(heatmaps[k].argmax(), (64, 48))
        assert np.abs((x, y) - keypoints[0, k] / scale).max() <= 1


@every(MSRA, UDP, DARK)  # MegviiHeatmap has no default
def test_all_are_visible_by_default(cfg, keypoints):
    codec = KEYPOINT_CODECS.build(cfg)
    given = codec.encode(keypoints, np.ones((1, 17), np.float32))
    found = codec.encode(keypoints)
    for key, value in given.items():
        np.testing.assert_array_equal(found[key], value)


@every(MSRA, UDP, MEGVII, DARK)
def test_decoding(cfg, rng):
    codec = KEYPOINT_CODECS.build(cfg)
    heatmaps = rng.random((17, 64, 48)).astype(np.float32)
    kept = heatmaps.copy()
    keypoints, scores = codec.decode(heatmaps)
    assert keypoints.shape == (1, 17, 2)
    assert scores.shape == (1, 17)
    assert np.isfinite(keypoints).all()
    if cfg['type'] == 'MegviiHeatmap':  # it scales by the kernel
        assert (scores > 0).all()
    else:
        np.testing.assert_allclose(scores[0], kept.max((1, 2)), rtol=1e-6)
    np.testing.assert_array_equal(heatmaps, kept)


@every(MSRA, UDP, MEGVII, DARK)
def test_there_and_back(cfg, keypoints):
    codec = KEYPOINT_CODECS.build(cfg)
    visible = np.ones((1, 17), np.float32)
    heatmaps = codec.encode(keypoints, visible)['heatmaps']
    decoded, _ = codec.decode(heatmaps)
    allowed = 4.0  # a pixel of the map
    if cfg['type'] == 'DARKCodec':
        shifted = cfg.get('decoder') == 'QuarterShiftDecoder'
        allowed = 1.01 if shifted else 0.02
    assert np.abs(decoded - keypoints).max() < allowed


@every(MSRA, UDP, MEGVII)
def test_two_instances_are_refused_by_mmpose(cfg, rng):
    codec = KEYPOINT_CODECS.build(cfg)
    two = rng.random((2, 17, 2)) * SIZES['input_size']
    with pytest.raises(AssertionError, match='single-instance'):
        codec.encode(two, np.ones((2, 17), np.float32))


@every(DARK)
def test_two_instances_share_the_maps(cfg, rng):
    codec = KEYPOINT_CODECS.build(cfg)
    two = rng.random((2, 17, 2)) * SIZES['input_size']
    encoded = codec.encode(two, np.ones((2, 17), np.float32))
    alone = [codec.encode(one[None])['heatmaps'] for one in two]
    np.testing.assert_allclose(
        encoded['heatmaps'], np.maximum(*alone), atol=1e-6
    )
    assert encoded['keypoint_weights'].shape == (2, 17)
    assert codec.decode(encoded['heatmaps'])[0].shape == (1, 17, 2)


def test_kinds_of_heatmaps():
    """DARKCodec has one, and does not take the argument."""
    with pytest.raises(ValueError, match='heatmap_type'):
        KEYPOINT_CODECS.build(dict(UDP[0], heatmap_type='invalid'))
    for kind in ('gaussian', 'combined'):
        with pytest.raises(TypeError, match='heatmap_type'):
            KEYPOINT_CODECS.build(dict(DARK[0], heatmap_type=kind))


def test_keys_of_other_codecs():
    for extra in (
        dict(unbiased=True),
        dict(blur_kernel_size=11),
        dict(kernel_size=11),
    ):
        with pytest.raises(TypeError, match=next(iter(extra))):
            KEYPOINT_CODECS.build(dict(DARK[0], **extra))


def test_a_keypoint_that_cannot_be_located():
    """Finite, with a score of 0; MMPose's DARK says a number that is none."""
    empty = np.zeros((17, 64, 48), np.float32)
    for cfg in DARK:
        keypoints, scores = KEYPOINT_CODECS.build(cfg).decode(empty.copy())
        assert np.isfinite(keypoints).all() and not scores.any()
    theirs, _ = KEYPOINT_CODECS.build(UDP[0]).decode(empty.copy())
    assert not np.isfinite(theirs).all() or (theirs < 0).any()
