"""A neck that merges the feature maps of all resolutions at the finest."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpose.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class MergeNeck(BaseModule):
    """Project each map to the same width, and add them from coarse to fine.

    The top-down half of a feature pyramid (Lin et al., "Feature Pyramid
    Networks for Object Detection", CVPR 2017) with one output, for the head
    of a top-down model. MMPose's FPN convolves and returns every level, of
    which :class:`HeatmapHead` would take the coarsest.

    Args:
        in_channels: Channels of the maps, from fine to coarse.
        out_channels: Channels of the merged map.

    Raises:
        ValueError: In forward, if the number of maps is not that of
            ``in_channels``.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )
            for channels in in_channels
        )

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor]:
        """Merge feature maps.

        Args:
            features: Maps (B, C_i, H_i, W_i), from fine to coarse.

        Returns:
            One map (B, out_channels, H_0, W_0).
        """
        if len(features) != len(self.laterals):
            raise ValueError(
                f'in_channels describes {len(self.laterals)} maps, '
                f'got {len(features)}'
            )
        merged = None
        for lateral, feature in zip(
            reversed(self.laterals), reversed(features), strict=True
        ):
            fine = lateral(feature)
            if merged is not None:
                fine = fine + F.interpolate(
                    merged, fine.shape[-2:], mode='bilinear'
                )
            merged = F.relu(fine)
        return (merged,)
