"""One checkpoint, one prediction, decoded in several ways."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample
from torch import Tensor

from dark_codec import DARKCodec
from dark_codec.evaluation.bootstrap import Estimate, bootstrap

DARK = 'Taylor with modulation (DARK)'
# the paper's Tables 1 and 2, and one that goes beyond it
DECODERS: dict[str, Any] = {
    'argmax': 'ArgmaxDecoder',
    'quarter shift': 'QuarterShiftDecoder',
    'Taylor without modulation': dict(type='TaylorDecoder', modulation=None),
    DARK: 'TaylorDecoder',
    'Gaussian fit (beyond the paper)': 'GaussianFitDecoder',
}


class KeepSamplesHook(Hook):
    """Keeps the samples that a test has predicted."""

    def __init__(self) -> None:
        self.samples: list[PoseDataSample] = []

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Keep those of one batch."""
        self.samples.extend(outputs)


class Prediction(NamedTuple):
    """What a network predicted for I figures.

    Attributes:
        runner (Runner): Holds the model, the data and the metric.
        samples (list[PoseDataSample]): The figures and their truth.
        heatmaps (Tensor): Means over the flip test, (I, K, H, W).
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
        """Which keypoints lie in the image, (I, K), bool."""
        visible = [s.gt_instances.keypoints_visible for s in self.samples]
        return np.concatenate(visible) > 0

    def codec(self, decoder: str) -> DARKCodec:
        """The network's codec with one of :data:`DECODERS`."""
        cfg = dict(self.runner.cfg.codec, decoder=DECODERS[decoder])
        return KEYPOINT_CODECS.build(cfg)

    def to_input(self, points: np.ndarray) -> np.ndarray:
        """Image px to input px, (I, K, 2): inverts MMPose's estimator."""
        metas = [sample.metainfo for sample in self.samples]
        centre = np.array([meta['input_center'] for meta in metas])[:, None]
        scale = np.array([meta['input_scale'] for meta in metas])[:, None]
        size = np.array(metas[0]['input_size'])
        return (points - centre + scale / 2) / scale * size


class Score(NamedTuple):
    """How one decoder did.

    Attributes:
        metrics (dict): From ``CocoMetric``, 0 to 1.
        points (np.ndarray): Decoded keypoints in image px, (I, K, 2).
        error (Estimate): Mean distance from the truth in image px, over the
            labelled keypoints.
        gain (Estimate): How much smaller than that of argmax.
    """

    metrics: dict[str, float]
    points: np.ndarray
    error: Estimate
    gain: Estimate


def predict(cfg: Config) -> Prediction:
    """Test a network, and keep the heatmaps that it predicts.

    Args:
        cfg (Config): As for ``tools/test.py``, with ``load_from``.

    Returns:
        Prediction: On all figures of the test data.
    """
    cfg.model.test_cfg.output_heatmaps = True
    runner = Runner.from_cfg(cfg)
    kept = KeepSamplesHook()
    runner.register_hook(kept)
    runner.test()
    heatmaps = [sample.pred_fields.heatmaps for sample in kept.samples]
    return Prediction(runner, kept.samples, torch.stack(heatmaps))


def score_all(prediction: Prediction) -> dict[str, Score]:
    """Decode the heatmaps by each of :data:`DECODERS`, and score them."""
    decoded = {name: _decode(prediction, name) for name in DECODERS}
    points = np.stack([points for _, points in decoded.values()], 1)
    distance = np.linalg.norm(points - prediction.truth[:, None], axis=-1)
    labelled = prediction.labelled
    # the first decoder is what the others are compared with
    gain = distance[:, :1] - distance
    both = np.stack([distance, gain], 1) * labelled[:, None, None]
    mean = bootstrap(_mean, both.sum(-1), labelled.sum(-1))
    return {
        name: Score(*decoded[name], *(_entry(mean, k, i) for k in range(2)))
        for i, name in enumerate(DECODERS)
    }


def _decode(
    prediction: Prediction, decoder: str
) -> tuple[dict[str, float], np.ndarray]:
    """Metrics, and keypoints in image px, as MMPose makes them."""
    runner, samples, heatmaps = prediction
    runner.model.head.decoder = prediction.codec(decoder)
    instances = runner.model.head.decode(heatmaps)
    runner.model.add_pred_to_datasample(instances, None, samples)
    evaluator = runner.test_loop.evaluator
    evaluator.process(samples)
    metrics = evaluator.evaluate(len(samples))
    points = [sample.pred_instances.keypoints for sample in samples]
    return metrics, np.concatenate(points)


def _mean(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over keypoints, of which figures have different numbers."""
    return sums.sum(0) / counts.sum()


def _entry(estimate: Estimate, *index: int) -> Estimate:
    return Estimate(*(float(part[index]) for part in estimate))
