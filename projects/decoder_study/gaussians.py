"""Decoders on Gaussians with known centres: noise, border, sigma.

No coordinate's error can be less than :data:`CRAMER_RAO` times the noise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from dark_codec import GaussianFitDecoder, TaylorDecoder
from dark_codec.analysis.report import markdown
from dark_codec.functional import encode_unbiased

from .decoders import DEFAULT, FIT, MAX, MMPOSE, decoders

DECODERS = (
    'argmax',
    'quarter shift',
    'DARK without modulation',
    MMPOSE,
    MAX,
    DEFAULT,
    FIT,
)
NOISES = (0.01, 0.03, 0.1)
SIGMAS = (0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
FAR = 3.0  # px: an error of the arg max, not of what refines it
# The bound for one coordinate of a Gaussian of height 1, whatever its sigma,
# in white noise of sd 1: far from the border
CRAMER_RAO = 1 / math.sqrt(math.pi / 2)
# px from the outer edge of the map, which lies half a pixel outside of the
# outermost pixels' centres
DISTANCES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)


class Scale(NamedTuple):
    """Heatmaps of one size.

    Attributes:
        size (tuple[int, int]): (W, H).
        sigma (float): Of the training targets in heatmap px.
        kernel_size (int): MMPose's for this sigma.
    """

    size: tuple[int, int]
    sigma: float
    kernel_size: int

    def __str__(self) -> str:
        return f'{self.size[1]}x{self.size[0]}'

    def render(self, centres: np.ndarray) -> torch.Tensor:
        """(I, 2) centres in heatmap px to (I, 1, H, W) heatmaps."""
        points = torch.tensor(centres, dtype=torch.float32)[:, None, None]
        visible = torch.ones(points.shape[:3])
        return encode_unbiased(points, visible, self.size, self.sigma)[0]


SCALES = (
    Scale((24, 32), 1.0, 3),
    Scale((48, 64), 2.0, 11),
    Scale((72, 96), 3.0, 17),
)

Errors = dict[tuple[str, float], np.ndarray]


def measure(scale: Scale, centres: np.ndarray, seed: int) -> Errors:
    """Errors (I, 2) in heatmap px of each decoder at each noise.

    All noises are one noise, scaled; noise 0 is among them.
    """
    compared = decoders(scale.sigma, scale.kernel_size)
    generator = torch.Generator().manual_seed(seed)
    parts: dict[tuple[str, float], list[np.ndarray]] = {}
    for some in np.array_split(centres, math.ceil(len(centres) / 1000)):
        clean = scale.render(some)
        noise = torch.randn(clean.shape, generator=generator)
        for level in (0.0, *NOISES):
            maps = clean + level * noise
            for name in DECODERS:
                error = compared[name](maps)[:, 0] - some
                parts.setdefault((name, level), []).append(error)
    return {key: np.concatenate(errors) for key, errors in parts.items()}


def rmse(errors: np.ndarray) -> float:
    """Return the RMSE of one coordinate, in heatmap px."""
    return float(np.sqrt(np.mean(np.square(errors))))


def area_tables(count: int, seed: int) -> dict[str, str]:
    """RMSE over the whole map, and its ratio to the bound inside the map."""
    rng = np.random.default_rng(seed)
    whole, inside = {}, {}
    for scale in SCALES:
        extent = np.array(scale.size) - 1
        for measured, margin in ((whole, -0.5), (inside, 3 * scale.sigma)):
            centres = rng.uniform(margin, extent - margin, (count, 2))
            measured[scale] = measure(scale, centres, seed)
    columns = [(scale, noise) for scale in SCALES for noise in (0, 0.03)]
    rows = [
        [name, *(f'{rmse(whole[s][name, n]):.4f}' for s, n in columns)]
        for name in DECODERS
    ]
    header = ['decoder', *(f'{s}, {n:g}' for s, n in columns)]
    tables = {'accuracy-rmse': markdown(header, rows)}
    columns = [(scale, noise) for scale in SCALES for noise in NOISES]
    rows = [
        [
            name,
            *(
                f'{rmse(inside[s][name, n]) / (CRAMER_RAO * n):.2f}'
                for s, n in columns
            ),
        ]
        for name in DECODERS
    ]
    header = ['decoder', *(f'{s}, {n:g}' for s, n in columns)]
    return {**tables, 'accuracy-bound-inside': markdown(header, rows)}


def border_table(scale: Scale, count: int, seed: int) -> str:
    """RMSE across the border by the distance from it, clean / with noise.

    Centres are uniform over the distances from one of the four borders, and
    away from those beside it.
    """
    rng = np.random.default_rng(seed)
    extent = np.array(scale.size)
    margin = 3 * scale.sigma
    distance = rng.uniform(0, DISTANCES[-1], count)
    axis = rng.integers(0, 2, count)
    far_side = rng.integers(0, 2, count).astype(bool)
    across = np.where(far_side, extent[axis] - distance, distance) - 0.5
    centres = rng.uniform(margin, extent - 1 - margin, (count, 2))
    index = np.arange(count)
    centres[index, axis] = across
    errors = measure(scale, centres, seed)
    spans = list(zip(DISTANCES, DISTANCES[1:]))
    rows = []
    for name in DECODERS:
        row = [name]
        for low, high in spans:
            here = (distance >= low) & (distance < high)
            clean, noisy = (
                rmse(errors[name, noise][index, axis][here])
                for noise in (0, 0.03)
            )
            row.append(f'{clean:.3f} / {noisy:.3f}')
        rows.append(row)
    header = ['decoder', *(f'{low:g} to {high:g} px' for low, high in spans)]
    return markdown(header, rows)


def sigma_table(count: int, seed: int) -> str:
    """The fit and the default decoder from the narrowest Gaussian on.

    Centres are uniform over the whole map. Mean distances to them in heatmap
    px, without the maps in noise whose highest pixel is noise; of the fit on
    clean maps the share that it refines, and the largest of their errors.
    """
    rows = []
    for sigma in SIGMAS:
        size = (24, 32) if sigma < 2 else (48, 64)
        rng = np.random.default_rng(seed)
        centres = rng.uniform(-0.5, np.array(size) - 0.5, (count, 2))
        clean = Scale(size, sigma, 3).render(centres)
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(clean.shape, generator=generator)
        fit, default = GaussianFitDecoder(sigma), TaylorDecoder(sigma=sigma)
        refined = fit(clean).refined[:, 0].numpy()
        row = [f'{sigma:g}', f'{100 * refined.mean():.1f} %']
        for level in (0.0, 0.03):
            maps = clean + level * noise
            for decode in (fit, default):
                points = decode(maps).points[:, 0].numpy()
                error = np.linalg.norm(points - centres, axis=1)
                row.append(f'{error[error < FAR].mean():.4f}')
                if decode is fit and not level:
                    row.append(f'{error[refined].max():.4f}')
        rows.append(row)
    header = [
        'sigma',
        'fit refines',
        'clean: fit, mean',
        'fit, largest refined',
        'default, mean',
        'noise 0.03: fit, mean',
        'default, mean',
    ]
    return markdown(header, rows)
