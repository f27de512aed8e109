"""Predicted heatmaps in files: docs/heatmap_dumps.md has the format."""

from .. import openmmlab  # noqa: F401  says what is missing
