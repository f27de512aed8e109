"""Draw poses, heatmaps and covariances on a photograph."""

from __future__ import annotations

import cv2
import numpy as np
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer

_SKY_BLUE = 233, 180, 86  # of Okabe and Ito; blue, green, red


class PoseArtist:
    """Draw heatmaps, skeletons as MMPose does, and ellipses.

    Args:
        metainfo (dict): Names, links and colours of the keypoints.
        kpt_thr (float): The lowest score of a keypoint that is drawn.
        score_type (str): What the scores are, for the label of a person.
    """

    def __init__(
        self, metainfo: dict, kpt_thr: float, score_type: str
    ) -> None:
        self.visualizer = PoseLocalVisualizer(name='topdown_demo')
        self.visualizer.set_dataset_meta(metainfo)
        self.kpt_thr = kpt_thr
        self.score_type = score_type

    def __call__(self, image: np.ndarray, people: InstanceData) -> np.ndarray:
        """Return a picture of an image's size, blue, green, red, uint8.

        Args:
            image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
            people (InstanceData): From :class:`.poses.PoseEstimator`.
        """
        self.visualizer.radius = max(3, max(image.shape) // 120)
        self.visualizer.line_width = width = max(2, max(image.shape) // 320)
        if 'heatmaps' in people:
            image = _overlay_heatmaps(image, people)
        drawn = self.visualizer.add_datasample(
            'poses',
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
            PoseDataSample(pred_instances=people),
            draw_gt=False,
            draw_bbox=True,
            kpt_thr=self.kpt_thr,
        )
        drawn = cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR)
        for person in people:
            self._label(drawn, person, width)
        if 'covariances' in people:
            shown = people.keypoint_scores >= self.kpt_thr
            points = people.keypoints[shown]
            for point, covariance in zip(points, people.covariances[shown]):
                _draw_ellipse(drawn, point, covariance, width)
        return drawn

    def _label(
        self, drawn: np.ndarray, person: InstanceData, width: int
    ) -> None:
        """Write a person's mean score, and what it is, into their box."""
        x, y, *_ = person.bboxes[0]
        mean = person.keypoint_scores.mean()
        cv2.putText(
            drawn,
            f'{self.score_type} {mean:.2f}',
            (int(x) + 2 * width, int(y) + 12 * width),
            cv2.FONT_HERSHEY_SIMPLEX,
            width / 5,
            _SKY_BLUE,
            max(1, width // 2),
            cv2.LINE_AA,
        )


def _draw_ellipse(
    image: np.ndarray, point: np.ndarray, covariance: np.ndarray, width: int
) -> None:
    """Draw one standard deviation, unless it is wider than the image."""
    if not np.isfinite(covariance).all():
        return
    variances, directions = np.linalg.eigh(covariance)
    diameters = 2 * np.sqrt(np.maximum(variances, 0))
    if diameters.max() < max(image.shape):
        angle = float(np.degrees(np.arctan2(*directions[::-1, 0])))
        ellipse = point.tolist(), diameters.tolist(), angle
        cv2.ellipse(image, ellipse, _SKY_BLUE, width, cv2.LINE_AA)


def _overlay_heatmaps(image: np.ndarray, people: InstanceData) -> np.ndarray:
    """Return an image under heatmaps, which are transparent where they are 0.

    1, the peak of the training targets, is drawn most opaque.
    """
    values = np.zeros(image.shape[:2], np.float32)
    for heatmap, to_image in zip(people.heatmaps, people.to_image):
        heatmap = np.clip(heatmap, 0, 1).astype(np.float32)
        shown = cv2.warpAffine(heatmap, to_image, values.shape[::-1])
        np.maximum(values, shown, out=values)
    colours = (255 * values).astype(np.uint8)
    colours = cv2.applyColorMap(colours, cv2.COLORMAP_INFERNO)
    values *= 0.7
    return cv2.blendLinear(image, colours, 1 - values, values)
