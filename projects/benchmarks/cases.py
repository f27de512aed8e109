"""Cases that are decoded and encoded in the benchmark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# (W, H): those of inputs of 128x96, 256x192 and 384x288
SIZES = ((24, 32), (48, 64), (72, 96))
BODY, FACE, WHOLE_BODY = 17, 68, 133
SHAPES = (*((size, BODY) for size in SIZES), (SIZES[1], WHOLE_BODY))
# one more for the plot of cost over keypoints
FULL_SHAPES = (*SHAPES, (SIZES[1], FACE))
BATCHES = (1, 16, 64)
# as large foundation models predict them: 308 keypoints, sigma 6, one person
LARGE, LARGE_KEYPOINTS, LARGE_SIGMA = (192, 256), 308, 6.0
# predicted by a COCO network for photographs, see shared_data.py
REAL = 'heatmaps/lsp_test_first250_coco12.npz'
SYNTHETIC = 'synthetic'
STRIDE = 4
NOISE = 0.03


@dataclass(frozen=True)
class Case:
    """A batch of heatmaps.

    Attributes:
        size (tuple[int, int]): Heatmap size (W, H).
        keypoints (int): Keypoints per sample, K.
        batch (int): Samples, B.
        maps (str): ``'synthetic'``, or the file of real ones.
    """

    size: tuple[int, int]
    keypoints: int
    batch: int
    maps: str = SYNTHETIC

    @property
    def sigma(self) -> float:
        """The paper's, in heatmap px: 1, 2 and 3; 6 for the large maps."""
        return LARGE_SIGMA if self.size == LARGE else self.size[1] / 32

    @property
    def title(self) -> str:
        """Such as ``'17 x 64x48'``."""
        width, height = self.size
        real = '' if self.maps == SYNTHETIC else ', real heatmaps'
        return f'{self.keypoints} x {height}x{width}{real}'

    @property
    def blur_kernel_size(self) -> int:
        """Kernel size that MMPose and DarkPose pair with that sigma."""
        return {1: 3, 2: 11, 3: 17, 6: 35}[int(self.sigma)]

    @property
    def input_size(self) -> tuple[int, int]:
        """Input size (w, h)."""
        return self.size[0] * STRIDE, self.size[1] * STRIDE

    def centres(self) -> np.ndarray:
        """True positions in heatmap px, (B, K, 2), anywhere in the map."""
        if self.maps != SYNTHETIC:
            with np.load(self.maps) as arrays:
                return arrays['gt'][: self.batch]
        rng = np.random.default_rng(0)
        high = np.subtract(self.size, 1)
        return rng.uniform(0, high, (self.batch, self.keypoints, 2))

    def heatmaps(self) -> np.ndarray:
        """Gaussians with white noise, or real ones, (B, K, H, W), float32."""
        if self.maps != SYNTHETIC:
            with np.load(self.maps) as arrays:
                return arrays['heatmaps'][: self.batch].astype(np.float32)
        width, height = self.size
        x, y = np.moveaxis(self.centres()[..., None, None], 2, 0)
        across = np.arange(width) - x
        down = np.arange(height)[:, None] - y
        maps = np.exp(-(across**2 + down**2) / (2 * self.sigma**2))
        rng = np.random.default_rng(1)
        noise = rng.standard_normal(maps.shape, np.float32)
        return (maps + NOISE * noise).astype(np.float32)


def all_cases(
    shapes: Sequence[tuple[tuple[int, int], int]],
    batches: Sequence[int],
    data: Path,
    large: bool,
) -> Iterator[Case]:
    """Every shape with every batch, real heatmaps, and large maps.

    Args:
        shapes (Sequence): Heatmap size (W, H) and number of keypoints.
        batches (Sequence[int]): Samples, B.
        data (Path): Folder with :data:`REAL`; where that is missing there
            are no real heatmaps.
        large (bool): Whether to end with the large maps.
    """
    for size, keypoints in shapes:
        for batch in batches:
            yield Case(tuple(size), keypoints, batch)
    real = data / REAL
    if real.is_file():
        for batch in batches:
            yield Case(SIZES[1], 12, batch, str(real))
    if large:
        yield Case(LARGE, LARGE_KEYPOINTS, 1)
