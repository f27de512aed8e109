"""Fused decoding: from heatmaps to keypoints in one pass a map.

Each kernel does what :mod:`dark_codec.functional` does, and is judged by it.
"""

from .recipe import Recipe

__all__ = ['Recipe']
