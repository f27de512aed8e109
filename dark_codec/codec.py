"""The codec: keypoints in input px to heatmaps, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from .checks import checked_flag, checked_sigma
from .functional import (
    frame_of,
    get_alignment,
    input_to_heatmap,
    scale_covariance,
    scale_points,
)
from .heatmap_decoder import Decoded, check_heatmaps
from .registry import DECODERS, ENCODERS, SCORES, build_part, part_settings


def _checked_size(size: Any, name: str) -> tuple[int, int]:
    ok = (
        isinstance(size, (tuple, list))
        and len(size) == 2
        and all(isinstance(n, (int, np.integer)) for n in size)
        and all(n > 0 and not isinstance(n, bool) for n in size)
    )
    if not ok:
        raise ValueError(
            f'{name} must be two positive integers (w, h), got {size!r}'
        )
    return int(size[0]), int(size[1])


def _estimate_covariances(decoder: Any, scores: Any) -> None:
    """Switch a decoder's covariances on."""
    if not hasattr(decoder, 'covariance'):
        raise ValueError(
            f'scores={type(scores).__name__} needs covariances, which '
            f'decoder={type(decoder).__name__} does not give: take '
            'TaylorDecoder or GaussianFitDecoder'
        )
    decoder.covariance = True


class DARKCodec:
    """Represent keypoints as heatmaps by DARK.

    See the paper `Distribution-Aware Coordinate Representation for Human
    Pose Estimation <https://arxiv.org/abs/1910.06278>`_ by Zhang et al.
    (CVPR 2020).

    Note:
        - batch: B, instances: N (1 in top-down), keypoints: K
        - input size: [w, h], heatmap size: [W, H]

    Encoded:

        - heatmaps (np.ndarray): (K, H, W), float32, peak 1
        - keypoint_weights (np.ndarray): (N, K), float32

    Args:
        input_size (tuple[int, int]): Input size (w, h) of the network.
            Defaults to (192, 256).
        heatmap_size (tuple[int, int], optional): Heatmap size (W, H).
            Defaults to a quarter of ``input_size``. The strides of x and y
            may differ by a tenth, for networks that round their sizes.
        sigma (float, optional): Standard deviation of the Gaussians in
            heatmap px. Defaults to a 32nd of the heatmap's height, the
            paper's 1, 2 and 3 for inputs of 128x96, 256x192 and 384x288.
        encoder (str | dict): A registered encoder: ``UnbiasedEncoder`` (the
            default) or ``BiasedEncoder``.
        decoder (str | dict): A registered decoder: ``TaylorDecoder`` (the
            default, with ``GaussianModulation``), ``GaussianFitDecoder``,
            ``QuarterShiftDecoder`` or ``ArgmaxDecoder``.
        alignment (str): How input px map to heatmap px: ``'asymmetric'``
            (the default; MMPose's MSRA codec, for weights trained with it),
            ``'half_pixel'`` or ``'align_corners'``; see
            :mod:`dark_codec.functional.alignments`.
        use_udp (bool): Whether the crops come from
            ``TopdownAffine(use_udp=True)``. That warp ends at w - 1, while
            MMPose's estimators restore image coordinates with w: decoded
            coordinates are then stretched by w / (w - 1), so that they come
            out right in the image. Defaults to False.
        correct_flip_shift (bool): Whether the heatmaps to decode are means
            over a flip test with MMPose's ``shift_heatmap=True``, whose bias
            is to be removed. Under ``'asymmetric'`` with stride s a flipped
            heatmap lies 1 - 1/s px away and is shifted by 1, so such means
            lie half an input px too far right at every stride. Defaults to
            False, as in MMPose.
        scores (str | dict): A registered score: ``HeatmapHeight`` (the
            default) or ``ExpectedOKS``, which switches the decoder's
            covariances on; see :mod:`dark_codec.functional.scores`.

    Attributes:
        settings (dict[str, Any]): All settings in one normal form, as a
            config has them: defaults and sigmas filled in, each part a dict
            with ``type``, in plain Python that json can hold. Codecs with
            equal settings do the same, and ``DARKCodec`` builds an equal one
            from them (without ``type``).

    Raises:
        ValueError: If an argument is invalid, or sizes do not fit.

    Examples:
        >>> import numpy as np
        >>> from dark_codec import DARKCodec
        >>> codec = DARKCodec()
        >>> encoded = codec.encode(np.array([[[100.3, 70.8]]]))
        >>> encoded['heatmaps'].shape
        (1, 64, 48)
        >>> keypoints, scores = codec.decode(encoded['heatmaps'])
        >>> keypoints.round(1)
        array([[[100.3,  70.8]]], dtype=float32)
    """

    # what MMPose's heads and pipelines ask of a codec
    support_batch_decoding = True
    auxiliary_encode_keys: set[str] = set()
    instance_mapping_table: dict[str, str] = {}
    label_mapping_table = dict(keypoint_weights='keypoint_weights')
    field_mapping_table = dict(heatmaps='heatmaps')

    def __init__(
        self,
        input_size: tuple[int, int] = (192, 256),
        heatmap_size: tuple[int, int] | None = None,
        sigma: float | None = None,
        encoder: str | dict = 'UnbiasedEncoder',
        decoder: str | dict = 'TaylorDecoder',
        alignment: str = 'asymmetric',
        use_udp: bool = False,
        correct_flip_shift: bool = False,
        scores: str | dict = 'HeatmapHeight',
    ) -> None:
        self.input_size = _checked_size(input_size, 'input_size')
        self.heatmap_size = self._fitting_heatmap_size(heatmap_size)
        if sigma is None:
            sigma = self.heatmap_size[1] / 32
        self.sigma = checked_sigma(sigma)
        self.alignment = alignment
        self.use_udp = checked_flag(use_udp, 'use_udp')
        self.correct_flip_shift = checked_flag(
            correct_flip_shift, 'correct_flip_shift'
        )
        self.encoder = build_part(ENCODERS, encoder, 'encoder', self.sigma)
        self.decoder = build_part(DECODERS, decoder, 'decoder', self.sigma)
        self.scores = build_part(SCORES, scores, 'scores', self.sigma)
        if self.scores.needs_covariance:
            _estimate_covariances(self.decoder, self.scores)
        self.settings: dict[str, Any] = dict(
            type='DARKCodec',
            input_size=self.input_size,
            heatmap_size=self.heatmap_size,
            sigma=self.sigma,
            encoder=part_settings('encoder', encoder, self.sigma),
            decoder=part_settings('decoder', decoder, self.sigma),
            alignment=alignment,
            use_udp=use_udp,
            correct_flip_shift=correct_flip_shift,
            scores=part_settings('scores', scores, self.sigma),
        )
        self._scale, self._offset = self._frame()
        # the same on the host, where each call into torch would cost more
        self._host_frame = (
            np.array(self._scale, np.float32),
            np.array(self._offset, np.float32),
        )

    @property
    def flip_bias(self) -> float:
        """Shift to the right of means over a flip test, in input px."""
        return get_alignment(self.alignment).flip_bias(
            self.input_size[0], self.heatmap_size[0]
        )

    def _frame(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Compute scale and offset of :meth:`to_input`."""
        scale, offset = frame_of(
            self.input_size, self.heatmap_size, self.alignment
        )
        if self.correct_flip_shift:
            if not self.flip_bias:
                raise ValueError(
                    'correct_flip_shift removes the bias of a flip test, but '
                    f'alignment={self.alignment!r} has none'
                )
            offset = offset[0] - self.flip_bias, offset[1]
        if self.use_udp:
            w, h = self.input_size
            across, down = w / (w - 1), h / (h - 1)
            scale = scale[0] * across, scale[1] * down
            offset = offset[0] * across, offset[1] * down
        return scale, offset

    def _fitting_heatmap_size(self, size: Any) -> tuple[int, int]:
        w, h = self.input_size
        if size is None:
            if w % 4 or h % 4:
                raise ValueError(
                    f'input_size {self.input_size} is no multiple of 4; '
                    "give heatmap_size, the size of the network's output"
                )
            return w // 4, h // 4
        width, height = _checked_size(size, 'heatmap_size')
        strides = w / width, h / height
        # MMPose's AlexNet makes 40x56 of 192x256
        if min(strides) < 1 or max(strides) > 1.1 * min(strides):
            raise ValueError(
                f'heatmap_size {(width, height)} does not fit input_size '
                f'{self.input_size}: both are (w, h), with aspect ratios '
                f'that differ by at most a tenth and a heatmap no larger than '
                f'the input, such as {(w // 4, h // 4)}'
            )
        return width, height

    def encode(
        self,
        keypoints: np.ndarray,
        keypoints_visible: np.ndarray | None = None,
    ) -> dict:
        """Encode keypoints of one sample into heatmaps.

        Args:
            keypoints (np.ndarray): Keypoints (x, y) in input px, (N, K, 2).
            keypoints_visible (np.ndarray, optional): Visibilities, (N, K);
                drawn from 0.5 up. Defaults to all visible.

        Returns:
            dict:
            - heatmaps (np.ndarray): (K, H, W), float32, peak 1; several
              instances are merged by their maximum
            - keypoint_weights (np.ndarray): (N, K), float32; the
              visibilities, 0 where a keypoint lies farther than 3 sigma
              outside of the map or is not finite

        Raises:
            ValueError: If a shape is wrong.
        """
        keypoints = np.asarray(keypoints, dtype=np.float32)
        if keypoints.ndim != 3 or keypoints.shape[2] != 2:
            raise ValueError(
                f'keypoints must have shape (N, K, 2), got {keypoints.shape}'
            )
        if keypoints_visible is None:
            keypoints_visible = np.ones(keypoints.shape[:2], np.float32)
        visible = np.asarray(keypoints_visible, dtype=np.float32)
        if visible.shape != keypoints.shape[:2]:
            raise ValueError(
                'keypoints_visible must have the shape (N, K) of keypoints, '
                f'{keypoints.shape[:2]}, got {visible.shape}'
            )
        # a tenth of the time would be autograd's
        with torch.inference_mode():
            heatmaps, weights = self.batch_encode(
                torch.from_numpy(keypoints[None]),
                torch.from_numpy(visible[None]),
            )
            return dict(
                heatmaps=heatmaps.numpy()[0],
                keypoint_weights=weights.numpy()[0],
            )

    def batch_encode(
        self, keypoints: Tensor, keypoints_visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Encode keypoints on their own device.

        Args:
            keypoints (Tensor): Keypoints (x, y) in input px, (B, N, K, 2).
            keypoints_visible (Tensor): Visibilities, (B, N, K); drawn from
                0.5 up.

        Returns:
            tuple[Tensor, Tensor]: Heatmaps (B, K, H, W) with peak 1 and
            keypoint weights (B, N, K), float32.
        """
        points = input_to_heatmap(
            keypoints, self.input_size, self.heatmap_size, self.alignment
        )
        return self.encoder(
            points, keypoints_visible, self.heatmap_size, self.sigma
        )

    def decode(self, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decode the heatmaps of one sample.

        Args:
            encoded (np.ndarray): Heatmaps, (K, H, W).

        Returns:
            tuple[np.ndarray, np.ndarray]: Keypoints (x, y) in input px,
            (1, K, 2), and scores (1, K), float32.

        Raises:
            ValueError: If the shape is not that of the codec's heatmaps.
        """
        # torch refuses negative strides, which a flipped array has
        heatmaps = np.ascontiguousarray(encoded)
        if heatmaps.ndim != 3:
            raise ValueError(
                'decode takes heatmaps of shape (K, H, W), got '
                f'{heatmaps.shape}'
            )
        keypoints, scores = self.batch_decode(torch.as_tensor(heatmaps)[None])
        return keypoints[0], scores[0]

    def batch_decode(
        self, batch_encoded: Tensor
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Decode a batch of heatmaps on its own device.

        Args:
            batch_encoded (Tensor): Heatmaps, (B, K, H, W), any floating
                dtype. Only B * K * 4 numbers move to the host (8 with
                covariances).

        Returns:
            tuple[list[np.ndarray], list[np.ndarray]]: For each sample the
            keypoints (x, y) in input px, (1, K, 2), and scores, (1, K),
            float32. What could not be located lies in the middle of the
            map with score 0.

        Raises:
            TypeError: If the heatmaps are no floating-point tensor.
            ValueError: If the shape is not that of the codec's heatmaps.
        """
        self._check_size(batch_encoded)
        batch, keypoints = batch_encoded.shape[:2]
        # one copy: each would wait for the device
        table = self.decoder.decode_table(batch_encoded).cpu()
        numbers = table.numpy()
        scale, offset = self._host_frame
        points = numbers[:, :2] * scale + offset
        scores = self.scores.of_table(
            numbers, (batch, keypoints), self.heatmap_size, self.sigma
        )
        return (
            list(points.reshape(batch, 1, keypoints, 2)),
            list(scores.reshape(batch, 1, keypoints)),
        )

    def decode_on_device(self, heatmaps: Tensor) -> Decoded:
        """Decode heatmaps into tensors on their own device.

        Args and errors as in :meth:`batch_decode`.

        Returns:
            Decoded: With points in input px, the codec's scores, and
            covariances in input px^2 where the decoder was built with
            ``covariance=True`` or the scores need them.
        """
        self._check_size(heatmaps)
        decoded = self.decoder(heatmaps)
        scores = self.scores(decoded, self.heatmap_size, self.sigma)
        covariance = decoded.covariance
        if covariance is not None:
            covariance = scale_covariance(covariance, *self._scale)
        return decoded._replace(
            points=self.to_input(decoded.points),
            scores=scores,
            covariance=covariance,
        )

    def to_input(self, points: Tensor) -> Tensor:
        """Map heatmap px to input px, as decoding does.

        MMPose's estimators restore image px from these: they include what
        ``use_udp`` and ``correct_flip_shift`` ask for.

        Args:
            points (Tensor): Points (x, y) in heatmap px, (..., 2).

        Returns:
            Tensor: Points (x, y) in input px, (..., 2), float32.
        """
        return scale_points(points, self._scale, self._offset)

    def _check_size(self, heatmaps: Tensor) -> None:
        """Check the heatmaps' size; see :meth:`batch_decode`."""
        width, height = self.heatmap_size
        check_heatmaps(heatmaps)
        size = heatmaps.shape[2:]
        if size != (height, width):
            swapped = '; sizes in configs are (w, h)'
            raise ValueError(
                f'heatmaps must have shape (B, K, {height}, {width}) for '
                f'heatmap_size={self.heatmap_size}, got '
                f'{tuple(heatmaps.shape)}'
                + (swapped if size == self.heatmap_size else '')
            )
