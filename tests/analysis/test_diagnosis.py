"""The parts of the error, and the alignment found without labels."""

import math

import numpy as np
import pytest
import torch

from dark_codec import DARKCodec
from dark_codec.analysis.diagnosis import (
    KINDS,
    PARTS,
    Keypoints,
    classify,
    diagnose,
    error_parts,
)
from dark_codec.analysis.flip_offset import (
    contradiction,
    expected_offset,
    find_alignment,
)
from dark_codec.analysis.robust import by_image, median, robust_std
from dark_codec.functional import ALIGNMENTS

INPUT_SIZE = (192, 256)
# left and right; the last has no partner
FLIP = np.array([1, 0, 3, 2, 4])
# 1 - 1/s
ASYMMETRIC = {2: 0.5, 4: 0.75, 8: 0.875}


def _size(stride):
    return INPUT_SIZE[0] // stride, INPUT_SIZE[1] // stride


def _codec(stride, alignment, **args):
    return DARKCodec(
        INPUT_SIZE,
        _size(stride),
        sigma=2.0,
        decoder='GaussianFitDecoder',
        alignment=alignment,
        **args,
    )


def _predict(codec, points):
    """What an ideal network predicts for keypoints (I, K, 2) in input px."""
    visible = torch.ones(len(points), 1, points.shape[1])
    maps, _ = codec.batch_encode(torch.from_numpy(points)[:, None], visible)
    return maps.numpy()


def _decode(codec, maps):
    points = codec.decoder(torch.from_numpy(maps)).points
    return points.numpy()


def _mirror(points):
    """Keypoints in the mirrored image, one number at a time."""
    mirrored = np.empty_like(points)
    for i, k in np.ndindex(points.shape[:2]):
        x, y = points[i, FLIP[k]]
        mirrored[i, k] = INPUT_SIZE[0] - 1 - x, y
    return mirrored


def _unflip(maps):
    """Columns reversed, left and right exchanged, nothing shifted."""
    unflipped = np.empty_like(maps)
    for k in range(maps.shape[1]):
        for x in range(maps.shape[3]):
            unflipped[:, k, :, x] = maps[:, FLIP[k], :, -1 - x]
    return unflipped


def _both(rng, stride, alignment, images=40, **args):
    """Plain and un-flipped predictions of an ideal network: heatmap px."""
    codec = _codec(stride, alignment, **args)
    margin = 9 * stride
    points = rng.uniform(
        margin, np.array(INPUT_SIZE) - margin, (images, len(FLIP), 2)
    )
    plain = _predict(codec, points)
    unflipped = _unflip(_predict(codec, _mirror(points)))
    return _decode(codec, plain), _decode(codec, unflipped)


@pytest.mark.parametrize('stride', ASYMMETRIC)
@pytest.mark.parametrize('alignment', ALIGNMENTS)
def test_the_alignment_is_found_without_labels(rng, alignment, stride):
    plain, unflipped = _both(rng, stride, alignment)
    asymmetric = alignment == 'asymmetric'
    expected = ASYMMETRIC[stride] if asymmetric else 0
    np.testing.assert_allclose(
        plain - unflipped, np.full(plain.shape, [expected, 0]), atol=1e-3
    )
    plain, unflipped = (
        np.tile(points, (10, 1, 1)) + rng.normal(0, 0.3, (400, 5, 2))
        for points in (plain, unflipped)
    )
    found = _found(plain, unflipped, stride)
    np.testing.assert_allclose(found.offset.value, [expected, 0], atol=0.04)
    np.testing.assert_allclose(found.scatter, 0.3 * 2**0.5, rtol=0.1)
    name = 'asymmetric' if asymmetric else 'flip-consistent'
    assert found.verdict == name
    assert found.signatures[name] == pytest.approx(expected, abs=1e-4)
    for configured in ALIGNMENTS:
        warning = contradiction(found, configured)
        agrees = (configured == 'asymmetric') == asymmetric
        assert (warning == '') == agrees
        if not agrees:
            meant = (
                "match 'asymmetric'" if asymmetric else "or 'align_corners'"
            )
            assert configured in warning and meant in warning


@pytest.mark.parametrize('alignment', ['asymmetric', 'half_pixel'])
@pytest.mark.parametrize('quantise', ['floor', 'ceil', 'round'])
def test_rounded_targets_are_told_apart(rng, alignment, quantise):
    encoder = dict(type='BiasedEncoder', quantise=quantise)
    plain, unflipped = _both(rng, 4, alignment, 400, encoder=encoder)
    # single predictions are off by whole pixels: a network's are not, since
    # it learns the mean
    plain += rng.normal(0, 0.5, plain.shape)
    unflipped += rng.normal(0, 0.5, plain.shape)
    found = _found(plain, unflipped)
    name = 'asymmetric' if alignment == 'asymmetric' else 'flip-consistent'
    if quantise == 'round':
        assert found.verdict == name
    else:
        direction = dict(floor='down', ceil='up')[quantise]
        assert found.verdict == 'neither'
        assert f'is nearest to {name}, rounded {direction}' in found.reason


def _found(plain, unflipped, stride=4, **args):
    return find_alignment(plain, unflipped, INPUT_SIZE, _size(stride), **args)


def _apart(rng, offset, images=200, scatter=0.5):
    plain = rng.uniform(0, 40, (images, 5, 2))
    return plain, plain - offset - rng.normal(0, scatter, plain.shape)


def test_few_or_odd_predictions_have_no_verdict(rng):
    for offset, images, reason in (
        ([0.375, 0], 200, 'more images may'),
        ([0.5, 0], 400, 'is far from what theory says'),
        # arguments swapped
        ([-0.75, 0], 200, 'is far from what theory says, 0.750 and 0.000'),
        ([0.75, 0.4], 200, 'in y, where a mirror changes nothing'),
    ):
        plain, unflipped = _apart(rng, offset, images)
        found = _found(plain, unflipped)
        assert found.verdict == 'neither'
        assert reason in found.reason
        warning = contradiction(found, 'half_pixel')
        # the first may be that of the config, the others cannot
        assert ('no alignment' in warning) == ('more' not in reason)


@pytest.mark.parametrize('offset', [0, 0.75, 1.0, -0.25, 3])
@pytest.mark.parametrize('configured', ALIGNMENTS)
def test_a_handful_of_images_gives_no_warning(rng, offset, configured):
    few = _apart(rng, [offset, 0], 5)
    found = _found(*few)
    assert found.images == 5
    assert contradiction(found, configured) == ''


@pytest.mark.parametrize('alignment', ['asymmetric', 'half_pixel'])
def test_memorised_training_crops(rng, alignment):
    """A mirrored training crop is one input px from a mirrored test crop.

    Where the network answers with what it learnt there, un-flipped
    predictions are off by that pixel.
    """
    points = rng.uniform([20, 20], [170, 230], (40, 5, 2))
    codec = _codec(4, alignment)
    plain = _predict(codec, points)
    in_training = _mirror(points) + [1, 0]
    unflipped = _unflip(_predict(codec, in_training))
    found = _found(_decode(codec, plain), _decode(codec, unflipped))
    name = 'asymmetric' if alignment == 'asymmetric' else 'flip-consistent'
    expected = found.memorised[name]
    assert expected == (1.0 if alignment == 'asymmetric' else 0.25)
    assert found.offset.value[0] == pytest.approx(expected, abs=0.01)
    assert found.verdict == 'neither'
    assert f'{name} gives {expected:.3f} on training images' in found.reason
    assert contradiction(found, alignment) == ''
    # another config is still contradicted
    other = 'half_pixel' if alignment == 'asymmetric' else 'asymmetric'
    assert 'no alignment' in contradiction(found, other)


def test_stride_one_has_nothing_to_tell_apart(rng):
    found = find_alignment(*_apart(rng, [0, 0]), INPUT_SIZE, INPUT_SIZE)
    assert found.verdict == 'neither' and 'stride 1' in found.reason
    assert contradiction(found, 'asymmetric') == ''


def test_find_alignment_refuses_what_it_cannot_use(rng):
    plain, unflipped = _apart(rng, [0, 0], 4)
    with pytest.raises(ValueError, match=r'\(4, 5, 2\) and \(3, 5, 2\)'):
        _found(plain, unflipped[:3])
    unflipped[:] = np.nan
    with pytest.raises(ValueError, match='both plain and un-flipped'):
        _found(plain, unflipped)


def test_keypoints_without_a_prediction_do_not_count(rng):
    plain, unflipped = _apart(rng, [0.75, 0])
    expected = _found(plain[:, 1:], unflipped[:, 1:])
    plain[:100, 0], unflipped[100:, 0] = np.nan, np.nan
    found = _found(plain, unflipped)
    np.testing.assert_equal(found, expected)


@pytest.mark.parametrize('shift', [None, 0, 1])
@pytest.mark.parametrize('alignment', ALIGNMENTS)
@pytest.mark.parametrize('truth', ALIGNMENTS)
def test_offset_that_the_alignment_explains(alignment, truth, shift):
    codec = _codec(4, alignment)
    # near the middle: align_corners has another stride than half_pixel
    points = np.full((100, 5, 2), [95.5, 127.5])
    points += np.linspace(-2, 1.9, 100)[:, None, None]
    plain = _predict(codec, points)
    unflipped = _unflip(_predict(codec, _mirror(points)))
    found = find_alignment(
        *(_decode(codec, maps) for maps in (plain, unflipped)),
        INPUT_SIZE,
        _size(4),
        draws=10,
    )
    if shift == 1:
        unflipped[..., 1:] = unflipped[..., :-1].copy()
    maps = plain if shift is None else (plain + unflipped) / 2
    in_truth = _decode(_codec(4, truth), _predict(_codec(4, truth), points))
    offset = (_decode(codec, maps) - in_truth).mean((0, 1))
    expected = expected_offset(found, INPUT_SIZE, _size(4), truth, shift)
    np.testing.assert_allclose(offset, expected, atol=0.01)


def test_no_alignment_explains_no_offset(rng):
    found = _found(*_apart(rng, [5, 0]))
    offset = expected_offset(found, INPUT_SIZE, _size(4), 'half_pixel')
    assert offset is None


HEATMAP_SIZE = (48, 64)
OFFSET, SCATTER = (0.6, -0.3), (0.4, 0.8)


def _diagnose(keypoints, **args):
    return diagnose(keypoints, INPUT_SIZE, HEATMAP_SIZE, 'half_pixel', **args)


def _keypoints(rng, people=400):
    """Known errors: 80 % scatter, the rest is far away or at the partner."""
    truth = rng.uniform([8, 10], [40, 54], (people, 5, 2))
    points = truth + OFFSET + rng.normal(0, SCATTER, truth.shape)
    draw = rng.uniform(size=(people, 5))
    swapped = (draw < 0.1) & (FLIP != np.arange(5))
    points[swapped] += (truth[:, FLIP] - truth)[swapped]
    lost = draw > 0.9
    points[lost] = rng.uniform([0, 0], HEATMAP_SIZE, (lost.sum(), 2))
    labelled = rng.uniform(size=(people, 5)) < 0.9
    truth[~labelled] = np.nan
    return Keypoints(
        points, truth, labelled, np.full(people, 20.0), points.round(), FLIP
    )


def test_known_errors_are_found(rng):
    keypoints = _keypoints(rng)
    found = _diagnose(keypoints, draws=100)
    assert np.all(found.offset.low <= OFFSET)
    assert np.all(found.offset.high >= OFFSET)
    assert np.all(found.offset.high - found.offset.low < 0.2)
    np.testing.assert_allclose(found.scatter.value, SCATTER, rtol=0.1)
    # four of five have a partner; where it is not labelled, a swap is a miss,
    # and 1.6 % of the map is within the radius of the true place
    swap, lost = 0.8 * 0.1 * 0.9, 0.1 * (1 - 0.016)
    miss = 0.8 * 0.1 * 0.1 + lost
    np.testing.assert_allclose(
        found.shares.value, [1 - swap - miss, swap, miss], atol=0.015
    )
    assert found.shares.value.sum() == pytest.approx(1)
    used = found.kinds >= 0
    np.testing.assert_array_equal(used, keypoints.labelled)
    errors = (keypoints.points - keypoints.truth)[used]
    distance = np.hypot(errors[:, 0], errors[:, 1]).mean()
    assert sum(found.error.values()) == pytest.approx(distance)
    in_input = {part: 4 * value for part, value in found.error.items()}
    assert found.error_input == pytest.approx(in_input)
    assert 0 < found.error['offset'] < math.hypot(*OFFSET)
    np.testing.assert_allclose(found.stride, 4)


def test_scatter_is_not_that_of_a_few(rng):
    keypoints = _keypoints(rng, 100)
    truth = rng.uniform(10, 40, (100, 5, 2))
    points = truth + rng.normal(0, 0.1, truth.shape)
    # a fifth of the hits is far out, to all sides
    points[::2, 0] += 2.5
    points[1::2, 0] -= 2.5
    keypoints = keypoints._replace(
        points=points, truth=truth, labelled=np.ones((100, 5), bool)
    )
    found = _diagnose(keypoints, draws=50)
    assert (found.kinds == KINDS.index('hit')).all()
    assert np.all(found.scatter.value < 0.2)
    assert np.all(np.abs(found.offset.value) < 0.05)


def _oracle_kind(keypoints, i, k, radius, offset):
    points, truth, labelled, size, *_ = keypoints
    if not labelled[i, k] or not size[i] > 0:
        return -1

    def far(place):
        x, y = points[i, k] - offset - place
        return not math.hypot(x, y) <= radius * size[i]

    if not far(truth[i, k]):
        return KINDS.index('hit')
    partner = FLIP[k]
    if partner != k and labelled[i, partner] and not far(truth[i, partner]):
        return KINDS.index('swap')
    return KINDS.index('miss')


def test_every_keypoint_is_of_one_kind(rng):
    keypoints = _keypoints(rng, 60)
    keypoints.size[:3] = [0, -1, np.nan]
    offset = np.array([0.5, -1.0])
    kinds = classify(keypoints, 0.15, offset)
    expected = [
        [_oracle_kind(keypoints, i, k, 0.15, offset) for k in range(5)]
        for i in range(60)
    ]
    np.testing.assert_array_equal(kinds, expected)
    assert set(np.unique(kinds)) == {-1, 0, 1, 2}


def test_parts_add_up_by_hand():
    residuals = np.array([[[3.0, 4.0], [1.0, 0.0], [0.0, -6.0], [9.0, 9.0]]])
    kinds = np.array([[0, 2, 1, -1]])
    parts = error_parts(residuals, kinds, np.array([3.0, 0.0]))
    assert tuple(parts) == PARTS
    assert parts == pytest.approx(
        dict(offset=1 / 3, scatter=4 / 3, swap=2, miss=1 / 3)
    )


def test_share_of_the_border(rng):
    keypoints = _keypoints(rng, 60)
    found = _diagnose(keypoints)
    border, total, number, count = 0.0, 0.0, 0, 0
    for i, k in zip(*np.nonzero(keypoints.labelled)):
        x, y = keypoints.points[i, k] - keypoints.truth[i, k]
        column, row = keypoints.peaks[i, k]
        outermost = column in (-1, 0, 47, 48) or row in (-1, 0, 63, 64)
        border += math.hypot(x, y) * outermost
        total += math.hypot(x, y)
        number += outermost
        count += 1
    assert number > 1
    assert found.border.keypoints == pytest.approx(number / count)
    assert found.border.error == pytest.approx(border / total)
    per_kind = [(found.kinds == kind).sum() for kind in range(3)]
    at_border_ = np.nansum(found.border.kinds * per_kind)
    assert at_border_ == pytest.approx(number)


def test_people_without_size_are_left_out(rng):
    keypoints = _keypoints(rng)
    keypoints.size[:100] = np.nan
    keypoints.points[:100] = 1e6
    found = _diagnose(keypoints, draws=10)
    assert found.left_out == 100
    assert (found.kinds[:100] == -1).all()
    assert sum(found.error.values()) < 10


def test_perfect_predictions_have_no_error(rng):
    keypoints = _keypoints(rng, 8)
    keypoints = keypoints._replace(points=keypoints.truth.copy())
    found = _diagnose(keypoints, draws=10)
    assert set(found.error.values()) == {0.0}
    assert found.border.error == 0
    np.testing.assert_array_equal(found.shares.value, [1, 0, 0])


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(size=np.ones((400, 1))), r'size \(I,\)'),
        (dict(flip_indices=np.array([1, 2, 0, 3, 4])), r'\[1, 2, 0, 3, 4\]'),
        (dict(labelled=np.zeros((400, 5), bool)), 'no labelled keypoint'),
        (dict(points=np.full((400, 5, 2), np.nan)), 'points must be finite'),
        (dict(size=np.full(400, 1e-6)), 'are sizes, truth and points all in'),
        (dict(image_ids=np.zeros(3)), r'image_ids must have shape \(400,\)'),
    ],
)
def test_diagnose_refuses_what_cannot_be_meant(rng, change, message):
    keypoints = _keypoints(rng)._replace(**change)
    with pytest.raises(ValueError, match=message):
        _diagnose(keypoints)


def test_radius_must_be_positive(rng):
    with pytest.raises(ValueError, match='radius must be positive, got 0'):
        _diagnose(_keypoints(rng), radius=0)


def test_people_of_one_image_are_drawn_together(rng):
    """The same person twenty times in each image is no more evidence."""
    keypoints = _keypoints(rng, 20)
    crowd = Keypoints(
        *(np.repeat(part, 20, axis=0) for part in keypoints[:5]), FLIP
    )
    widths = {}
    for name, image_ids in (
        ('one', None),
        ('images', np.repeat(np.arange(20), 20)),
    ):
        found = _diagnose(crowd._replace(image_ids=image_ids), draws=200)
        widths[name] = found.offset.high - found.offset.low
    alone = _diagnose(keypoints, draws=200)
    np.testing.assert_allclose(
        widths['images'], alone.offset.high - alone.offset.low
    )
    assert np.all(widths['images'] > 2 * widths['one'])


def test_by_image_keeps_every_person_once(rng):
    image_ids = rng.integers(0, 7, 30)
    values = rng.normal(size=(30, 2))
    rows = by_image(values, image_ids)
    for row, image in zip(rows, np.unique(image_ids)):
        expected = values[image_ids == image]
        np.testing.assert_array_equal(row[: len(expected)], expected)
        assert np.isnan(row[len(expected) :]).all()


def test_robust_numbers(rng):
    values = rng.normal([1, 2], [3, 0.5], (20000, 2))
    values[::10] = [100, -100]
    values[::20] = np.nan
    centre = median(values)
    np.testing.assert_allclose(centre, [1, 2], atol=0.3)
    np.testing.assert_allclose(robust_std(values, centre), [3, 0.5], rtol=0.15)
    assert np.isnan(median(np.full((3, 2), np.nan))).all()
