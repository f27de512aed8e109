"""Datasets in MMPose's registry."""

from .lsp import LSPDataset

__all__ = ['LSPDataset']
