"""Find people and their poses with MMDetection and MMPose."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from mmpose.apis import inference_topdown, init_model
from mmpose.evaluation.functional import nms
from mmpose.structures import PoseDataSample
from mmpose.utils import adapt_mmdet_pipeline

from dark_codec import DARKCodec, HeatmapHeight
from dark_codec.cli import UserError
from dark_codec.functional import scale_covariance
from dark_codec.openmmlab.engine.weights import load_weights


def person_detector(
    cfg: Config, checkpoint: str, device: str, bbox_thr: float
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a detector of MMDetection: from an image to boxes of people.

    Its boxes are (x1, y1, x2, y2, score), (N, 5), best first; those that
    overlap a better one by more than 0.3 (IoU) are dropped.
    """
    try:
        from mmdet.apis import inference_detector, init_detector
    except ImportError as error:
        raise UserError(
            f'--det needs MMDetection ({error}): pip install mmdet==3.3.0'
        ) from error
    # without a palette, MMDetection looks for one in the training data
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = init_detector(cfg, checkpoint, palette='coco', device=device)
    model.cfg = adapt_mmdet_pipeline(model.cfg)

    def detect(image: np.ndarray) -> np.ndarray:
        found = inference_detector(model, image).pred_instances.cpu().numpy()
        boxes = np.column_stack([found.bboxes, found.scores])
        people = (found.labels == 0) & (found.scores >= bbox_thr)
        people &= (boxes[:, 2:4] > boxes[:, :2]).all(1)
        people &= np.isfinite(boxes).all(1)
        return boxes[people][nms(boxes[people], 0.3)]

    return detect


class PoseEstimator:
    """Estimate the poses of the people in given boxes.

    Args:
        cfg (Config): Config of MMPose, after :func:`dark_codec.apply_codec`.
            Changed in place.
        checkpoint (str): Its weights.
        device (str): Where it runs.
        covariance (bool): Whether to estimate covariances.
        heatmap (bool): Whether to keep heatmaps.

    Raises:
        UserError: The weights do not fit the config, or its codec does not
            have what is asked for.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        device: str,
        covariance: bool = False,
        heatmap: bool = False,
    ) -> None:
        self.covariance, self.heatmap = covariance, heatmap
        if cfg.model.type != 'TopdownPoseEstimator':
            raise UserError(
                f'--pose takes a top-down model, not a {cfg.model.type}'
            )
        test_cfg = cfg.model.get('test_cfg') or {}
        test_cfg = dict(test_cfg, output_heatmaps=covariance or heatmap)
        cfg.model.test_cfg = test_cfg
        self.model = init_model(cfg, device=device)
        self.codec = self.model.head.decoder
        # of codecs without a choice of scores, too
        scores = getattr(self.codec, 'scores', HeatmapHeight())
        self.score_type = type(scores).__name__
        if covariance or heatmap:
            self._check_codec()
        try:
            loaded = load_weights(self.model, checkpoint)
        except (OSError, ValueError) as error:
            raise UserError(str(error)) from error
        meta = loaded.get('meta', {}).get('dataset_meta')
        self.metainfo = meta or self.model.dataset_meta
        self.model.dataset_meta = self.metainfo

    def _check_codec(self) -> None:
        if not isinstance(self.codec, DARKCodec):
            raise UserError(
                '--covariance and --heatmap need DARKCodec, not '
                f'{type(self.codec).__name__}: put '
                "codec=dict(type='DARKCodec') into the config"
            )
        if self.covariance and not hasattr(self.codec.decoder, 'covariance'):
            raise UserError(
                f'--covariance: {type(self.codec.decoder).__name__} has '
                'none; take TaylorDecoder or GaussianFitDecoder, with '
                '--cfg-options codec.decoder=TaylorDecoder'
            )
        if self.covariance:
            self.codec.decoder.covariance = True

    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> InstanceData:
        """Estimate the poses of N people in one image.

        Args:
            image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
            boxes (np.ndarray): (x1, y1, x2, y2, score) in image px, (N, 5).

        Returns:
            InstanceData: MMPose's ``pred_instances``, in the order of the
            boxes. If asked for, also ``covariances`` in image px^2,
            (N, K, 2, 2), not finite where unknown; ``heatmaps``, the maximum
            over the keypoints, (N, H, W); and ``to_image``, the affine maps
            from their px to image px, (N, 2, 3).
        """
        if not len(boxes):
            # MMPose would take the whole image for one person
            return InstanceData()
        samples = inference_topdown(self.model, image, boxes[:, :4])
        people = InstanceData.cat([s.pred_instances for s in samples])
        count = people.keypoints.shape[1], self.metainfo['num_keypoints']
        if count[0] != count[1]:
            raise UserError(
                f'the network predicts {count[0]} keypoints, and the '
                f'metainfo of its dataset describes {count[1]}'
            )
        people.bbox_scores = boxes[:, 4]
        finite = np.isfinite(people.keypoints).all(-1)
        finite &= np.isfinite(people.keypoint_scores)
        people.keypoints[~finite] = people.keypoint_scores[~finite] = 0
        if self.covariance:
            maps = torch.stack([s.pred_fields.heatmaps for s in samples])
            found = self.codec.decode_on_device(maps).covariance.cpu()
            zooms = [s.input_scale / s.input_size for s in samples]
            people.covariances = np.stack(
                [scale_covariance(c, *zoom) for c, zoom in zip(found, zooms)]
            )
        if self.heatmap:
            maps = [s.pred_fields.heatmaps.amax(0).cpu() for s in samples]
            people.heatmaps = np.stack(maps)
            people.to_image = np.stack([self._to_image(s) for s in samples])
        return people

    def _to_image(self, sample: PoseDataSample) -> np.ndarray:
        points = self.codec.to_input(torch.tensor([[0.0, 0.0], [1.0, 1.0]]))
        # as MMPose's estimator does with keypoints
        scale = sample.input_scale / np.array(sample.input_size)
        corner = sample.input_center - sample.input_scale / 2
        origin, one = points.numpy() * scale + corner
        return np.column_stack([np.diag(one - origin), origin])
