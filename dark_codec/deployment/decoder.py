"""A codec's decoding as a module to export: from heatmaps to keypoints.

It has the names and dynamic axes of its graph in ``inputs``, ``outputs`` and
``dynamic_axes``, and makes example input to trace and check it with.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..codec import DARKCodec


class ExportedDecoder(nn.Module):
    """Decoding of a codec as a module: heatmaps to keypoints.

    Args:
        codec (DARKCodec): The codec.
    """

    inputs = ('heatmaps',)
    outputs = ('keypoints', 'scores')
    dynamic_axes = {0: 'batch', 1: 'num_keypoints'}

    def __init__(self, codec: DARKCodec) -> None:
        super().__init__()
        self.codec = codec
        # scores with one sigma per keypoint fix their number
        self._keypoints = len(getattr(codec.scores, 'sigmas', ()))
        if self._keypoints:
            self.dynamic_axes = {0: 'batch'}
        self.eval()

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Decode heatmaps.

        Args:
            heatmaps (Tensor): Shape (B, K, H, W), float32.

        Returns:
            tuple[Tensor, Tensor]: Keypoints (x, y) in input px, (B, K, 2),
            and scores (B, K), float32, as
            :meth:`DARKCodec.batch_decode` has them.
        """
        # runtimes differ in the argmax of NaN; infinity also makes a map
        # invalid
        usable = heatmaps.masked_fill(heatmaps.isnan(), math.inf)
        decoded = self.codec.decode_on_device(usable)
        return decoded.points, decoded.scores

    def example(self, batch: int, seed: int = 0) -> Tensor:
        """Return noise, (batch, K, H, W), with any K where it is free."""
        width, height = self.codec.heatmap_size
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, self._keypoints or 3, height, width)
        return torch.rand(shape, generator=generator)
