"""Coordinates through the whole pipeline, and through the flip test.

MMPose's own transforms, heads and estimator run here; only the network is
replaced by an ideal one, whose heatmaps are what the codec encodes.
"""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.datasets.transforms import TopdownAffine
from mmpose.models.heads import HeatmapHead
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample

from dark_codec import DARKCodec
from dark_codec.functional import ALIGNMENTS

STRIDES = [2, 4, 8]
INPUT_SIZE = (192, 256)
WIDTH, HEIGHT = INPUT_SIZE
FIT = 'GaussianFitDecoder'


def config(stride, decoder=FIT, **args):
    return dict(
        type='DARKCodec',
        input_size=INPUT_SIZE,
        heatmap_size=(WIDTH // stride, HEIGHT // stride),
        sigma=2.0,
        decoder=decoder,
        **args,
    )


def crop(points, center, scale, rotation, use_udp):
    """Run MMPose's transform on points (K, 2) in image px."""
    results = dict(
        img=np.zeros((600, 800, 3), np.uint8),
        bbox_center=np.array([center]),
        bbox_scale=np.array([scale]),
        bbox_rotation=np.array([rotation]),
        keypoints=points[None].copy(),
    )
    return TopdownAffine(INPUT_SIZE, use_udp=use_udp).transform(results)


def restore(keypoints, results):
    """Input px to image px, as MMPose's estimator does it."""
    sample = PoseDataSample(
        metainfo={
            key: results[key]
            for key in ('input_center', 'input_scale', 'input_size')
        }
    )
    sample.gt_instances = InstanceData(
        bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1)
    )
    predictions = InstanceData(
        keypoints=keypoints.copy(),
        keypoint_scores=np.ones(keypoints.shape[:2]),
    )
    TopdownPoseEstimator.add_pred_to_datasample(
        SimpleNamespace(test_cfg={}), [predictions], None, [sample]
    )
    return sample.pred_instances.keypoints[0]


def rotate(points, center, degrees):
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return (points - center) @ np.array([[cos, sin], [-sin, cos]]) + center


@pytest.mark.parametrize('rotation', [0.0, 33.0])
@pytest.mark.parametrize('use_udp', [False, True])
@pytest.mark.parametrize('stride', STRIDES)
@pytest.mark.parametrize('alignment', ALIGNMENTS)
def test_image_to_heatmap_and_back(rng, alignment, stride, use_udp, rotation):
    center, scale = np.array([411.3, 287.9]), np.array([300.0, 377.0])
    # within the crop, a little less than it covers
    reach = 0.46 * min(scale)
    points = rng.uniform(-reach, reach, (60, 2)) * [0.7, 1] + center
    results = crop(points, center, scale, rotation, use_udp)
    codec = KEYPOINT_CODECS.build(
        config(stride, alignment=alignment, use_udp=use_udp)
    )
    encoded = codec.encode(results['transformed_keypoints'])
    keypoints, scores = codec.decode(encoded['heatmaps'])
    assert scores.min() > 0.5
    restored = restore(keypoints, results)
    # MMPose's two warps turn in opposite directions, and its estimators do
    # not turn back: rotation is for training only
    restored = rotate(restored, center, -rotation if use_udp else rotation)
    np.testing.assert_allclose(restored, points, atol=1e-3)


def ideal_head(decoder):
    """A real head whose features are its heatmaps."""
    return HeatmapHead(
        in_channels=1,
        out_channels=1,
        deconv_out_channels=None,
        final_layer=None,
        decoder=decoder,
    )


def encode(codec, points):
    """(B, 2) points in input px to heatmaps (B, 1, H, W)."""
    points = torch.tensor(points, dtype=torch.float32)[:, None, None]
    return codec.batch_encode(points, torch.ones(points.shape[:3]))[0]


def mirror(points):
    """Where points in input px lie after the columns are reversed."""
    return points * [-1, 1] + [WIDTH - 1, 0]


def flip_test(cfg, points, shift_heatmap, decoder=None):
    """A flip test on (B, 2) points in input px by MMPose's head: (B, 2).

    The network sees the image, and the same with its columns reversed, and
    predicts for both what the codec encodes.
    """
    codec = KEYPOINT_CODECS.build(cfg)
    feats = [(encode(codec, view),) for view in (points, mirror(points))]
    predictions = ideal_head(decoder or cfg).predict(
        feats,
        [PoseDataSample(metainfo=dict(flip_indices=[0]))] * len(points),
        test_cfg=dict(flip_test=True, shift_heatmap=shift_heatmap),
    )
    return np.concatenate([p.keypoints[0] for p in predictions])


def inner_points(rng, stride, sigma=2.0, count=40):
    margin = (4 * sigma + 1) * stride
    return rng.uniform(margin, np.array(INPUT_SIZE) - margin, (count, 2))


@pytest.mark.parametrize('decoder', ['TaylorDecoder', FIT])
@pytest.mark.parametrize('stride', STRIDES)
@pytest.mark.parametrize('alignment', ['half_pixel', 'align_corners'])
def test_flip_test_without_shift(rng, alignment, stride, decoder):
    cfg = config(stride, decoder, alignment=alignment)
    points = inner_points(rng, stride)
    decoded = flip_test(cfg, points, shift_heatmap=False)
    np.testing.assert_allclose(decoded, points, atol=1e-3)
    # beside the border, too
    edge = points.copy()
    edge[:20, 0], edge[20:, 0] = 2.0, WIDTH - 3.0
    decoded = flip_test(cfg, edge, shift_heatmap=False)
    codec = KEYPOINT_CODECS.build(cfg)
    alone, _ = codec.batch_decode(encode(codec, edge))
    np.testing.assert_allclose(decoded, np.concatenate(alone)[:, 0], atol=1e-3)


@pytest.mark.parametrize('decoder', ['TaylorDecoder', FIT])
@pytest.mark.parametrize('stride', STRIDES)
def test_flip_test_with_the_correction(rng, stride, decoder):
    cfg = config(stride, decoder, correct_flip_shift=True)
    points = inner_points(rng, stride)
    error = flip_test(cfg, points, shift_heatmap=True) - points
    # the mean of two Gaussians is no Gaussian: the Taylor step is not exact
    assert np.abs(error).max() < 1e-2 * stride
    assert np.abs(error.mean(0)).max() < 1e-3 * stride


@pytest.mark.parametrize('stride', STRIDES)
def test_what_the_usual_shift_leaves(rng, stride):
    """Half an input px to the right with MMPose's shift, at every stride."""
    points = inner_points(rng, stride)
    ours = config(stride)
    msra = dict(
        type='MSRAHeatmap',
        input_size=INPUT_SIZE,
        heatmap_size=ours['heatmap_size'],
        sigma=2.0,
        unbiased=True,
    )
    for decoder in (ours, msra):
        decoded = flip_test(ours, points, True, decoder)
        bias = (decoded - points).mean(0)
        np.testing.assert_allclose(bias, [0.5, 0], atol=5e-3 * stride)
    # at MMPose's stride of 4 an eighth of a heatmap px; without the shift
    # half of 1 - 1/stride heatmap px the other way
    decoded = flip_test(ours, points, False)
    bias = (decoded - points).mean(0)
    np.testing.assert_allclose(bias, [0.5 - stride / 2, 0], atol=5e-3 * stride)


def test_a_flipped_heatmap_lies_where_the_design_says(rng):
    """The label-free signature: 1 - 1/stride heatmap px at stride 4."""
    codec = DARKCodec(decoder=FIT)
    points = inner_points(rng, 4)
    heatmaps = encode(codec, mirror(points))
    decoded = codec.decoder(heatmaps.flip(-1)).points[:, 0]
    np.testing.assert_allclose(
        decoded - points / 4, [[-0.75, 0]] * len(points), atol=1e-4
    )
