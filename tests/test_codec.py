import numpy as np
import pytest
import torch
from mmpose.codecs import MSRAHeatmap
from mmpose.models.heads import HeatmapHead
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample
from sample_maps import SCALES, make_maps

from dark_codec import kernels

ALIGNMENTS = ['asymmetric', 'half_pixel', 'align_corners']
SIZES = [(96, 128), (192, 256), (288, 384)]


def build(**args):
    return KEYPOINT_CODECS.build(dict(type='DARKCodec', **args))


def inner_keypoints(codec, rng, count=50, margin=4.0):
    """Keypoints in input px, `margin` sigmas inside of the map."""
    size = np.array(codec.input_size)
    stride = codec.input_size[0] / codec.heatmap_size[0]
    border = (margin * codec.sigma + 1) * stride
    return rng.uniform(border, size - 1 - border, (1, count, 2)).astype('f4')


def test_bare_build():
    codec = build()
    assert codec.input_size == (192, 256)
    assert codec.heatmap_size == (48, 64)
    assert codec.sigma == 2.0
    assert codec.alignment == 'asymmetric'
    assert type(codec.encoder).__name__ == 'UnbiasedEncoder'
    assert type(codec.decoder).__name__ == 'TaylorDecoder'
    modulation = codec.decoder.modulation
    assert type(modulation).__name__ == 'GaussianModulation'
    assert modulation.rescale == 'minmax'
    assert codec.support_batch_decoding


@pytest.mark.parametrize(
    ('input_size', 'sigma'), zip(SIZES, [1.0, 2.0, 3.0]), ids=str
)
def test_defaults_follow_the_input_size(input_size, sigma):
    codec = build(input_size=input_size)
    assert codec.heatmap_size == tuple(n // 4 for n in input_size)
    assert codec.sigma == sigma
    assert codec.decoder.trust_radius == max(1.0, sigma)


def test_sigma_reaches_the_decoder_unless_it_has_its_own():
    kernel = build(sigma=1.5).decoder.modulation.kernel
    assert kernel == build(input_size=(144, 192)).decoder.modulation.kernel
    own = build(decoder=dict(type='TaylorDecoder', sigma=1.5))
    assert own.decoder.modulation.kernel == kernel
    assert own.sigma == 2.0
    inner = build(
        decoder=dict(
            type='TaylorDecoder',
            modulation=dict(type='GaussianModulation', sigma=1.5),
        )
    )
    assert inner.decoder.modulation.kernel == kernel
    assert inner.decoder.trust_radius == 2.0


@pytest.mark.parametrize('encoder', ['UnbiasedEncoder', 'BiasedEncoder'])
def test_encode_returns_what_mmposes_does(rng, encoder):
    codec = build(encoder=encoder)
    msra = MSRAHeatmap(
        (192, 256), (48, 64), 2, unbiased=encoder == 'UnbiasedEncoder'
    )
    keypoints = rng.uniform(-20, 250, (1, 17, 2)).astype(np.float32)
    visible = (rng.uniform(size=(1, 17)) < 0.8).astype(np.float32)
    for args in [(keypoints, visible), (keypoints,)]:
        encoded, expected = codec.encode(*args), msra.encode(*args)
        assert encoded.keys() == expected.keys()
        for key, value in encoded.items():
            assert isinstance(value, np.ndarray)
            assert value.dtype == np.float32
            np.testing.assert_allclose(value, expected[key], atol=1e-6)


def test_inputs_are_left_as_they_are(rng):
    codec = build()
    keypoints = rng.uniform(0, 192, (1, 5, 2)).astype(np.float32)
    visible = np.ones((1, 5), np.float32)
    keypoints[0, 0] = np.nan
    copies = keypoints.copy(), visible.copy()
    encoded = codec.encode(keypoints, visible)
    np.testing.assert_array_equal(keypoints, copies[0])
    np.testing.assert_array_equal(visible, copies[1])
    assert encoded['keypoint_weights'][0].tolist() == [0, 1, 1, 1, 1]
    heatmaps = encoded['heatmaps'].copy()
    codec.decode(heatmaps)
    np.testing.assert_array_equal(heatmaps, encoded['heatmaps'])


# in heatmap px. A Taylor step on the clean maps of the encoder has errors
# of 1e-4 (float32), a quarter shift of up to 0.25, arg max of up to 0.5.
@pytest.mark.parametrize(
    ('encoder', 'decoder', 'tolerance'),
    [
        ('UnbiasedEncoder', 'TaylorDecoder', 1e-3),
        ('UnbiasedEncoder', dict(type='TaylorDecoder', modulation=None), 1e-3),
        ('UnbiasedEncoder', 'QuarterShiftDecoder', 0.2501),
        ('UnbiasedEncoder', 'ArgmaxDecoder', 0.5001),
        ('BiasedEncoder', 'TaylorDecoder', 0.5001),
        ('BiasedEncoder', 'ArgmaxDecoder', 0.5001),
    ],
    ids=str,
)
@pytest.mark.parametrize('alignment', ALIGNMENTS)
@pytest.mark.parametrize('input_size', SIZES, ids=str)
def test_round_trip(rng, input_size, alignment, encoder, decoder, tolerance):
    codec = build(
        input_size=input_size,
        alignment=alignment,
        encoder=encoder,
        decoder=decoder,
    )
    keypoints = inner_keypoints(codec, rng)
    encoded = codec.encode(keypoints)
    decoded, scores = codec.decode(encoded['heatmaps'])
    assert decoded.shape == (1, 50, 2)
    assert scores.shape == (1, 50)
    assert decoded.dtype == scores.dtype == np.float32
    input_size, heatmap_size = np.array([input_size, codec.heatmap_size])
    stride = input_size / heatmap_size
    if alignment == 'align_corners':
        stride = (input_size - 1) / (heatmap_size - 1)
    error = np.abs(decoded - keypoints) / stride
    assert error.max() < tolerance
    # and the errors are what the paper says that they are, not less
    if tolerance > 0.1:
        assert error.max() > 0.8 * tolerance


@pytest.mark.parametrize('alignment', ALIGNMENTS)
def test_strides_that_differ(rng, alignment):
    """MMPose's AlexNet makes 40x56 of 192x256: 4.8 and 4.57 px."""
    sizes = dict(input_size=(192, 256), heatmap_size=(40, 56), sigma=2)
    codec = build(alignment=alignment, **sizes)
    keypoints = inner_keypoints(codec, rng)
    heatmaps = codec.encode(keypoints)['heatmaps']
    decoded, _ = codec.decode(heatmaps)
    np.testing.assert_allclose(decoded, keypoints, atol=5e-3)
    theirs = MSRAHeatmap(unbiased=True, **sizes).encode(keypoints)['heatmaps']
    # theirs end at 3 sigma
    same = np.abs(heatmaps - theirs).max() < 0.012
    assert same == (alignment == 'asymmetric')


@pytest.mark.parametrize('quantise', ['floor', 'ceil', 'round'])
def test_the_bias_of_quantised_targets(rng, quantise):
    """A perfect decoder shows it: half a pixel down, up, or none."""
    codec = build(encoder=dict(type='BiasedEncoder', quantise=quantise))
    keypoints = inner_keypoints(codec, rng, 1000)
    decoded, _ = codec.decode(codec.encode(keypoints)['heatmaps'])
    bias = dict(floor=-0.5, ceil=0.5, round=0.0)[quantise]
    mean = (decoded - keypoints).mean((0, 1)) / 4
    np.testing.assert_allclose(mean, bias, atol=0.03)


def test_batch_decode_is_decode_for_each_sample(rng):
    maps, _ = make_maps('noisy', (48, 64), 2.0, rng, 12)
    batch = torch.from_numpy(maps).view(2, 6, 64, 48)
    codec = build()
    keypoints, scores = codec.batch_decode(batch)
    # MMPose reads a tuple of two scores as scores and visibility
    assert isinstance(keypoints, list)
    assert isinstance(scores, list)
    for sample, points, values in zip(batch, keypoints, scores):
        assert points.shape == (1, 6, 2)
        assert values.shape == (1, 6)
        assert points.dtype == values.dtype == np.float32
        alone, alone_scores = codec.decode(sample.numpy())
        np.testing.assert_allclose(points, alone, atol=1e-4)
        np.testing.assert_array_equal(values, alone_scores)


DTYPES = [(torch.float64, 1e-4), (torch.float16, 0.02), (torch.bfloat16, 0.15)]


@pytest.mark.parametrize(('dtype', 'tolerance'), DTYPES, ids=str)
def test_dtypes(rng, dtype, tolerance, kernel):
    """The tolerances, in heatmap px, are what rounding does to the maps."""
    codec = build()
    keypoints = inner_keypoints(codec, rng)
    maps = torch.from_numpy(codec.encode(keypoints)['heatmaps'])[None]
    decoded, scores = codec.batch_decode(maps.to(dtype))
    assert decoded[0].dtype == scores[0].dtype == np.float32
    assert np.abs(decoded[0] - keypoints).max() / 4 < tolerance
    # all that is lost is lost by rounding the map
    expected, _ = codec.batch_decode(maps.to(dtype).float())
    np.testing.assert_allclose(decoded[0], expected[0], atol=1e-4)


def test_numpy_heatmaps_of_other_dtypes_and_layouts(rng):
    codec = build()
    keypoints = inner_keypoints(codec, rng)
    maps = codec.encode(keypoints)['heatmaps']
    expected, _ = codec.decode(maps)
    for variant in [
        maps.astype(np.float64),
        np.asfortranarray(maps),
        maps[:, ::-1].copy()[:, ::-1],
        maps[::-1].copy()[::-1],
    ]:
        np.testing.assert_allclose(
            codec.decode(variant)[0], expected, atol=1e-3
        )


def test_modes_of_torch_do_not_matter(rng):
    codec = build()
    maps = torch.from_numpy(make_maps('noisy', (48, 64), 2.0, rng)[0])[None]
    expected, expected_scores = codec.batch_decode(maps)
    keypoints = inner_keypoints(codec, rng)
    encoded = codec.encode(keypoints)['heatmaps']
    for mode in [
        torch.autocast('cpu', dtype=torch.bfloat16),
        torch.inference_mode(),
        torch.no_grad(),
    ]:
        with mode:
            decoded, scores = codec.batch_decode(maps)
            again = codec.encode(keypoints)['heatmaps']
        np.testing.assert_array_equal(decoded[0], expected[0])
        np.testing.assert_array_equal(scores[0], expected_scores[0])
        np.testing.assert_array_equal(again, encoded)
    for learnt in [
        maps.clone().requires_grad_(),
        torch.nn.Parameter(maps),
        maps.clone().requires_grad_() * 1,
    ]:
        decoded, _ = codec.batch_decode(learnt)
        np.testing.assert_allclose(decoded[0], expected[0], atol=1e-3)


def test_tensors_of_other_types_are_left_to_the_reference(rng, monkeypatch):
    """Under autocast too, which its operators meet, and kernels do not."""
    codec = build()
    maps = torch.from_numpy(make_maps('noisy', (48, 64), 2.0, rng)[0])[None]

    class Marked(torch.Tensor):
        pass

    subclass = maps.as_subclass(Marked)
    assert kernels.pick(subclass) is None
    monkeypatch.setenv(kernels.VARIABLE, 'reference')
    expected, _ = codec.batch_decode(maps)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        decoded, _ = codec.batch_decode(subclass)
    np.testing.assert_array_equal(decoded[0], expected[0])


def heatmap_head(codec, channels=5):
    """MMPose's head, which passes the features on as heatmaps."""
    return HeatmapHead(
        in_channels=channels,
        out_channels=channels,
        deconv_out_channels=None,
        final_layer=None,
        decoder=codec,
    )


# two samples: MMPose would take two scores apart as scores and visibility
@pytest.mark.parametrize('count', [1, 2, 3])
def test_in_mmposes_head(rng, count):
    config = dict(type='DARKCodec', alignment='half_pixel')
    codec = KEYPOINT_CODECS.build(config)
    keypoints = [inner_keypoints(codec, rng, 5) for _ in range(count)]
    heatmaps = torch.stack(
        [torch.from_numpy(codec.encode(k)['heatmaps']) for k in keypoints]
    )
    head = heatmap_head(config)
    samples = [PoseDataSample() for _ in range(count)]
    predictions = head.predict((heatmaps,), samples)
    assert len(predictions) == count
    for prediction, expected in zip(predictions, keypoints):
        assert 'keypoints_visible' not in prediction
        assert prediction.keypoints.shape == (1, 5, 2)
        assert prediction.keypoint_scores.shape == (1, 5)
        np.testing.assert_allclose(prediction.keypoints, expected, atol=4e-3)
        # the highest pixel lies up to half a pixel off on each axis
        assert np.all(prediction.keypoint_scores > 0.93)


@pytest.mark.parametrize('scale', SCALES, ids=str)
def test_nothing_found_is_the_middle_with_score_0(scale):
    size, _, _ = scale
    input_size = tuple(4 * n for n in size)
    codec = build(input_size=input_size, alignment='half_pixel')
    keypoints, scores = codec.decode(np.zeros((3, *size[::-1]), np.float32))
    middle = (np.array(input_size) - 1) / 2
    np.testing.assert_allclose(keypoints[0], [middle] * 3)
    assert np.all(scores == 0)


def test_covered_by_no_keypoints():
    codec = build()
    encoded = codec.encode(np.zeros((1, 0, 2)))
    assert encoded['heatmaps'].shape == (0, 64, 48)
    keypoints, scores = codec.decode(encoded['heatmaps'])
    assert keypoints.shape == (1, 0, 2)
    assert scores.shape == (1, 0)


@pytest.mark.parametrize(
    ('args', 'error', 'message'),
    [
        # (argument, what came, what would do)
        (
            dict(decoder='Taylor'),
            ValueError,
            "decoder 'Taylor'.*'ArgmaxDecoder'.*'TaylorDecoder'",
        ),
        (
            dict(decoder=dict(type='DARK')),
            ValueError,
            "decoder 'DARK'.*'TaylorDecoder'",
        ),
        (
            dict(encoder='Gauss'),
            ValueError,
            "encoder 'Gauss'.*'BiasedEncoder', 'UnbiasedEncoder'",
        ),
        (dict(encoder=None), TypeError, "encoder.*'type'.*None"),
        (dict(decoder=dict(sigma=2)), TypeError, "decoder.*'type'.*sigma"),
        (
            dict(alignment='corners'),
            ValueError,
            "alignment.*'half_pixel'.*'corners'",
        ),
        (
            dict(encoder=dict(type='BiasedEncoder', quantise='trunc')),
            ValueError,
            "quantise.*'floor'.*'trunc'",
        ),
        (
            dict(
                decoder=dict(
                    type='TaylorDecoder',
                    modulation=dict(type='GaussianModulation', rescale='avg'),
                )
            ),
            ValueError,
            "rescale.*'minmax'.*'avg'",
        ),
        (
            dict(
                decoder=dict(
                    type='TaylorDecoder',
                    modulation=dict(type='GaussianModulation', kernel_size=10),
                )
            ),
            ValueError,
            'kernel_size.*odd.*10.*11',
        ),
        (
            dict(decoder=dict(type='TaylorDecoder', modulation='Median')),
            ValueError,
            "modulation 'Median'.*GaussianModulation",
        ),
        (
            dict(decoder=dict(type='QuarterShiftDecoder', variant='third')),
            ValueError,
            "variant.*'second'.*'third'",
        ),
        (dict(sigma=0), ValueError, 'sigma.*positive.*heatmap px.*0'),
        (dict(sigma=-1.0), ValueError, 'sigma.*positive.*-1'),
        (dict(sigma=float('nan')), ValueError, 'sigma.*positive.*nan'),
        (dict(sigma=float('inf')), ValueError, 'sigma.*positive.*inf'),
        (dict(sigma='2'), ValueError, "sigma.*positive.*'2'"),
        (dict(input_size=192), ValueError, r'input_size.*\(w, h\).*192'),
        (dict(input_size=(0, 8)), ValueError, r'input_size.*positive.*0, 8'),
        (dict(input_size=(8.0, 8)), ValueError, r'input_size.*integers.*8\.0'),
        (
            dict(input_size=(192, 256, 3)),
            ValueError,
            r'input_size.*\(w, h\).*3',
        ),
        (
            dict(input_size=(190, 256)),
            ValueError,
            'input_size.*190, 256.*heatmap_size',
        ),
        (
            dict(heatmap_size=(64, 48)),
            ValueError,
            r'heatmap_size \(64, 48\).*input_size \(192, 256\).*\(48, 64\)',
        ),
        (
            dict(heatmap_size=(384, 512)),
            ValueError,
            r'heatmap_size \(384, 512\) does not fit.*\(48, 64\)',
        ),
        (
            dict(heatmap_size=(48, 56)),
            ValueError,
            r'heatmap_size \(48, 56\).*differ by at most a tenth',
        ),
        (dict(heatmap_size=-1), ValueError, 'heatmap_size.*positive.*-1'),
        (
            dict(
                input_size=(4, 8),
                heatmap_size=(1, 2),
                alignment='align_corners',
            ),
            ValueError,
            r'align_corners.*at least 2.*\(1, 2\)',
        ),
    ],
    ids=str,
)
def test_refused_settings(args, error, message):
    with pytest.raises(error, match=message):
        build(**args)


@pytest.mark.parametrize(
    ('shape', 'visible', 'message'),
    [
        ((17, 2), None, r'keypoints.*\(N, K, 2\).*\(17, 2\)'),
        ((1, 17, 3), None, r'keypoints.*\(N, K, 2\).*\(1, 17, 3\)'),
        ((1, 17, 2), (17,), r'keypoints_visible.*\(1, 17\).*\(17,\)'),
        ((1, 17, 2), (1, 16), r'keypoints_visible.*\(1, 17\).*\(1, 16\)'),
        ((1, 17, 2), (1, 17, 2), r'keypoints_visible.*\(1, 17\).*17, 2\)'),
    ],
    ids=str,
)
def test_refused_keypoints(shape, visible, message):
    visible = visible and np.ones(visible)
    with pytest.raises(ValueError, match=message):
        build().encode(np.zeros(shape), visible)


def test_refused_heatmaps():
    codec = build()
    expected = r'heatmaps.*\(B, K, 64, 48\).*\(48, 64\).*'
    rank = r'heatmaps.*\(B, K, H, W\).*'
    for shape, message in [
        (
            (2, 3, 48, 64),
            expected + r'\(2, 3, 48, 64\); sizes in configs are \(w, h\)',
        ),
        ((2, 3, 32, 24), expected + r'\(2, 3, 32, 24\)$'),
        ((3, 64, 48), rank + r'\(3, 64, 48\)$'),
        ((64, 48), rank + r'\(64, 48\)$'),
    ]:
        with pytest.raises(ValueError, match=message):
            codec.batch_decode(torch.zeros(shape))
    for shape in [(64, 48), (1, 3, 64, 48)]:
        with pytest.raises(ValueError, match=r'\(K, H, W\).*\(.*64, 48\)'):
            codec.decode(np.zeros(shape, np.float32))
    for heatmaps, message in [
        (torch.zeros(1, 3, 64, 48, dtype=torch.int64), 'torch.int64'),
        (torch.zeros(1, 3, 64, 48, dtype=torch.uint8), 'torch.uint8'),
        (np.zeros((1, 3, 64, 48), np.float32), 'float32'),
        ([1.0], 'list'),
    ]:
        with pytest.raises(
            TypeError, match=f'heatmaps.*floating-point tensor.*{message}'
        ):
            codec.batch_decode(heatmaps)
    with pytest.raises(TypeError, match='floating-point.*uint8'):
        codec.decode(np.zeros((3, 64, 48), np.uint8))
