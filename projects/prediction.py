"""Predict heatmaps once, decode them in any way, score them as MMPose does."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.structures import PoseDataSample
from torch import Tensor

from dark_codec import DARKCodec
from dark_codec.openmmlab.decoding import (
    add_predictions,
    codec_config,
    decode,
    evaluate,
    image_to_input,
    with_decoder,
)


class _KeepSamplesHook(Hook):
    """Collects the samples that a test has predicted."""

    def __init__(self) -> None:
        self.samples: list[PoseDataSample] = []

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Collect the samples of one batch."""
        self.samples.extend(outputs)


class Prediction(NamedTuple):
    """Predictions of a network for I images of one person each.

    Attributes:
        runner (Runner): Holds the model, the data and the metric.
        samples (list[PoseDataSample]): The images' labels and boxes.
        heatmaps (Tensor): Means over the flip test if there is one,
            (I, K, H, W).
    """

    runner: Runner
    samples: list[PoseDataSample]
    heatmaps: Tensor

    @property
    def truth(self) -> np.ndarray:
        """True keypoints in image px, (I, K, 2)."""
        return np.concatenate([s.gt_instances.keypoints for s in self.samples])

    @property
    def labelled(self) -> np.ndarray:
        """Mask of the labelled keypoints, (I, K), bool."""
        visible = [s.gt_instances.keypoints_visible for s in self.samples]
        return np.concatenate(visible) > 0

    def codec(self, decoder: str | dict, **settings: Any) -> DARKCodec:
        """Return the network's codec with another decoder and settings."""
        codec = codec_config(self.runner.cfg)
        return with_decoder(codec, decoder, **settings)

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """Map image px to input px, (I, K, 2): inverts MMPose's estimator."""
        return image_to_input(points, [s.metainfo for s in self.samples])


def predict(cfg: Config) -> Prediction:
    """Test a network, and keep the heatmaps that it predicts.

    Args:
        cfg (Config): As for ``tools/test.py``, with ``load_from``, after
            :func:`dark_codec.apply_codec`.

    Returns:
        Prediction: On all images of the test data.
    """
    cfg.model.test_cfg.output_heatmaps = True
    runner = Runner.from_cfg(cfg)
    kept = _KeepSamplesHook()
    runner.register_hook(kept)
    runner.test()
    heatmaps = [sample.pred_fields.heatmaps for sample in kept.samples]
    return Prediction(runner, kept.samples, torch.stack(heatmaps))


def redecode(
    prediction: Prediction, decoder: str | dict, **settings: Any
) -> tuple[dict[str, float], np.ndarray]:
    """Decode a prediction by another decoder, and score it.

    Args:
        prediction (Prediction): From :func:`predict`.
        decoder (str | dict): A registered decoder.
        **settings: Other settings of the codec, such as
            ``correct_flip_shift``.

    Returns:
        tuple[dict[str, float], np.ndarray]: The dataset's own metrics, and
        the keypoints in image px, (I, K, 2), as MMPose's estimator computes
        them.
    """
    runner, samples, heatmaps = prediction
    codec = prediction.codec(decoder, **settings)
    points, scores = decode(codec, heatmaps, len(heatmaps))
    dicts = [sample.to_dict() for sample in samples]
    in_image = add_predictions(dicts, points, scores)
    return evaluate(runner.test_loop.evaluator, dicts), in_image
