"""use_dark beside the processors of the transformers that is installed."""

import copy
import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sample_maps import gaussians

from dark_codec import DARKCodec, HeatmapDecoder, TaylorDecoder
from dark_codec.huggingface import (
    DECODER,
    post_process_pose_estimation,
    use_dark,
)
from dark_codec.registry import DECODERS, build_part

transformers = pytest.importorskip(
    'transformers', reason='needs transformers: requirements/tests.txt'
)

KEYPOINTS = 5
PROCESSORS = [
    'VitPoseImageProcessor',
    'VitPoseImageProcessorPil',
    'Sapiens2ImageProcessor',
]
SIZE = dict(height=256, width=192)
# two images: one box is too high, one too wide, one of the input's shape
BOXES = [
    [[10.0, 20.0, 30.0, 90.0], [5.5, 7.25, 120.0, 40.0]],
    [[0, 0, 60, 80]],
]


OKS = dict(type='ExpectedOKS', sigmas='coco')


def taylor(**modulation):
    return dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', **modulation),
    )


# the kernels of transformers: OpenCV's of 11 px for Sapiens2
THEIR_KERNEL = dict(
    VitPoseImageProcessor=taylor(sigma=0.8),
    VitPoseImageProcessorPil=taylor(sigma=0.8),
    Sapiens2ImageProcessor=taylor(kernel_size=11),
)


def processor_of(name, size=SIZE):
    found = getattr(transformers, name, None)
    if found is None:
        pytest.skip(f'this transformers has no {name}')
    return found(size=size)


@pytest.fixture(params=PROCESSORS)
def name(request):
    return request.param


@pytest.fixture
def processor(name):
    return processor_of(name)


@pytest.fixture
def dark(name):
    changed = processor_of(name)
    use_dark(changed)
    return changed


def outputs_of(maps):
    return SimpleNamespace(heatmaps=torch.as_tensor(maps))


def crops(boxes=BOXES, size=SIZE):
    """What the network is shown, once more: corner and extent."""
    found = []
    for x, y, w, h in (box for image in boxes for box in image):
        ratio = size['width'] / size['height']
        width, height = (w, w / ratio) if w > ratio * h else (h * ratio, h)
        width, height = 1.25 * width, 1.25 * height
        corner = x + w / 2 - width / 2, y + h / 2 - height / 2
        found.append([corner, (width, height)])
    return np.array(found).swapaxes(0, 1)


def in_heatmaps(results, shape):
    """Keypoints of all people, back from image px to heatmap px."""
    points = [person['keypoints'] for image in results for person in image]
    corner, extent = crops()
    last = np.array([shape[3] - 1, shape[2] - 1])
    relative = np.stack(points) - corner[:, None]
    return relative / extent[:, None] * last


def clean_maps(rng, sigma=2.0, margin=8):
    centres = rng.uniform(margin, (47 - margin, 63 - margin), (15, 2))
    maps = gaussians(centres, (48, 64), sigma).astype(np.float32)
    return maps.reshape(3, 5, 64, 48), centres.reshape(3, 5, 2)


def tiny_model(name, size):
    torch.manual_seed(0)
    layers = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    labels = {i: f'joint {i}' for i in range(KEYPOINTS)}
    if name.startswith('VitPose'):
        backbone = transformers.VitPoseBackboneConfig(
            image_size=size, patch_size=(16, 16), out_indices=[1], **layers
        )
        cfg = transformers.VitPoseConfig(
            backbone_config=backbone, id2label=labels
        )
        return transformers.VitPoseForPoseEstimation(cfg).eval()
    head = transformers.Sapiens2HeadConfig(
        upsample_out_channels=[8, 8], conv_out_channels=[8]
    )
    cfg = transformers.Sapiens2Config(
        image_size=size,
        intermediate_size=32,
        head_config=head,
        id2label=labels,
        **layers,
    )
    return transformers.Sapiens2ForPoseEstimation(cfg).eval()


# What comes back


def target_sizes(name, kind):
    if kind is None:
        return {}
    if name.startswith('VitPose'):
        sizes = [(1.5, 2), (0.5, 1), (2, 2)]
        given = dict(target_sizes=sizes)
    else:
        given = dict(
            source_sizes=[(100, 140), (80, 60)],
            target_sizes=[(50, 280), (240, 90)],
        )
    return {
        key: torch.tensor(value) if kind == 'tensor' else value
        for key, value in given.items()
    }


@pytest.mark.parametrize('sizes', [None, 'list', 'tensor'])
@pytest.mark.parametrize('above', [None, 0.5])
def test_real_models(name, above, sizes, rng):
    """The same people, scores, labels and boxes; keypoints a step away."""
    small = dict(height=64, width=48)
    processor = processor_of(name, small)
    model = tiny_model(name, (64, 48))
    images = [
        rng.integers(0, 255, (100, 140, 3), dtype=np.uint8),
        rng.integers(0, 255, (80, 60, 3), dtype=np.uint8),
    ]
    inputs = processor(images, boxes=BOXES, return_tensors='pt')
    with torch.inference_mode():
        outputs = model(**inputs)
    assert outputs.heatmaps.shape == (3, KEYPOINTS, 16, 12)
    threshold = above
    if above is not None:
        heights = outputs.heatmaps.amax((2, 3)).flatten()
        threshold = heights.quantile(above).item()
    given = dict(boxes=BOXES, threshold=threshold)
    given |= target_sizes(name, sizes)
    theirs = processor.post_process_pose_estimation(outputs, **given)
    use_dark(processor)
    ours = processor.post_process_pose_estimation(outputs, **given)
    assert type(ours) is type(theirs) is list
    assert [len(image) for image in ours] == [2, 1]
    kept = 0
    for image, other in zip(ours, theirs):
        for person, expected in zip(image, other):
            assert set(person) == set(expected)
            for key, value in expected.items():
                assert type(person[key]) is type(value)
                assert person[key].shape == value.shape
                assert person[key].dtype == value.dtype
                assert person[key].device == value.device
                if key == 'scores':
                    # what has no positive value is not located
                    value = value.clamp(min=0)
                if key != 'keypoints':
                    torch.testing.assert_close(
                        person[key], value, rtol=1e-5, atol=1e-4
                    )
            kept += len(person['scores'])
    assert (kept < 3 * KEYPOINTS) == (threshold is not None)


@pytest.mark.parametrize('sizes', [None, 'list'])
def test_the_same_points_where_their_step_is_sound(name, sizes, rng):
    maps, _ = clean_maps(rng)
    processor = processor_of(name)
    given = dict(boxes=BOXES) | target_sizes(name, sizes)
    theirs = processor.post_process_pose_estimation(outputs_of(maps), **given)
    use_dark(processor, decoder=THEIR_KERNEL[name])
    ours = processor.post_process_pose_estimation(outputs_of(maps), **given)
    difference = in_heatmaps(ours, maps.shape) - in_heatmaps(
        theirs, maps.shape
    )
    # target sizes make boxes, and so heatmap px, larger by up to 3
    limit = 0.02 if sizes is None else 0.06
    assert np.abs(difference).max() < limit


def test_true_points(dark, rng):
    maps, centres = clean_maps(rng)
    use_dark(dark, sigma=2)
    found = dark.post_process_pose_estimation(outputs_of(maps), BOXES)
    error = in_heatmaps(found, maps.shape) - centres
    assert np.abs(error).max() < 0.002


def test_labels_of_sapiens2_are_decoded_to_its_keypoints(rng):
    """What its processor draws for training: another author's encoder."""
    processor = processor_of('Sapiens2ImageProcessor')
    if not hasattr(processor, 'keypoint_heatmap_sigma'):
        pytest.skip('this transformers draws no heatmaps')
    corner, extent = crops()
    inside = rng.uniform(0.4, 0.6, (3, KEYPOINTS, 2))
    points = (corner + extent * inside.swapaxes(0, 1)).swapaxes(0, 1)
    visible = np.ones((3, KEYPOINTS, 1))
    labelled = np.concatenate([points, visible], 2)
    image = np.zeros((100, 140, 3), np.uint8)
    inputs = processor(
        [image, image],
        boxes=BOXES,
        keypoints=[labelled[:2].tolist(), labelled[2:].tolist()],
        return_tensors='pt',
    )
    use_dark(processor)
    found = processor.post_process_pose_estimation(
        outputs_of(inputs['labels']), BOXES
    )
    found = np.stack([p['keypoints'] for image in found for p in image])
    # in image px; a heatmap px is at least 1 there
    np.testing.assert_allclose(found, points, atol=0.02)


@pytest.mark.parametrize('kind', ['noise', 'weak'])
def test_no_step_beyond_the_trust_region(dark, name, kind, rng):
    """Nor does a map without a peak give anything that is not finite."""
    maps = rng.uniform(0, 1e-2, (3, 5, 64, 48)).astype(np.float32)
    if kind == 'weak':
        maps = (0.2 * clean_maps(rng)[0] + 10 * maps).astype(np.float32)
    flat = maps.reshape(3, 5, -1).argmax(2)
    peaks = np.stack([flat % 48, flat // 48], 2)

    def longest(processor):
        found = processor.post_process_pose_estimation(outputs_of(maps), BOXES)
        steps = in_heatmaps(found, maps.shape) - peaks
        return np.linalg.norm(steps, axis=2).max()

    radius = dict(Sapiens2ImageProcessor=6).get(name, 2)
    assert longest(dark) < radius + 1e-3
    if kind == 'noise':
        use_dark(dark, sigma=1)
        assert longest(dark) < 1 + 1e-3 < longest(processor_of(name))


def test_bad_maps(dark):
    maps = torch.zeros(3, 3, 64, 48)
    maps[:, 1, 3, 4] = float('nan')
    maps[:, 2] = -1
    found = dark.post_process_pose_estimation(outputs_of(maps), BOXES)
    middle = in_heatmaps(found, maps.shape)
    np.testing.assert_allclose(middle - [23.5, 31.5], 0, atol=1e-4)
    for person in found[0] + found[1]:
        assert person['scores'].tolist() == [0, 0, 0]


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(dark, dtype, rng):
    maps, centres = clean_maps(rng)
    use_dark(dark, sigma=2)
    outputs = outputs_of(torch.from_numpy(maps).to(dtype))
    found = dark.post_process_pose_estimation(outputs, BOXES)
    error = in_heatmaps(found, maps.shape) - centres
    assert np.abs(error).max() < 0.1
    assert found[0][0]['keypoints'].dtype == torch.float32


def test_mean_with_the_flipped_heatmaps(dark, rng):
    maps, _ = clean_maps(rng)
    other = maps + rng.uniform(0, 0.1, maps.shape).astype(np.float32)
    both = dark.post_process_pose_estimation(
        outputs_of(maps), BOXES, outputs_flipped=outputs_of(other)
    )
    mean = dark.post_process_pose_estimation(
        outputs_of((maps + other) / 2), BOXES
    )
    for person, expected in zip(both[0], mean[0]):
        torch.testing.assert_close(person, expected)


def test_no_people(dark):
    outputs = outputs_of(torch.zeros(0, 5, 64, 48))
    assert dark.post_process_pose_estimation(outputs, [[], []]) == [[], []]


def test_arrays_of_boxes(dark, rng):
    maps, _ = clean_maps(rng)
    boxes = [[box] for image in BOXES for box in image]
    lists = dark.post_process_pose_estimation(outputs_of(maps), boxes)
    arrays = dark.post_process_pose_estimation(
        outputs_of(maps), np.array(boxes)
    )
    torch.testing.assert_close(lists, arrays)


# Covariances


@pytest.mark.parametrize('threshold', [None, 0.75])
def test_covariances_are_in_image_px(name, threshold):
    centres = np.array([[20.3, 30.2], [25.6, 33.1]])
    sigmas = 3.0, 2.5
    maps = gaussians(centres, (48, 64), sigmas).astype(np.float32)
    maps[1] *= 0.5
    outputs = outputs_of(np.stack([maps, maps, maps]))
    processor = processor_of(name)
    # narrower than the heatmaps, so that the kernel ends inside
    use_dark(processor, sigma=2, covariance=True)
    found = processor.post_process_pose_estimation(
        outputs, BOXES, threshold=threshold
    )
    _, extent = crops()
    px = extent / (47, 63)
    for person, scale in zip(found[0] + found[1], px):
        expected = np.diag((scale * sigmas) ** 2).astype(np.float32)
        assert len(person['covariance']) == (1 if threshold else 2)
        for covariance in person['covariance']:
            np.testing.assert_allclose(
                covariance, expected, rtol=0.03, atol=0.03 * expected.max()
            )


@pytest.mark.parametrize('covariance', [False, True])
def test_expected_oks(name, covariance, rng):
    """The codec's, of the same heatmaps; keypoints stay what they are."""
    maps, _ = clean_maps(rng, sigma=2.5)
    maps = 0.5 * maps  # a mass below that of one keypoint
    scores = dict(type='ExpectedOKS', sigmas=[0.1] * 5)
    given = dict(sigma=2.0, covariance=covariance)
    heights = post_process_pose_estimation(
        processor_of(name), outputs_of(maps), BOXES, **given
    )
    found = post_process_pose_estimation(
        processor_of(name), outputs_of(maps), BOXES, scores=scores, **given
    )
    codec = DARKCodec(sigma=2.0, decoder=DECODER, scores=scores)
    expected = codec.decode_on_device(torch.from_numpy(maps)).scores
    people = [person for image in found for person in image]
    torch.testing.assert_close(
        torch.stack([person['scores'] for person in people]), expected
    )
    assert all(('covariance' in person) == covariance for person in people)
    for person, other in zip(people, heights[0] + heights[1]):
        torch.testing.assert_close(person['keypoints'], other['keypoints'])
        assert (person['scores'] > other['scores'] + 0.1).all()


# On real heatmaps

# of COCO: shoulders, elbows, wrists, hips, knees, ankles
TOLERANCES = np.repeat([0.079, 0.072, 0.062, 0.107, 0.087, 0.089], 2)


@pytest.fixture(scope='module')
def archive(request):
    path = Path(__file__).parent / 'data' / 'real_heatmaps.npz'
    if not path.is_file():
        root = request.getfixturevalue('data_root')
        path = root / 'heatmaps' / 'lsp_test_first250_coco12.npz'
    with np.load(path) as arrays:
        return {key: arrays[key].astype(np.float32) for key in arrays}


def accuracy(points, archive):
    """OKS, and PCK over four thresholds, of each photograph, (N, 2)."""
    offsets = points - archive['gt']
    # the network was trained with another alignment
    offsets -= np.median(offsets.reshape(-1, 2), axis=0)
    distances = np.linalg.norm(offsets, axis=2)
    area = 0.22 * 48 * 64  # of a person, as on COCO
    oks = np.exp(-(distances**2) / (8 * area * TOLERANCES**2))
    of_torso = distances / archive['torso'][:, None]
    pck = np.mean([of_torso < limit for limit in (0.05, 0.1, 0.15, 0.2)], 0)
    return np.stack([oks.mean(1), pck.mean(1)], 1)


def test_real_heatmaps(name, archive):
    """Not below theirs by more than the photographs' scatter."""
    maps = archive['heatmaps']
    # a crop in which image px are heatmap px
    size = dict(height=63, width=47)
    boxes = [[[0, 0, 47 / 1.25, 63 / 1.25]]] * len(maps)
    corner, _ = crops(boxes[:1], size)

    def measure(decoder):
        processor = processor_of(name, size)
        if decoder is not None:
            use_dark(processor, decoder, sigma=2)
        found = processor.post_process_pose_estimation(outputs_of(maps), boxes)
        points = np.stack([person[0]['keypoints'] for person in found])
        return accuracy(points - corner, archive)

    theirs = measure(None)

    def is_as_good(decoder):
        gain = measure(decoder) - theirs
        error = gain.std(0) / np.sqrt(len(gain))
        return (gain.mean(0) > -2 * error - 1e-4).all()

    assert is_as_good(DECODER)
    assert not is_as_good('ArgmaxDecoder')


# What is asked for


@pytest.mark.parametrize(
    'decoder',
    [
        'ArgmaxDecoder',
        dict(type='GaussianFitDecoder', sigma=2.0),
        TaylorDecoder(sigma=2.0, modulation=None),
    ],
)
def test_decoders(name, decoder, rng):
    maps, _ = clean_maps(rng)
    outputs = outputs_of(maps)
    changed, unchanged = processor_of(name), processor_of(name)
    use_dark(changed, decoder=decoder)
    found = changed.post_process_pose_estimation(outputs, BOXES)
    same = post_process_pose_estimation(
        unchanged, outputs, BOXES, decoder=decoder
    )
    torch.testing.assert_close(found, same)
    theirs = unchanged.post_process_pose_estimation(outputs, BOXES)
    assert type(theirs) is type(found)
    points = in_heatmaps(found, maps.shape)
    built = decoder
    if not isinstance(decoder, HeatmapDecoder):
        built = build_part(DECODERS, decoder, 'decoder', 2.0)
    expected = built(torch.from_numpy(maps)).points
    np.testing.assert_allclose(points, expected, atol=1e-3)


def test_sigma_is_that_of_training():
    """A 32nd of ViTPose's heatmaps; what Sapiens2's processor says."""
    rng = np.random.default_rng(0)
    maps = rng.uniform(0, 1, (3, 5, 64, 48)).astype(np.float32)
    vitpose = processor_of('VitPoseImageProcessor')
    sapiens2 = processor_of('Sapiens2ImageProcessor')
    for processor, sigma in ((vitpose, 2), (sapiens2, 6)):
        default = post_process_pose_estimation(
            processor, outputs_of(maps), BOXES
        )
        same = post_process_pose_estimation(
            processor, outputs_of(maps), BOXES, sigma=sigma
        )
        other = post_process_pose_estimation(
            processor, outputs_of(maps), BOXES, sigma=1.5
        )
        torch.testing.assert_close(default, same)
        with pytest.raises(AssertionError):
            torch.testing.assert_close(default, other)


def test_arguments_by_place(name, rng):
    """In transformers' own order, which is not the same for both."""
    maps, _ = clean_maps(rng)
    processor = processor_of(name)
    use_dark(processor)
    given = [outputs_of(maps), BOXES]
    given += [None] if name.startswith('VitPose') else [None, None]
    found = processor.post_process_pose_estimation(*given, 0.97)
    kept = sum(len(p['scores']) for image in found for p in image)
    assert 0 < kept < 15


def test_other_processors_are_as_they_were(name, rng):
    maps, _ = clean_maps(rng)
    other = processor_of(name)
    before = other.post_process_pose_estimation(outputs_of(maps), BOXES)
    use_dark(processor_of(name), decoder='ArgmaxDecoder')
    after = other.post_process_pose_estimation(outputs_of(maps), BOXES)
    torch.testing.assert_close(before, after)


def test_what_is_saved_is_transformers_own(dark, name, tmp_path):
    plain = processor_of(name)
    assert dark.to_dict() == plain.to_dict()
    dark.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / 'preprocessor_config.json').read_text())
    assert saved['image_processor_type'] == name.removesuffix('Pil')
    loaded = type(plain).from_pretrained(tmp_path)
    assert type(loaded) is type(plain)
    assert isinstance(dark, type(plain))


@pytest.mark.parametrize(
    'clone',
    [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))],
)
def test_copies(name, clone, rng):
    maps, _ = clean_maps(rng)
    processor = processor_of(name)
    use_dark(processor, decoder='ArgmaxDecoder')
    found = clone(processor).post_process_pose_estimation(
        outputs_of(maps), BOXES
    )
    points = in_heatmaps(found, maps.shape)
    np.testing.assert_allclose(points, points.round(), atol=1e-3)


def test_changed_again(dark, name, rng):
    maps, _ = clean_maps(rng)
    use_dark(dark, decoder='ArgmaxDecoder')
    use_dark(dark)
    once = processor_of(name)
    use_dark(once)
    torch.testing.assert_close(
        dark.post_process_pose_estimation(outputs_of(maps), BOXES),
        once.post_process_pose_estimation(outputs_of(maps), BOXES),
    )
    assert len(type(dark).__mro__) == len(type(once).__mro__)


# Errors


def test_other_processors_are_refused():
    with pytest.raises(TypeError, match='ViTPose or Sapiens2, got ViTImage'):
        use_dark(transformers.ViTImageProcessor())
    with pytest.raises(TypeError, match='got NoneType.*DARKCodec'):
        use_dark(None)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(decoder='TailorDecoder'), "did you mean 'TaylorDecoder'"),
        (dict(decoder=TaylorDecoder(sigma=2), sigma=2), 'decoder itself'),
        (
            dict(decoder=TaylorDecoder(sigma=2), covariance=True),
            'built with covariance=True',
        ),
        (dict(sigma=-1), 'sigma'),
        (dict(scores='ExpectedOsk'), "did you mean 'ExpectedOKS'"),
        (
            dict(decoder=TaylorDecoder(sigma=2), scores=OKS),
            'built with covariance=True',
        ),
    ],
)
def test_bad_decoders_are_refused_at_once(processor, options, message):
    with pytest.raises(ValueError, match=message):
        use_dark(processor, **options)


def test_misfits_are_refused(dark, name):
    outputs = outputs_of(torch.rand(2, 5, 64, 48))
    run = dark.post_process_pose_estimation
    with pytest.raises(ValueError, match='of 2 people, but boxes has 3'):
        run(outputs, BOXES)
    two = BOXES[:1]
    with pytest.raises(ValueError, match=r'use_dark\(processor, decoder='):
        run(outputs, two, kernel_size=11)
    sizes = [(10, 10)] * 3
    with pytest.raises(ValueError, match='must have . sizes, got 3'):
        if name.startswith('VitPose'):
            run(outputs, two, target_sizes=sizes)
        else:
            run(outputs, two, source_sizes=sizes, target_sizes=sizes)
    with pytest.raises((TypeError, ValueError), match='source_sizes'):
        if name.startswith('VitPose'):
            run(outputs, two, source_sizes=sizes)
        else:
            run(outputs, two, target_sizes=sizes[:1])
    with pytest.raises(TypeError, match='treshold'):
        run(outputs, two, treshold=0.3)
