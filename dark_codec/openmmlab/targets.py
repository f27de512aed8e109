"""Targets rendered on the training device, not in the data loader's workers.

A sample's heatmaps are larger than its image, and have to be rendered,
pickled and copied one sample at a time. The keypoints that they come from
are a few hundred bytes, and rendering a batch of them costs next to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.registry import KEYPOINT_CODECS, MODELS
from mmpose.structures import MultilevelPixelData, PoseDataSample
from torch import Tensor, nn

from ..codec import DARKCodec


@MODELS.register_module()
class BatchGenerateTarget(nn.Module):
    """Render the targets of a batch on its device, as ``GenerateTarget`` does.

    ``targets_on_device = True`` beside the ``codec`` of a config puts it in
    place (see :func:`dark_codec.apply_codec`). By hand: it goes into the data
    preprocessor, which calls it in training only, and the training pipeline
    ends without ``GenerateTarget``, but hands the keypoints on::

        model = dict(data_preprocessor=dict(batch_augments=[
            dict(type='BatchGenerateTarget', encoder=codec)]))
        train_pipeline = [
            ...,
            dict(type='TopdownAffine', input_size=codec['input_size']),
            dict(type='PackPoseInputs', pack_transformed=True)]

    Writes the same as that transform and ``PackPoseInputs`` do:
    ``gt_fields.heatmaps`` and ``gt_instance_labels.keypoint_weights``, but as
    tensors on the device of the inputs.

    Args:
        encoder (dict | list[dict]): Config of a :class:`DARKCodec`, or one
            for each level.
        multilevel (bool): Whether ``encoder`` is a list, as in
            ``GenerateTarget``. Defaults to False.
        use_dataset_keypoint_weights (bool): Whether to multiply the weights
            with those in the dataset's metainfo, in all levels
            (``GenerateTarget`` forgets them with ``multilevel=True``). The
            ``meta_keys`` of ``PackPoseInputs`` must then name
            ``'dataset_keypoint_weights'``. Defaults to False.

    Raises:
        ValueError: If ``encoder`` is no DARKCodec, is a list without
            ``multilevel``, or the levels' input sizes differ.
    """

    def __init__(
        self,
        encoder: dict | list[dict],
        multilevel: bool = False,
        use_dataset_keypoint_weights: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(encoder, (list, tuple)) != multilevel:
            raise ValueError(
                'BatchGenerateTarget takes a list of encoders with '
                'multilevel=True, and a single encoder without; got '
                f'multilevel={multilevel} and encoder={encoder}'
            )
        self.multilevel = multilevel
        self.use_dataset_keypoint_weights = use_dataset_keypoint_weights
        levels = encoder if multilevel else [encoder]
        self.codecs = [_build(level) for level in levels]
        sizes = {codec.input_size for codec in self.codecs}
        if len(sizes) != 1:
            raise ValueError(
                f'all levels need one input_size, got {sorted(sizes)}'
            )
        self.input_size = sizes.pop()

    @torch.no_grad()
    def forward(
        self, inputs: Tensor, data_samples: list[PoseDataSample]
    ) -> tuple[Tensor, list[PoseDataSample]]:
        """Render the targets of a batch.

        Args:
            inputs (Tensor): Images, (B, C, h, w).
            data_samples (list[PoseDataSample]): Their B samples, with
                ``gt_instances.transformed_keypoints``, (N, K, 2) in input px.

        Returns:
            tuple[Tensor, list[PoseDataSample]]: The same, with targets in
            the samples: heatmaps (K, H, W) and weights (N, K), float32; with
            levels a list of heatmaps, and weights (L, N, K).

        Raises:
            ValueError: If the samples lack keypoints or weights, or the
                images do not have the codec's input size.
        """
        width, height = self.input_size
        if tuple(inputs.shape[2:]) != (height, width):
            raise ValueError(
                'inputs must have shape (B, C, '
                f'{height}, {width}) for input_size={self.input_size}, got '
                f'{tuple(inputs.shape)}'
            )
        labels = np.stack([self._labels(sample) for sample in data_samples])
        # one copy for all; from pageable memory it does not wait for the
        # device, and the host array may be freed at once
        numbers = torch.from_numpy(labels).to(inputs.device, non_blocking=True)
        levels = [
            codec.batch_encode(numbers[..., :2], numbers[..., 2])
            for codec in self.codecs
        ]
        heatmaps = [level[0] for level in levels]
        weights = [level[1] * numbers[..., 3] for level in levels]
        for i, sample in enumerate(data_samples):
            self._store(
                sample, [h[i] for h in heatmaps], [w[i] for w in weights]
            )
        return inputs, data_samples

    def _labels(self, sample: PoseDataSample) -> np.ndarray:
        """Return x, y, visibility and weight of keypoints, (N, K, 4)."""
        instances = sample.gt_instances
        if 'transformed_keypoints' not in instances:
            raise ValueError(
                'a sample has no gt_instances.transformed_keypoints, which '
                'BatchGenerateTarget renders: set '
                "dict(type='PackPoseInputs', pack_transformed=True) in the "
                'training pipeline'
            )
        visible = instances.keypoints_visible
        if visible.ndim == 3:
            # as GenerateTarget: the second number is another weight
            visible = visible[..., 0]
        weights = np.ones_like(visible)
        if self.use_dataset_keypoint_weights:
            weights = weights * _dataset_weights(sample)
        points = instances.transformed_keypoints
        return np.concatenate(
            [points, visible[..., None], weights[..., None]], -1
        ).astype(np.float32)

    def _store(
        self,
        sample: PoseDataSample,
        heatmaps: list[Tensor],
        weights: list[Tensor],
    ) -> None:
        if self.multilevel:
            sample.gt_fields = MultilevelPixelData(heatmaps=heatmaps)
            stacked = torch.stack(weights)
        else:
            sample.gt_fields = PixelData(heatmaps=heatmaps[0])
            stacked = weights[0]
        sample.gt_instance_labels.keypoint_weights = stacked


def _build(encoder: Any) -> DARKCodec:
    codec = KEYPOINT_CODECS.build(encoder)
    if not isinstance(codec, DARKCodec):
        raise ValueError(
            'BatchGenerateTarget renders the targets of DARKCodec only, got '
            f'encoder={encoder}'
        )
    return codec


def _dataset_weights(sample: PoseDataSample) -> np.ndarray:
    if 'dataset_keypoint_weights' not in sample.metainfo:
        raise ValueError(
            'a sample has no metainfo dataset_keypoint_weights, which '
            'use_dataset_keypoint_weights=True needs: add it to the '
            'meta_keys of PackPoseInputs in the training pipeline'
        )
    return sample.metainfo['dataset_keypoint_weights']
