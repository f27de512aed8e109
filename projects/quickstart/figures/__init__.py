"""Synthetic people with exact sub-pixel keypoints, as a dataset of MMPose."""

import dark_codec  # noqa: F401  before MMPose, for its shims

from .dataset import FiguresDataset
from .drawing import Figure, draw_figure

__all__ = ['Figure', 'FiguresDataset', 'draw_figure']
