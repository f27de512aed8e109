"""Datasets in MMPose's registry."""

from .figures import FiguresDataset
from .lsp import LSPDataset

__all__ = ['FiguresDataset', 'LSPDataset']
