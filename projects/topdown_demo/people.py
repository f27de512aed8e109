"""Find people by a detector of MMDetection."""

from __future__ import annotations

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.evaluation.functional import nms
from mmpose.utils import adapt_mmdet_pipeline

from dark_codec.cli import UserError


class PersonDetector:
    """Finds people in images.

    Args:
        cfg (Config): Of MMDetection.
        checkpoint (str): Its weights.
        device (str): Where it runs.
        cat_id (int): The detector's category of people.
        bbox_thr (float): Boxes with a lower score are dropped.
        nms_thr (float): So are boxes that overlap a better one by more, in
            intersection over union.
    """

    def __init__(
        self,
        cfg: Config,
        checkpoint: str,
        device: str,
        cat_id: int,
        bbox_thr: float,
        nms_thr: float,
    ) -> None:
        try:
            from mmdet.apis import init_detector
        except ImportError as error:
            raise UserError(
                f'--det needs MMDetection ({error}): pip install mmdet==3.3.0'
            ) from error
        # a palette of its own would be looked for in the training data
        with DefaultScope.overwrite_default_scope('mmdet'):
            self.model = init_detector(
                cfg, checkpoint, palette='coco', device=device
            )
        self.model.cfg = adapt_mmdet_pipeline(self.model.cfg)
        self.cat_id = cat_id
        self.bbox_thr = bbox_thr
        self.nms_thr = nms_thr

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Find people in one image.

        Args:
            image (np.ndarray): Blue, green, red, (h, w, 3), uint8.

        Returns:
            np.ndarray: Boxes with their scores, (x1, y1, x2, y2, score) in
            image px, (N, 5), float32, best first; N may be 0.
        """
        from mmdet.apis import inference_detector

        found = inference_detector(self.model, image).pred_instances
        found = found.cpu().numpy()
        wanted = found.labels == self.cat_id
        wanted &= found.scores >= self.bbox_thr
        scored = np.column_stack([found.bboxes, found.scores])[wanted]
        return scored[nms(scored, self.nms_thr)]
