"""Checks of a config with DARKCodec: targets, a step, a prediction."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmpose.registry import KEYPOINT_CODECS, MODELS

from dark_codec import DARKCodec

_DRAWS = 5
# From the replaced codec's targets: they end at 2 or 3 sigma, and those of
# MegviiHeatmap are OpenCV's tables in place of a Gaussian
_MAX_GAP = 0.05
# heatmap px, inside the map
_MAX_ERROR = 0.1


class CheckError(Exception):
    """A config with DARKCodec does not do what it should."""


class _KeepGradients(OptimWrapper):
    """Leaves the gradients of the step for who wants to look at them."""

    def zero_grad(self, **kwargs: Any) -> None:
        pass


def run_pipeline(
    pipeline: list[dict], instances: list[dict]
) -> tuple[list[dict], list[dict]]:
    """Run a config's own transforms.

    Returns:
        Its samples, and for each what the last transform was given.
    """
    *transforms, pack = pipeline
    before, pack = Compose(transforms), Compose([pack])
    results = [before(copy.deepcopy(instance)) for instance in instances]
    if any(result is None for result in results):
        raise CheckError('the pipeline drops an instance')
    return [pack(dict(result)) for result in results], results


def draw_targets(
    pipeline: list[dict], instances: list[dict]
) -> tuple[list[dict], list[dict]]:
    """Run a training pipeline until a keypoint is in the crop.

    Its random boxes may leave all of them outside.
    """
    for seed in range(_DRAWS):
        np.random.seed(seed)
        samples, results = run_pipeline(pipeline, instances)
        if any(np.any(result['keypoint_weights']) for result in results):
            return samples, results
    raise CheckError(f'no keypoint with a target in {_DRAWS} draws')


def check_round_trip(codec: DARKCodec, results: list[dict]) -> float:
    """The largest distance of decoded targets from the keypoints, input px."""
    size = np.array(codec.input_size)
    # Decoded points are for MMPose's way back to the image, w px for a crop
    # that UDP's warp has made w - 1 px wide
    shrink = (size - 1) / size if codec.use_udp else 1.0
    stride = np.divide(codec.input_size, codec.heatmap_size)
    errors = []
    for result in results:
        heatmaps, weights = result['heatmaps'], result['keypoint_weights']
        if isinstance(heatmaps, list):
            heatmaps, weights = heatmaps[-1], weights[-1]
        truth = result['transformed_keypoints'][0]
        inside = (truth >= stride) & (truth <= size - 2 * stride)
        used = inside.all(-1) & (np.reshape(weights, -1) > 0)
        decoded = codec.decode(heatmaps)[0][0] * shrink
        errors.append(np.linalg.norm(decoded - truth, axis=-1)[used])
    error = float(np.concatenate(errors).max(initial=0))
    if error > _MAX_ERROR * stride.max():
        raise CheckError(f'decoded targets are {error:.3f} input px off')
    return error


def check_same_targets(ours: list[DARKCodec], replaced: list[dict]) -> float:
    """The largest difference from the replaced codec's targets.

    For keypoints on heatmap pixels, where a codec that quantises its
    targets does not change them.
    """
    gaps = []
    for codec, settings in zip(ours, replaced):
        other = KEYPOINT_CODECS.build(copy.deepcopy(settings))
        stride = np.divide(codec.input_size, codec.heatmap_size)
        cells = np.array([[0.3, 0.4], [0.5, 0.5], [0.6, 0.7]])
        cells = np.rint(cells * codec.heatmap_size)
        points = (cells * stride)[None].astype(np.float32)
        visible = np.ones((1, len(cells)), np.float32)
        maps = [each.encode(points, visible) for each in (codec, other)]
        # MegviiHeatmap has peaks of 255
        mine, theirs = (each['heatmaps'] for each in maps)
        gaps.append(np.abs(mine - theirs / np.ceil(theirs.max())).max())
    gap = float(max(gaps))
    if gap > _MAX_GAP:
        raise CheckError(f'targets differ by {gap:.3f} from the replaced')
    return gap


def build_model(cfg: Config) -> torch.nn.Module:
    """The network; batch norm of one process."""
    return revert_sync_batchnorm(MODELS.build(cfg.model))


def check_training(model: torch.nn.Module, samples: list[dict]) -> float:
    """One training step; returns its loss."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    logs = model.train_step(pseudo_collate(samples), _KeepGradients(optimizer))
    loss = float(logs['loss'].detach())
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    if not np.isfinite(loss):
        raise CheckError(f'the loss is {loss}')
    if not all(bool(grad.isfinite().all()) for grad in gradients):
        raise CheckError('gradients are not finite')
    if not any(bool(grad.any()) for grad in gradients):
        raise CheckError('there are no gradients')
    model.zero_grad()
    return loss


def check_prediction(
    model: torch.nn.Module, samples: list[dict], num_keypoints: int
) -> None:
    """One prediction with a flip test."""
    model.eval()
    with torch.no_grad():
        predictions = model.test_step(pseudo_collate(samples))
    for prediction in predictions:
        found = prediction.pred_instances
        shapes = found.keypoints.shape, found.keypoint_scores.shape
        expected = (1, num_keypoints, 2), (1, num_keypoints)
        if shapes != expected:
            raise CheckError(f'predictions have shapes {shapes}')
        if not np.isfinite(found.keypoints).all():
            raise CheckError('predicted keypoints are not finite')
        if not np.isfinite(found.keypoint_scores).all():
            raise CheckError('predicted scores are not finite')
