"""Predicted heatmaps in files: docs/heatmap_dumps.md has the format."""
