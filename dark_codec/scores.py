"""Scores: how far a decoded keypoint is to be trusted.

A score is built from settings, and called with what a decoder returns, the
heatmap size (W, H) and the codec's sigma in heatmap px. One of your own
subclasses :class:`KeypointScores`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import kernels
from .checks import is_number
from .functional import expected_oks, oks_tolerance
from .functional.coords import Size
from .heatmap_decoder import Decoded
from .registry import SCORES

# of cocodataset.org/#keypoints-eval, in COCO's order: nose, eyes, ears,
# shoulders, elbows, wrists, hips, knees, ankles
COCO_SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)


class KeypointScores:
    """Base class of scores.

    Attributes:
        needs_covariance (bool): Whether the decoder has to estimate
            covariances. A codec switches that on.
        uses_sigmas (bool): Whether the constructor takes ``sigmas``, COCO's
            per keypoint. In a config of MMPose they default to the data
            set's.
    """

    needs_covariance = False
    uses_sigmas = False

    def __call__(
        self, decoded: Decoded, heatmap_size: Size, sigma: float
    ) -> Tensor:
        """Score decoded keypoints.

        Args:
            decoded (Decoded): In heatmap px, of B samples of K keypoints.
            heatmap_size (Size): Size (W, H).
            sigma (float): Of the training targets in heatmap px.

        Returns:
            Tensor: Shape (B, K), float32, on the device of ``decoded``.
        """
        raise NotImplementedError

    def of_table(
        self,
        table: np.ndarray,
        shape: tuple[int, int],
        heatmap_size: Size,
        sigma: float,
    ) -> np.ndarray:
        """Score a decoded table in host memory.

        Args:
            table (np.ndarray): Of :meth:`HeatmapDecoder.decode_table`.
            shape (tuple[int, int]): B and K.
            heatmap_size (Size): Size (W, H).
            sigma (float): Of the training targets in heatmap px.

        Returns:
            np.ndarray: Shape (B, K), float32, not a view of the table.
        """
        decoded = Decoded.from_table(torch.from_numpy(table), shape)
        return self(decoded, heatmap_size, sigma).numpy()


@SCORES.register_module()
class HeatmapHeight(KeypointScores):
    """Score by the height of the heatmap's peak, as everyone does."""

    def __call__(
        self, decoded: Decoded, heatmap_size: Size, sigma: float
    ) -> Tensor:
        """Return the decoder's scores."""
        return decoded.scores

    def of_table(
        self,
        table: np.ndarray,
        shape: tuple[int, int],
        heatmap_size: Size,
        sigma: float,
    ) -> np.ndarray:
        """Copy the heights out of the table."""
        return table[:, 2].reshape(shape).copy()


@SCORES.register_module()
class ExpectedOKS(KeypointScores):
    """Score by the OKS that the heatmap's height and shape let expect.

    See :mod:`dark_codec.functional.scores` for the derivation. Keypoints
    whose decoder found no covariance keep their height, at most 1.

    Args:
        sigmas (Sequence[float] | str): COCO's sigma of each keypoint, a tenth
            for shoulders and hips and less for the face, or ``'coco'`` for
            the 17 keypoints of COCO. In a config of MMPose it defaults to
            the data set's.
        area (float): The person's area as a share of the crop's. Defaults to
            0.22, which was measured on COCO with MMPose's padding of 1.25.
        spread (float): The share of the heatmap's spread, beyond that of the
            training targets, that is error of the keypoint. Defaults to 0.6.

    Raises:
        TypeError: If ``sigmas`` is no list of numbers.
        ValueError: If an argument is missing or out of range.
    """

    needs_covariance = True
    uses_sigmas = True

    def __init__(
        self,
        sigmas: Sequence[float] | str | None = None,
        area: float = 0.22,
        spread: float = 0.6,
    ) -> None:
        self.sigmas = _checked_sigmas(sigmas)
        if not (is_number(area) and 0 < area <= 1):
            raise ValueError(
                "area is the person's share of the crop, above 0 and at most "
                f'1, got {area!r}'
            )
        if not (is_number(spread) and 0 <= spread <= 1):
            raise ValueError(f'spread is a share from 0 to 1, got {spread!r}')
        self.area = float(area)
        self.spread = float(spread)
        # made once for each device: a copy waits for the device
        self._tolerances: dict[tuple, Tensor] = {}

    def check_keypoints(self, count: int) -> None:
        """Check that there is one sigma for each keypoint.

        Args:
            count (int): Number of keypoints.

        Raises:
            ValueError: If there is not.
        """
        if count != len(self.sigmas):
            raise ValueError(
                f'ExpectedOKS has {len(self.sigmas)} sigmas, but there are '
                f'{count} keypoints: give sigmas, one for each keypoint'
            )

    def tolerance(
        self, heatmap_size: Size, device: torch.device | None = None
    ) -> Tensor:
        """Return each keypoint's tolerance in heatmap px, (K,), float32.

        Args:
            heatmap_size (Size): Size (W, H).
            device (torch.device, optional): Defaults to host memory.
        """
        key = (heatmap_size, device)
        if key in self._tolerances:
            return self._tolerances[key]
        sigmas = torch.tensor(
            self.sigmas, dtype=torch.float32, device=device or 'cpu'
        )
        tolerance = oks_tolerance(sigmas, self.area, heatmap_size)
        # one that belongs to a graph is of no use outside of it
        if not kernels.is_traced(tolerance):
            self._tolerances[key] = tolerance
        return tolerance

    def __call__(
        self, decoded: Decoded, heatmap_size: Size, sigma: float
    ) -> Tensor:
        """See :func:`dark_codec.functional.expected_oks`."""
        self.check_keypoints(decoded.scores.shape[1])
        if decoded.covariance is None:
            raise ValueError(
                'ExpectedOKS needs covariances, which the decoder does not '
                'give: build it with covariance=True'
            )
        return expected_oks(
            decoded.scores,
            decoded.covariance,
            decoded.points,
            heatmap_size,
            sigma,
            self.tolerance(heatmap_size, decoded.scores.device),
            self.spread,
        )

    def of_table(
        self,
        table: np.ndarray,
        shape: tuple[int, int],
        heatmap_size: Size,
        sigma: float,
    ) -> np.ndarray:
        """Do the same by numba, without PyTorch's overhead, if it is there."""
        kernel: Any = kernels.oks_kernel()
        if kernel is None or table.shape[1] != 8:
            return super().of_table(table, shape, heatmap_size, sigma)
        self.check_keypoints(shape[1])
        scores = np.empty(shape, np.float32)
        kernel(
            table,
            self.tolerance(heatmap_size).numpy(),
            sigma,
            self.spread,
            *heatmap_size,
            scores.reshape(-1),
        )
        return scores


def _checked_sigmas(sigmas: Any) -> tuple[float, ...]:
    if sigmas is None:
        raise ValueError(
            "ExpectedOKS needs sigmas, COCO's for each keypoint, which say "
            "how exactly it can be placed: a list, or 'coco' for the 17 "
            'keypoints of COCO'
        )
    if isinstance(sigmas, str):
        if sigmas != 'coco':
            raise ValueError(
                f"sigmas must be a list of numbers or 'coco', got {sigmas!r}"
            )
        return COCO_SIGMAS
    try:
        checked = tuple(float(sigma) for sigma in sigmas)
    except (TypeError, ValueError):
        raise TypeError(
            f"sigmas must be a list of numbers or 'coco', got {sigmas!r}"
        ) from None
    if not (checked and all(0 < sigma < math.inf for sigma in checked)):
        raise ValueError(
            f'sigmas must be positive, one for each keypoint, got {sigmas!r}'
        )
    return checked
