"""Poses drawn on their image."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer

from dark_codec.analysis.visualization import (
    draw_covariances,
    draw_picture,
    overlay_heatmap,
)

from .poses import Poses

_DPI = 128  # a power of two: sizes in inches are exact


class PoseArtist:
    """Draws skeletons as MMPose does, heatmaps below, ellipses above them.

    Args:
        metainfo (dict): The keypoints' names, links and colours.
        kpt_thr (float): Keypoints with a lower score are not drawn.
    """

    def __init__(self, metainfo: dict, kpt_thr: float) -> None:
        self.visualizer = PoseLocalVisualizer(name='topdown_demo')
        self.visualizer.set_dataset_meta(metainfo)
        self.kpt_thr = kpt_thr

    def __call__(self, image: np.ndarray, poses: Poses) -> np.ndarray:
        """Draw on a copy.

        Args:
            image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
            poses (Poses): Of the people in it.

        Returns:
            np.ndarray: Of the same kind and size.
        """
        # as thick as the picture is large
        self.visualizer.radius = max(3, max(image.shape) // 160)
        self.visualizer.line_width = max(1, max(image.shape) // 320)
        if poses.heatmaps:
            image = _paint(image, lambda ax: _lay_heatmaps(ax, poses))
        image = self.visualizer.add_datasample(
            'poses',
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
            PoseDataSample(pred_instances=poses.instances),
            draw_gt=False,
            draw_bbox=True,
            kpt_thr=self.kpt_thr,
        )[..., ::-1]
        if poses.covariances is not None:
            image = _paint(image, lambda ax: self._draw_ellipses(ax, poses))
        return image

    def _draw_ellipses(self, ax: Axes, poses: Poses) -> None:
        people = poses.instances
        shown = people.keypoint_scores >= self.kpt_thr
        draw_covariances(ax, people.keypoints[shown], poses.covariances[shown])


def _lay_heatmaps(ax: Axes, poses: Poses) -> None:
    for heatmap, corners in poses.heatmaps:
        overlay_heatmap(ax, heatmap, corners)


def _paint(image: np.ndarray, draw: Callable[[Axes], None]) -> np.ndarray:
    """Draw on an image by matplotlib; pixel for pixel of the same size."""
    height, width = image.shape[:2]
    figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    draw(draw_picture(figure.add_axes((0, 0, 1, 1)), image))
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 2::-1].copy()
