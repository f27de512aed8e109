"""Synthetic articulated figures with exact sub-pixel keypoints."""

import dark_codec  # noqa: F401  before MMPose, for its shims

from .dataset import FiguresDataset
from .render import Figure, render_figure

__all__ = ['Figure', 'FiguresDataset', 'render_figure']
