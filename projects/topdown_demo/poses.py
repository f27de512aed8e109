"""The poses of the people in an image, by MMPose, and what DARK adds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.apis import inference_topdown, init_model
from mmpose.registry import KEYPOINT_CODECS
from mmpose.structures import PoseDataSample

from dark_codec import DARKCodec
from dark_codec.cli import UserError, head_decoder
from dark_codec.functional import scale_covariance


class Poses(NamedTuple):
    """Poses found in one image.

    Attributes:
        instances (InstanceData): Of N people, as MMPose has them: keypoints
            (N, K, 2) in image px, keypoint_scores (N, K), bboxes (N, 4),
            bbox_scores (N,).
        covariances (np.ndarray, optional): How far the heatmaps spread round
            the keypoints, in image px^2, (N, K, 2, 2), x first; infinite
            where nothing is known.
        heatmaps (list[tuple[np.ndarray, np.ndarray]]): For each person the
            maximum over the keypoints, (H, W), and where its outer corners
            lie, (2, 2) in image px.
    """

    instances: InstanceData
    covariances: np.ndarray | None
    heatmaps: list[tuple[np.ndarray, np.ndarray]]


class PoseEstimator:
    """A top-down estimator for the people in given boxes.

    Args:
        cfg (Config): Of MMPose, after :func:`dark_codec.apply_codec`.
            Changed in place.
        checkpoint (str): Its weights.
        device (str): Where it runs.
        covariance (bool): Whether to tell covariances.
        heatmap (bool): Whether to keep heatmaps.

    Raises:
        UserError: If the decoder of the config has no covariances, or the
            codec is none of ours where covariances or heatmaps are wanted.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        device: str,
        covariance: bool,
        heatmap: bool,
    ) -> None:
        self.codec = None
        if covariance or heatmap:
            self.codec = _codec(cfg, covariance)
            cfg.model.test_cfg.output_heatmaps = True
        self.covariance = covariance
        self.heatmap = heatmap
        self.model = init_model(cfg, checkpoint, device=device)

    @property
    def metainfo(self) -> dict:
        """The keypoints' names, links and colours, as MMPose has them."""
        return self.model.dataset_meta

    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> Poses:
        """Estimate the poses of N people in one image.

        Args:
            image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
            boxes (np.ndarray): (x1, y1, x2, y2, score) in image px, (N, 5).

        Returns:
            Poses: In the order of the boxes.
        """
        if not len(boxes):
            # without boxes, MMPose would take the whole image for one
            return Poses(InstanceData(), None, [])
        samples = inference_topdown(self.model, image, boxes[:, :4])
        instances = InstanceData.cat([s.pred_instances for s in samples])
        instances.bbox_scores = boxes[:, 4]
        covariances = heatmaps = None
        if self.covariance:
            covariances = self._covariances(samples)
        if self.heatmap:
            heatmaps = [self._heatmap(sample) for sample in samples]
        return Poses(instances, covariances, heatmaps or [])

    def _covariances(self, samples: list[PoseDataSample]) -> np.ndarray:
        maps = torch.stack([s.pred_fields.heatmaps for s in samples])
        found = self.codec.decode_on_device(maps).covariance.cpu()
        return np.stack(
            [
                scale_covariance(
                    covariance, *sample.input_scale / sample.input_size
                )
                for covariance, sample in zip(found, samples)
            ]
        )

    def _heatmap(
        self, sample: PoseDataSample
    ) -> tuple[np.ndarray, np.ndarray]:
        highest = sample.pred_fields.heatmaps.amax(0).cpu().numpy()
        width, height = self.codec.heatmap_size
        corners = torch.tensor([[-0.5, -0.5], [width - 0.5, height - 0.5]])
        corners = self.codec.to_input(corners).numpy()
        # as MMPose's estimator does with keypoints
        scale = sample.input_scale / np.array(sample.input_size)
        offset = sample.input_center - sample.input_scale / 2
        return highest, corners * scale + offset


def _codec(cfg: Config, covariance: bool) -> DARKCodec:
    """The codec of the config, with covariances if wanted."""
    settings = head_decoder(cfg)
    if settings.get('type') != 'DARKCodec':
        raise UserError(
            '--covariance and --heatmap need DARKCodec, not '
            f'{settings.get("type")}: put '
            "codec=dict(type='DARKCodec') into the config"
        )
    decoder = settings.get('decoder', 'TaylorDecoder')
    decoder = dict(type=decoder) if isinstance(decoder, str) else decoder
    if covariance:
        decoder = dict(decoder, covariance=True)
    try:
        return KEYPOINT_CODECS.build(dict(settings, decoder=decoder))
    except TypeError as error:
        raise UserError(
            f'--covariance: {decoder["type"]} has none; take TaylorDecoder '
            'or GaussianFitDecoder, with --cfg-options '
            'codec.decoder=TaylorDecoder'
        ) from error
