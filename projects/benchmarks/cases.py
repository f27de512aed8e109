"""The heatmaps that are decoded, and the keypoints that are encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from projects.shared_data import REAL_HEATMAPS, load

# (W, H) of inputs of 128x96, 256x192 and 384x288; what large models predict
SIZES = ((24, 32), (48, 64), (72, 96))
LARGE = (192, 256)
# Sigma in heatmap px, and the kernel size that MMPose pairs with it
SIGMAS = {SIZES[0]: 1.0, SIZES[1]: 2.0, SIZES[2]: 3.0, LARGE: 6.0}
KERNELS = {1.0: 3, 2.0: 11, 3.0: 17, 6.0: 35}
NOISE = 0.03


@dataclass(frozen=True)
class Case:
    """A batch of heatmaps.

    Attributes:
        size (tuple[int, int]): Heatmap size (W, H); inputs are 4 times that.
        keypoints (int): Keypoints per sample, K.
        batch (int): Samples, B.
        real (bool): Whether a network predicted them for photographs: many
            are no regular peaks. The others are Gaussians with noise.
    """

    size: tuple[int, int]
    keypoints: int
    batch: int
    real: bool = False

    @property
    def sigma(self) -> float:
        """Standard deviation of the targets in heatmap px."""
        return SIGMAS[self.size]

    @property
    def input_size(self) -> tuple[int, int]:
        """Input size (w, h)."""
        return 4 * self.size[0], 4 * self.size[1]

    @property
    def title(self) -> str:
        """Such as ``'17 x 64x48'``."""
        width, height = self.size
        real = ', real heatmaps' if self.real else ''
        return f'{self.keypoints} x {height}x{width}{real}'

    def centres(self) -> np.ndarray:
        """True positions in heatmap px, (B, K, 2), anywhere in the map."""
        if self.real:
            truth = load(REAL_HEATMAPS)[0].truth
            return truth[np.arange(self.batch) % len(truth)]
        rng = np.random.default_rng(0)
        high = np.subtract(self.size, 1)
        return rng.uniform(0, high, (self.batch, self.keypoints, 2))

    def heatmaps(self) -> np.ndarray:
        """Heatmaps (B, K, H, W), float32."""
        if self.real:
            maps = load(REAL_HEATMAPS)[0].heatmaps.numpy()
            return maps[np.arange(self.batch) % len(maps)]
        width, height = self.size
        x, y = np.moveaxis(self.centres()[..., None, None], 2, 0)
        across, down = np.arange(width) - x, np.arange(height)[:, None] - y
        maps = np.exp(-(across**2 + down**2) / (2 * self.sigma**2))
        rng = np.random.default_rng(1)
        noise = rng.standard_normal(maps.shape, np.float32)
        return (maps + NOISE * noise).astype(np.float32)


def all_cases(batches: Sequence[int], quick: bool) -> list[Case]:
    """Return every shape with every batch, real heatmaps, and large maps."""
    shapes = [*((size, 17) for size in SIZES), (SIZES[1], 68), (SIZES[1], 133)]
    if quick:
        shapes = shapes[1:2]
    cases = [Case(*shape, batch) for shape in shapes for batch in batches]
    cases += [Case(SIZES[1], 12, batch, real=True) for batch in batches]
    return cases if quick else [*cases, Case(LARGE, 308, 1)]
