"""Measure the decoders on synthetic heatmaps: noise, and the border.

Renders Gaussians with known centres and renews the tables and the figure of
``docs/decoders.md``, between ``<!-- table NAME -->`` and ``<!-- end -->``.
Takes about two minutes on two cores, and no data.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import matplotlib

from dark_codec import GaussianFitDecoder, TaylorDecoder
from dark_codec.analysis.report import fill, markdown
from dark_codec.analysis.visualization import COLORS, MARKERS
from dark_codec.functional import encode_unbiased
from dark_codec.openmmlab.engine.progress import track
from projects.decoder_study.scores import (
    DEFAULT,
    FIT,
    MMPOSE,
    Decode,
    main_decoders,
)

matplotlib.use('Agg')
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[2]

PAGE, FIGURE = 'decoders.md', 'decoder_border.png'
MAX = 'DARK, Eq. 10, maximum rescaled'
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
STEP = 0.5  # px, of the figure


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

    def decoders(self) -> dict[str, Decode]:
        """Return those that are compared, by name."""
        known = main_decoders(self.sigma, self.kernel_size)
        return {name: known[name] for name in DECODERS}

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
    generator = torch.Generator().manual_seed(seed)
    parts: dict[tuple[str, float], list[np.ndarray]] = {}
    for some in np.array_split(centres, math.ceil(len(centres) / 1000)):
        clean = scale.render(some)
        noise = torch.randn(clean.shape, generator=generator)
        for level in (0.0, *NOISES):
            maps = clean + level * noise
            for name, decode in scale.decoders().items():
                error = decode(maps)[:, 0] - some
                parts.setdefault((name, level), []).append(error)
    return {key: np.concatenate(errors) for key, errors in parts.items()}


def rmse(errors: np.ndarray) -> float:
    """Return the RMSE of one coordinate, in heatmap px."""
    return float(np.sqrt(np.mean(np.square(errors))))


def area_tables(count: int, seed: int) -> dict[str, str]:
    """RMSE over the whole map, and ratios to the bound, inside and over it."""
    rng = np.random.default_rng(seed)
    measured = {}
    for scale in track(SCALES, 'Measuring on areas'):
        extent = np.array(scale.size) - 1
        for area, margin in (('whole', -0.5), ('inside', 3 * scale.sigma)):
            centres = rng.uniform(margin, extent - margin, (count, 2))
            measured[scale, area] = measure(scale, centres, seed)
    header = ['decoder', *(f'{s}, {n:g}' for s in SCALES for n in (0, 0.03))]
    rows = [
        [name]
        + [
            f'{rmse(measured[s, "whole"][name, n]):.4f}'
            for s in SCALES
            for n in (0, 0.03)
        ]
        for name in DECODERS
    ]
    tables = {'accuracy-rmse': markdown(header, rows)}
    header = ['decoder', *(f'{s}, {n:g}' for s in SCALES for n in NOISES)]
    for area in ('inside', 'whole'):
        rows = [
            [name]
            + [
                f'{rmse(measured[s, area][name, n]) / (CRAMER_RAO * n):.2f}'
                for s in SCALES
                for n in NOISES
            ]
            for name in DECODERS
        ]
        tables[f'accuracy-bound-{area}'] = markdown(header, rows)
    return tables


def sigma_table(count: int, seed: int) -> str:
    """The fit and the default decoder from the narrowest Gaussian on.

    Centres are uniform over the whole map. Mean distances to them in heatmap
    px, without the maps in noise whose highest pixel is noise; of the fit on
    clean maps the share that it refines, and the largest of their errors.
    """
    rows = []
    for sigma in track(SIGMAS, 'Measuring by sigma'):
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


def measure_border(
    scale: Scale, count: int, seed: int
) -> tuple[np.ndarray, Errors]:
    """Distances (I,) and errors (I,) across the border they are measured to.

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
    return distance, {key: e[index, axis] for key, e in errors.items()}


def border_table(distance: np.ndarray, errors: Errors) -> str:
    """RMSE across the border at each distance, clean / with noise."""
    spans = list(zip(DISTANCES, DISTANCES[1:]))
    rows = []
    for name in DECODERS:
        row = [name]
        for low, high in spans:
            here = (distance >= low) & (distance < high)
            clean, noisy = (rmse(errors[name, n][here]) for n in (0, 0.03))
            row.append(f'{clean:.3f} / {noisy:.3f}')
        rows.append(row)
    header = ['decoder', *(f'{low:g} to {high:g} px' for low, high in spans)]
    return markdown(header, rows)


def draw_border(
    measured: dict[Scale, tuple[np.ndarray, Errors]], path: Path
) -> None:
    """RMSE over the distance, a column for each size."""
    figure, axes = plt.subplots(
        2, len(measured), figsize=(12, 6.5), sharex=True, sharey=True
    )
    edges = np.arange(0, DISTANCES[-1] + STEP / 2, STEP)
    for column, (scale, (distance, errors)) in enumerate(measured.items()):
        bins = np.digitize(distance, edges) - 1
        for row, noise in enumerate((0.0, 0.03)):
            ax = axes[row, column]
            for number, name in enumerate(DECODERS):
                curve = [
                    rmse(errors[name, noise][bins == i])
                    for i in range(len(edges) - 1)
                ]
                color = (*COLORS, '#000000')[number]
                marker = (*MARKERS, 'X')[number]
                style = dict(color=color, marker=marker, markersize=4)
                ax.plot(edges[:-1] + STEP / 2, curve, label=name, **style)
            kind = f'noise {noise:g}' if noise else 'clean'
            ax.set_title(f'{scale}, sigma {scale.sigma:g}, {kind}')
            ax.grid(alpha=0.3)
        axes[1, column].set_xlabel("distance to the map's edge (heatmap px)")
    for ax in axes[:, 0]:
        ax.set_ylabel('RMSE across the border\n(heatmap px)')
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc='lower center', ncols=4)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    figure.savefig(path, dpi=110)
    plt.close(figure)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Measure the decoders on synthetic heatmaps.'
    )
    parser.add_argument(
        '--maps',
        type=int,
        default=4000,
        help='heatmaps for each size and area (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of all random numbers'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=ROOT / 'docs',
        help=f'folder for {PAGE} and images/{FIGURE} (default: docs)',
    )
    args = parser.parse_args()
    if args.maps < 1:
        parser.error(f'--maps must be positive, got {args.maps}')
    return args


def main() -> None:
    """Measure, then write the page and its figure."""
    args = parse_args()
    (args.out / 'images').mkdir(parents=True, exist_ok=True)
    tables = area_tables(args.maps, args.seed)
    borders = {
        scale: measure_border(scale, args.maps, args.seed)
        for scale in track(SCALES, 'Measuring at borders')
    }
    for scale, border in borders.items():
        tables[f'accuracy-border-{scale}'] = border_table(*border)
    tables['accuracy-sigma'] = sigma_table(args.maps, args.seed)
    draw_border(borders, args.out / 'images' / FIGURE)
    page = (ROOT / 'docs' / PAGE).read_text()
    (args.out / PAGE).write_text(fill(page, tables))
    print(f'wrote {args.out / PAGE} and {args.out / "images" / FIGURE}')


if __name__ == '__main__':
    main()
