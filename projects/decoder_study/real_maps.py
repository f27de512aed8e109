"""Decoders on the heatmaps that a network predicts for photographs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dark_codec import GaussianFitDecoder
from dark_codec.analysis.bootstrap import bootstrap_mean
from dark_codec.analysis.report import markdown
from dark_codec.analysis.visualization import line_style
from dark_codec.functional import kernel_variance
from projects.shared_data import Maps

from .decoders import (
    BASELINE,
    DEFAULT,
    FIT,
    MMPOSE,
    Decode,
    decoders,
    points_by,
    taylor,
)
from .scores import MEASURES, difference, score

# the network's targets, and what MMPose's DARK takes for them
SIGMA, KERNEL_SIZE = 2.0, 11
WIDTHS = tuple(1 + 0.25 * i for i in range(9))  # px
BORDER_DISTANCES = range(5)  # px
_CUT_WIDTH = 24  # columns of a map that is cut at the border


def flip_average(plain: Maps, flipped: Tensor) -> Maps:
    """Mean of plain and un-flipped maps, the latter a pixel to the right.

    That shift is MMPose's; the first column stays.
    """
    moved = flipped.clone()
    moved[..., 1:] = flipped[..., :-1]
    return plain._replace(heatmaps=(plain.heatmaps + moved) / 2)


def decoder_table(maps: Maps, compared: dict[str, Decode]) -> str:
    """Each measure, and its paired difference from the baseline."""
    scores = {n: score(f(maps.heatmaps), maps) for n, f in compared.items()}
    rows = []
    for name, entry in scores.items():
        cells = [f'{mean:.2f}' for mean in entry.per_image.mean(0)]
        if name != BASELINE:
            gains = entry.against(scores[BASELINE])
            for i, measure in enumerate(MEASURES):
                digits = 3 if measure == 'mean error' else 2
                cells[i] += '; ' + difference(gains.at(i), digits)
        rows.append([name, *cells])
    return markdown(['decoder', *MEASURES], rows)


def draw_kernels(sets: dict[str, Maps]) -> Figure:
    """Differences from the baseline over the width of the kernel."""
    baseline = decoders(SIGMA, KERNEL_SIZE)[BASELINE]
    kernels = [taylor(SIGMA, sigma=w, rescale='max') for w in WIDTHS]
    families = {
        'Taylor': {
            kernel_variance(k.modulation.kernel) ** 0.5: k for k in kernels
        },
        'fit': {width: GaussianFitDecoder(width) for width in WIDTHS},
    }
    figure = Figure(figsize=(13, 3.2 * len(sets)), layout='constrained')
    grid = figure.subplots(len(sets), len(MEASURES), squeeze=False)
    for axes, (name, maps) in zip(grid, sets.items()):
        reference = score(baseline(maps.heatmaps), maps)
        for number, (family, by_width) in enumerate(families.items()):
            gains = [
                score(points_by(d)(maps.heatmaps), maps).against(reference)
                for d in by_width.values()
            ]
            value, low, high = np.transpose(gains, (1, 2, 0))
            style = line_style(number)
            band = dict(color=style['color'], alpha=0.15)
            for i, ax in enumerate(axes):
                ax.plot(list(by_width), value[i], label=family, **style)
                ax.fill_between(list(by_width), low[i], high[i], **band)
        for ax, measure in zip(axes, MEASURES):
            unit = 'px' if measure == 'mean error' else 'points'
            ax.axhline(0, color='#555555', linewidth=1)
            ax.set(
                title=f'{measure}, {name}',
                xlabel='width of the kernel (heatmap px)',
                ylabel=f'difference from DARK ({unit})',
            )
    grid[0, 0].legend(loc='lower right')
    return figure


def border_table(maps: Maps) -> str:
    """PCK@0.05 where a border cuts peaks off, against MMPose's own code."""
    every = decoders(SIGMA, KERNEL_SIZE)
    names = (MMPOSE, 'argmax', 'quarter shift', DEFAULT, FIT)
    compared = {name: every[name] for name in names}
    compared[f'{FIT}, sigma 2.25'] = points_by(GaussianFitDecoder(2.25))
    offsets = {
        name: score(decode(maps.heatmaps), maps).offset
        for name, decode in compared.items()
    }
    rows = []
    for distance in BORDER_DISTANCES:
        cut, to_whole = cut_at_border(maps.heatmaps, distance)
        hits = {
            name: score(to_whole(decode(cut)), maps, offsets[name])
            for name, decode in compared.items()
        }
        reference = hits.pop(MMPOSE).per_image[:, 2]
        cells = [
            difference(bootstrap_mean(entry.per_image[:, 2] - reference))
            for entry in hits.values()
        ]
        rows.append([str(distance), f'{reference.mean():.2f}', *cells])
    return markdown(['px from the border', *compared], rows)


def cut_at_border(
    heatmaps: Tensor, distance: int
) -> tuple[Tensor, Callable[[np.ndarray], np.ndarray]]:
    """Cut maps so that each one's peak is so many px from the left border.

    Where what is left to the right of the peak would be too little, the map
    is mirrored first. A peak may already be nearer to the border.

    Returns:
        The maps (I, K, H, 24), and a function from points (I, K, 2) in these
        to those in the whole maps.
    """
    width = heatmaps.shape[3]
    peak = heatmaps.flatten(2).argmax(2) % width
    mirrored = peak - distance + _CUT_WIDTH > width
    maps = torch.where(mirrored[..., None, None], heatmaps.flip(3), heatmaps)
    peak = torch.where(mirrored, width - 1 - peak, peak)
    left = (peak - distance).clamp(0, width - _CUT_WIDTH)
    columns = left[..., None] + torch.arange(_CUT_WIDTH)
    index = columns[:, :, None].expand(-1, -1, heatmaps.shape[2], -1)

    def to_whole(points: np.ndarray) -> np.ndarray:
        x = points[..., 0] + left.numpy()
        x = np.where(mirrored.numpy(), width - 1 - x, x)
        return np.stack([x, points[..., 1]], -1)

    return maps.gather(3, index), to_whole
