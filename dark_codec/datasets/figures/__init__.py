"""Synthetic articulated figures with exact sub-pixel keypoints."""

from .dataset import FiguresDataset
from .render import Figure, render_figure

__all__ = ['Figure', 'FiguresDataset', 'render_figure']
