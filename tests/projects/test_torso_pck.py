"""TorsoPCK against a scalar loop, and in MMPose's evaluator."""

import math

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from projects.leeds_sports import LSPDataset, TorsoPCK

NAMES = [
    joint['name'] for joint in LSPDataset.METAINFO['keypoint_info'].values()
]
LEFT_SHOULDER, RIGHT_HIP = 9, 2


def evaluate(predicted, true, visible, batch=4, **kwargs):
    """Run the metric as MMEngine's loops do, a batch at a time."""
    evaluator = Evaluator(TorsoPCK(**kwargs))
    evaluator.dataset_meta = dict(
        keypoint_id2name=dict(enumerate(NAMES)), dataset_name='lsp'
    )
    samples = []
    for points, labels, flags in zip(predicted, true, visible, strict=True):
        sample = PoseDataSample()
        sample.pred_instances = InstanceData(keypoints=points[None])
        sample.gt_instances = InstanceData(
            keypoints=labels[None], keypoints_visible=flags[None]
        )
        samples.append(sample)
    for start in range(0, len(samples), batch):
        evaluator.process(data_samples=samples[start : start + batch])
    return evaluator.evaluate(len(samples))


def scalar_pck(predicted, true, visible, thr):
    """The definition, joint by joint: (mean, {name: PCK})."""
    hits = {name: [] for name in NAMES}
    for person in range(len(true)):
        ends = true[person][LEFT_SHOULDER], true[person][RIGHT_HIP]
        torso = math.hypot(ends[0][0] - ends[1][0], ends[0][1] - ends[1][1])
        if torso == 0:
            continue
        if (
            not visible[person][LEFT_SHOULDER]
            or not visible[person][RIGHT_HIP]
        ):
            continue
        for k, name in enumerate(NAMES):
            if visible[person][k] > 0:
                dx = predicted[person][k][0] - true[person][k][0]
                dy = predicted[person][k][1] - true[person][k][1]
                hits[name].append(math.hypot(dx, dy) <= thr * torso)
    joints = {n: sum(h) / len(h) for n, h in hits.items() if h}
    every = [hit for joint in hits.values() for hit in joint]
    return sum(every) / len(every), joints


@pytest.fixture
def people(rng):
    """30 people, some joints occluded or unlabelled, errors of all sizes."""
    true = rng.uniform(0, 150, (30, 14, 2))
    predicted = true + rng.normal(0, 8, true.shape)
    visible = rng.choice([0, 1, 2], (30, 14), p=[0.2, 0.2, 0.6])
    visible[:, [LEFT_SHOULDER, RIGHT_HIP]] = 2
    visible[3, RIGHT_HIP] = 0
    visible[:, NAMES.index('neck')] = 0
    true[5, LEFT_SHOULDER] = true[5, RIGHT_HIP]
    return predicted, true, visible.astype(np.float32)


def test_equals_a_scalar_loop(people):
    result = evaluate(*people)
    for thr in (0.2, 0.1, 0.05):
        mean, joints = scalar_pck(*people, thr)
        assert result[f'torso/PCK@{thr}'] == pytest.approx(mean)
        for name, value in joints.items():
            assert result[f'torso/PCK@{thr}/{name}'] == pytest.approx(value)
    assert len(result) == 3 * 14  # the mean and 13 joints: no neck
    assert 0 < result['torso/PCK@0.05'] < result['torso/PCK@0.2'] < 1


def test_the_limit_itself_is_correct():
    true = np.zeros((1, 14, 2))
    true[0, LEFT_SHOULDER] = (0, 50)
    predicted = true.copy()
    predicted[0, 0] = (10, 0)  # exactly 0.2 of the torso
    predicted[0, 1] = (10.001, 0)
    result = evaluate(predicted, true, np.ones((1, 14)), thrs=(0.2,))
    assert result['torso/PCK@0.2/right_ankle'] == 1
    assert result['torso/PCK@0.2/right_knee'] == 0
    assert result['torso/PCK@0.2'] == pytest.approx(13 / 14)


def test_occluded_joints_count_and_unlabelled_ones_do_not():
    true = np.zeros((1, 14, 2))
    true[0, LEFT_SHOULDER] = (0, 50)
    predicted = true + 1000.0
    visible = np.full((1, 14), 2.0)
    visible[0, 0], visible[0, 1] = 1, 0
    result = evaluate(predicted, true, visible)
    assert result['torso/PCK@0.2/right_ankle'] == 0
    assert 'torso/PCK@0.2/right_knee' not in result


def test_takes_mmpose_weights_as_a_third_axis(people):
    predicted, true, visible = people
    visible = np.minimum(visible, 1)
    stacked = np.stack([visible, np.ones_like(visible)], axis=-1)
    assert evaluate(predicted, true, stacked) == evaluate(*people)


def test_another_torso(people):
    predicted, true, visible = people
    visible[:] = 1
    result = evaluate(
        predicted, true, visible, torso=('right_shoulder', 'left_hip')
    )
    mirror = [NAMES.index(n) for n in mirrored_names()]
    expected, _ = scalar_pck(
        predicted[:, mirror], true[:, mirror], visible, 0.2
    )
    assert result['torso/PCK@0.2'] == pytest.approx(expected)


def mirrored_names():
    info = LSPDataset.METAINFO['keypoint_info'].values()
    return [joint['swap'] or joint['name'] for joint in info]


def test_a_prediction_that_is_not_finite_is_wrong():
    true = np.zeros((1, 14, 2))
    true[0, LEFT_SHOULDER] = (0, 50)
    predicted = true.copy()
    predicted[0, 0] = np.nan
    result = evaluate(predicted, true, np.ones((1, 14)))
    assert result['torso/PCK@0.2/right_ankle'] == 0


def test_nothing_to_count_is_an_error():
    zeros = np.zeros((1, 14, 2))
    with pytest.raises(ValueError, match='no labelled joint'):
        evaluate(zeros, zeros, np.zeros((1, 14)))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(thrs=()), 'thrs must be positive numbers'),
        (dict(thrs=(0.2, -1)), 'thrs must be positive numbers'),
        (dict(torso=('neck',)), 'torso must name two joints'),
        (dict(torso=('neck', 'neck')), 'torso must name two joints'),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        TorsoPCK(**kwargs)


def test_a_joint_that_the_dataset_lacks():
    zeros = np.zeros((1, 14, 2))
    with pytest.raises(ValueError, match=r"no joint \['tail'\]"):
        evaluate(zeros, zeros, np.ones((1, 14)), torso=('neck', 'tail'))
