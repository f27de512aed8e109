"""A model of MMPose as a module to export: from pictures to keypoints.

Has what :mod:`dark_codec.deployment.decoder` has. Needs MMPose.
"""

from __future__ import annotations

import torch

from .. import openmmlab  # noqa: F401  says what is missing

# isort: split
from mmengine.model import ImgDataPreprocessor
from mmpose.models import TopdownPoseEstimator
from mmpose.models.utils.tta import flip_heatmaps
from torch import Tensor, nn

from ..codec import DARKCodec
from .decoder import ExportedDecoder


class ExportedEstimator(nn.Module):
    """A top-down estimator with its decoder: pictures to keypoints.

    Computes what MMPose's ``predict`` does, but for the mapping from the crop
    back to the whole picture.

    Args:
        model (TopdownPoseEstimator): A model whose head decodes by a
            DARKCodec; its ``test_cfg`` says how heatmaps of a flip test are
            shifted, and which keypoints it keeps. Put into evaluation mode.
        flip_indices (list[int], optional): Each keypoint's symmetric one,
            for a flip test. Defaults to None, no flip test.
        uint8 (bool): Whether pictures come as the model's data preprocessor
            takes them: uint8, (B, 3, h, w), in the order of channels that
            the pipeline loads, BGR in MMPose. Otherwise as the preprocessor
            leaves them: float32, normalised. Defaults to False.

    Raises:
        TypeError: If pictures are to come as uint8, and the preprocessor is
            not one of MMEngine's kind for pictures.
    """

    inputs = ('image',)
    outputs = ('keypoints', 'scores', 'heatmaps')
    dynamic_axes = {0: 'batch'}

    def __init__(
        self,
        model: TopdownPoseEstimator,
        flip_indices: list[int] | None = None,
        uint8: bool = False,
    ) -> None:
        super().__init__()
        preprocessor = model.data_preprocessor
        if uint8 and not isinstance(preprocessor, ImgDataPreprocessor):
            raise TypeError(
                'uint8 needs a data_preprocessor for pictures, such as '
                f'PoseDataPreprocessor, got {type(preprocessor).__name__}'
            )
        self.model = model
        # VisPredictHead wraps the head that predicts heatmaps
        self.head = getattr(model.head, 'pose_head', model.head)
        self.decoder = ExportedDecoder(self.head.decoder)
        self.flip_indices = flip_indices
        self.uint8 = uint8
        self.eval()

    @property
    def codec(self) -> DARKCodec:
        """The codec that decodes."""
        return self.decoder.codec

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict keypoints.

        Args:
            image (Tensor): Crops, (B, 3, h, w), uint8 or float32.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Keypoints (x, y) in input px,
            (B, K, 2), scores (B, K), and the heatmaps that they come from,
            (B, K, H, W), float32.

        Raises:
            ValueError: If the heatmaps are not of the codec's size, or not
                as many as ``flip_indices``.
        """
        if self.uint8:
            # not the subclass, which also needs data samples
            image = ImgDataPreprocessor.forward(
                self.model.data_preprocessor, dict(inputs=image)
            )['inputs']
        if self.flip_indices is None:
            heatmaps = self._heatmaps(image)
        else:
            heatmaps = self._flip_test(image, self.flip_indices)
        kept = self.model.test_cfg.get('output_keypoint_indices')
        if kept is not None:
            heatmaps = heatmaps[:, list(kept)]
        return (*self.decoder(heatmaps), heatmaps)

    def _heatmaps(self, image: Tensor) -> Tensor:
        heatmaps = self.head(self.model.extract_feat(image))
        # some heads return one for each stage, and decode the last
        if isinstance(heatmaps, (list, tuple)):
            heatmaps = heatmaps[-1]
        return heatmaps

    def _flip_test(self, image: Tensor, flip_indices: list[int]) -> Tensor:
        """Return the mean over a picture and its mirror image."""
        both = self._heatmaps(torch.cat([image, image.flip(-1)]))
        plain, flipped = both.unflatten(0, (2, -1)).unbind(0)
        if len(flip_indices) != flipped.shape[1]:
            raise ValueError(
                f'flip_indices has {len(flip_indices)} entries, but the head '
                f'predicts {flipped.shape[1]} heatmaps'
            )
        flipped = flip_heatmaps(flipped, flip_indices, shift_heatmap=False)
        if self.model.test_cfg.get('shift_heatmap', False):
            # flip_heatmaps writes in place, which ONNX does by scattering
            flipped = torch.cat([flipped[..., :1], flipped[..., :-1]], -1)
        return (plain + flipped) * 0.5

    def example(self, batch: int, seed: int = 0) -> Tensor:
        """Return noise in the form of pictures, (batch, 3, h, w)."""
        width, height = self.codec.input_size
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, 3, height, width)
        if self.uint8:
            return torch.randint(
                256, shape, generator=generator, dtype=torch.uint8
            )
        return torch.randn(shape, generator=generator)
