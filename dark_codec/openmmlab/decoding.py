"""Decode heatmaps that a network has predicted, and score the keypoints.

Repeats what MMPose's head and estimator do after the network.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmpose.registry import KEYPOINT_CODECS
from torch import Tensor

from ..codec import DARKCodec
from .config import apply_codec, decoding_head
from .config.codecs import build_codec, is_dark


def codec_config(cfg: Config) -> dict:
    """Return the DARKCodec that decodes what a config's model predicts.

    The config's own, or for another codec of Gaussian heatmaps a DARKCodec
    with its sizes, sigma and alignment.

    Args:
        cfg (Config): After :func:`dark_codec.apply_codec`. It is not changed.

    Returns:
        dict: All its :attr:`~dark_codec.DARKCodec.settings`.

    Raises:
        ValueError: If the model does not predict Gaussian heatmaps.
    """
    decoder: Any = decoding_head(cfg)[1].get('decoder')
    if not is_dark(decoder):
        own = deepcopy(cfg)
        own.codec = dict(type='DARKCodec')
        decoder = decoding_head(apply_codec(own))[1]['decoder']
    return build_codec(decoder).settings


def with_decoder(
    codec: dict, decoder: str | dict, **settings: Any
) -> DARKCodec:
    """Build a codec with another decoder, to compare it with others.

    All are scored by the height of the peak: not every decoder gives the
    covariances that other scores need.

    Args:
        codec (dict): Settings, from :func:`codec_config`.
        decoder (str | dict): A registered decoder.
        **settings: Others that replace those of ``codec``.

    Raises:
        TypeError: If it cannot be built.
        ValueError: Likewise.
    """
    height = dict(codec, scores='HeatmapHeight')
    return KEYPOINT_CODECS.build({**height, **settings, 'decoder': decoder})


def decode(
    codec: DARKCodec, heatmaps: Tensor, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Decode heatmaps in batches.

    Sums of floats depend on how many maps are decoded at a time, in the last
    digit: batches as in a test give the test's results.

    Args:
        codec (DARKCodec): The codec.
        heatmaps (Tensor): Shape (n, K, H, W).
        batch_size (int): Number of samples decoded at a time.

    Returns:
        tuple[np.ndarray, np.ndarray]: Keypoints (x, y) in input px,
        (n, K, 2), and scores (n, K), float32.
    """
    points, scores = [], []
    for start in range(0, len(heatmaps), batch_size):
        found = codec.batch_decode(heatmaps[start : start + batch_size])
        points += found[0]
        scores += found[1]
    return np.concatenate(points), np.concatenate(scores)


def add_predictions(
    samples: list[dict], points: np.ndarray, scores: np.ndarray
) -> np.ndarray:
    """Put predictions into samples, as MMPose's top-down estimator does.

    Args:
        samples (list[dict]): Data samples as metrics take them: metainfo and
            ``gt_instances``. ``pred_instances`` is added in place.
        points (np.ndarray): Keypoints in input px, (n, K, 2).
        scores (np.ndarray): Shape (n, K).

    Returns:
        np.ndarray: Keypoints in image px, (n, K, 2), float32.
    """
    in_image = np.empty_like(points)
    for sample, point, score, keypoints in zip(
        samples, points, scores, in_image
    ):
        scale = sample['input_scale']
        # in this order: the last digits depend on it
        keypoints[:] = (
            point / sample['input_size'] * scale
            + sample['input_center']
            - 0.5 * scale
        )
        truth = sample['gt_instances']
        sample['pred_instances'] = dict(
            keypoints=keypoints[None],
            keypoint_scores=score[None],
            keypoints_visible=score[None],
            bboxes=truth['bboxes'],
            bbox_scores=truth['bbox_scores'],
        )
    return in_image


def image_to_input(points: np.ndarray, samples: list[dict]) -> np.ndarray:
    """Map image px to input px: inverts MMPose's top-down estimator.

    Args:
        points (np.ndarray): Shape (n, K, 2).
        samples (list[dict]): Their n data samples.

    Returns:
        np.ndarray: Shape (n, K, 2).
    """
    centre, scale = (
        np.array([sample[key] for sample in samples]).reshape(-1, 1, 2)
        for key in ('input_center', 'input_scale')
    )
    size = np.array(samples[0]['input_size'])
    return (points - centre + scale / 2) / scale * size


def evaluate(evaluator: Evaluator, samples: list[dict]) -> dict[str, float]:
    """Return the metrics of samples that hold predictions."""
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))
