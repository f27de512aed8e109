"""The alignments: how the pixels of a heatmap lie in the input.

With stride s (input px per heatmap px), in the terms of ONNX Resize:

- ``asymmetric``: X = x / s, MMPose's MSRA codec
- ``half_pixel``: X = (x + 0.5) / s - 0.5, exactly flip-consistent
- ``align_corners``: X = x (W - 1) / (w - 1), DarkPose and UDP

What tells them apart is in :class:`Alignment`. One of your own is another
entry of :data:`ALIGNMENTS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Alignment:
    """Map one axis of the heatmap into the input, the other likewise.

    Args:
        axis (Callable[[int, int], tuple[float, float]]): Takes the length of
            an axis in input px and in heatmap px, and returns the stride
            and the offset: input px = heatmap px * stride + offset.
        shift_heatmap (bool): Whether MMPose's flip test must move the
            flipped heatmap by one px to the right, before the mean is taken
            (``model.test_cfg.shift_heatmap``). Defaults to False.
        min_length (int): Least length of an axis that can be mapped, in
            input px and in heatmap px. Defaults to 1.
    """

    axis: Callable[[int, int], tuple[float, float]]
    shift_heatmap: bool = False
    min_length: int = 1

    def flip_gap(self, w: int, width: int) -> float:
        """Return the distance between the two heatmaps of a flip test.

        How far the plain heatmap lies to the right of the mirrored image's,
        mirrored back. An alignment is flip-consistent if it is 0.

        Args:
            w (int): Width of the input, in input px.
            width (int): Width of the heatmap, in heatmap px.

        Returns:
            float: In heatmap px.

        Examples:
            >>> ALIGNMENTS['asymmetric'].flip_gap(192, 48)
            0.75
            >>> ALIGNMENTS['half_pixel'].flip_gap(192, 48)
            0.0
        """
        stride, offset = self.axis(w, width)
        mirrored = (w - 1 - 2 * offset) / stride
        # rounded, so that equal terms leave no difference; no -0
        return round(mirrored - (width - 1), 9) + 0.0

    def flip_bias(self, w: int, width: int) -> float:
        """Return the shift to the right of means over MMPose's flip test.

        Args:
            w (int): Width of the input, in input px.
            width (int): Width of the heatmap, in heatmap px.

        Returns:
            float: In input px.

        Examples:
            >>> ALIGNMENTS['asymmetric'].flip_bias(192, 48)
            0.5
        """
        stride, _ = self.axis(w, width)
        gap = self.flip_gap(w, width)
        return stride * (self.shift_heatmap - gap) / 2


def _asymmetric(w: int, width: int) -> tuple[float, float]:
    return w / width, 0.0


def _half_pixel(w: int, width: int) -> tuple[float, float]:
    stride = w / width
    return stride, 0.5 * stride - 0.5


def _align_corners(w: int, width: int) -> tuple[float, float]:
    return (w - 1) / (width - 1), 0.0


ALIGNMENTS: dict[str, Alignment] = {
    'asymmetric': Alignment(_asymmetric, shift_heatmap=True),
    'half_pixel': Alignment(_half_pixel),
    'align_corners': Alignment(_align_corners, min_length=2),
}


def get_alignment(name: str) -> Alignment:
    """Return an alignment by its name.

    Args:
        name (str): One of :data:`ALIGNMENTS`.

    Raises:
        ValueError: If there is none of that name.
    """
    if not isinstance(name, str) or name not in ALIGNMENTS:
        raise ValueError(
            f'alignment must be one of {list(ALIGNMENTS)}, got {name!r}'
        )
    return ALIGNMENTS[name]
