"""Compare scores on dumps of the study's networks: tables and picture.

Make a dump of each network first, with whole heatmaps and the flip test:

    python tools/analysis_tools/dump_heatmaps.py CONFIG CHECKPOINT \
        --out DUMP --full
    python -m projects.leeds_sports.study.scores DUMP [DUMP ...]

OKS takes the data set's sigmas, and as COCO's evaluation does without an area
0.53 of a person's box. With --distorted, heatmaps are distorted before they
are decoded, as by networks that predict no mean of Gaussians.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.registry import init_default_scope
from scipy.ndimage import gaussian_filter
from torch import Tensor

from dark_codec import ExpectedOKS, TaylorDecoder
from dark_codec.analysis.calibration import calibration_error
from dark_codec.analysis.comparison import build_codecs
from dark_codec.analysis.decoders_by_name import SHORT
from dark_codec.analysis.report import markdown
from dark_codec.analysis.resampling import rank_people
from dark_codec.analysis.score_comparison import (
    compare_scores,
    read_truth,
)
from dark_codec.analysis.score_report import draw_reliability, overall_table
from dark_codec.dumps.reader import HeatmapDump

IMAGE = Path(__file__).resolve().parent / 'results' / 'scores.png'


def _blur(share: float) -> Callable[[Tensor, float], Tensor]:
    def blur(maps: Tensor, sigma: float) -> Tensor:
        width = share * sigma
        blurred = gaussian_filter(
            maps.numpy(), (0, 0, width, width), mode='constant'
        )
        return torch.from_numpy(blurred)

    return blur


def _noise(level: float) -> Callable[[Tensor, float], Tensor]:
    def add(maps: Tensor, sigma: float) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return maps + level * torch.randn(maps.shape, generator=generator)

    return add


# of heatmaps, with the training sigma in px
DISTORTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    'as predicted': lambda maps, sigma: maps,
    '10 % lower': lambda maps, sigma: 0.9 * maps,
    '20 % lower': lambda maps, sigma: 0.8 * maps,
    '10 % higher': lambda maps, sigma: 1.1 * maps,
    '25 % higher': lambda maps, sigma: 1.25 * maps,
    'blurred by half a sigma': _blur(0.5),
    'blurred by a sigma': _blur(1.0),
    'square root (too wide)': lambda maps, sigma: maps.clamp(min=0) ** 0.5,
    'to the power of 1.5 (too narrow)': lambda maps, sigma: (
        maps.clamp(min=0) ** 1.5
    ),
    'sigmoid(10 h - 5)': lambda maps, sigma: torch.sigmoid(10 * maps - 5),
    'cut off at 0.5': lambda maps, sigma: maps.clamp(max=0.5),
    '5 % of white noise': _noise(0.05),
    '10 % of white noise': _noise(0.1),
}


def distorted_table(dump: HeatmapDump) -> str:
    """Return ECE and AP of both scores, by DARK, for each distortion."""
    truth = read_truth(dump)
    size = tuple(dump.info.codec['heatmap_size'])
    sigma = dump.info.codec['sigma']
    decoder = TaylorDecoder(sigma=sigma, covariance=True)
    expected_oks = ExpectedOKS(truth.sigmas.tolist())
    maps = torch.cat([shard.heatmaps() for shard in dump.shards])
    rows = []
    for name, distort in DISTORTIONS.items():
        decoded = decoder(distort(maps, sigma))
        measured = truth.measure(decoded.points.numpy())
        error, ap = [], []
        for scores in (decoded.scores, expected_oks(decoded, size, sigma)):
            found, chosen = scores.numpy(), truth.labelled
            error.append(calibration_error(found[chosen], measured[chosen]))
            people = rank_people(measured, chosen, found, truth.image)
            ap.append(100 * people(np.arange(people.images))[0])
        cells = [f'{e:.3f}' for e in error]
        rows.append([name, *cells, f'{ap[1] - ap[0]:+.1f}'])
    header = ['heatmaps', 'ECE, height', 'ECE, expected OKS']
    return markdown([*header, 'AP against height'], rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('dumps', nargs='+', type=Path, help='of networks')
    parser.add_argument('--image', type=Path, default=IMAGE)
    parser.add_argument('--draws', type=int, default=500)
    parser.add_argument(
        '--distorted', action='store_true', help='distort the heatmaps'
    )
    args = parser.parse_args(argv)
    init_default_scope('mmpose')
    results = {}
    for path in args.dumps:
        dump = HeatmapDump(path)
        if args.distorted:
            print(f'{path.name}\n\n{distorted_table(dump)}\n')
            continue
        truth = read_truth(dump)
        codecs = build_codecs(
            dump, {path.name: SHORT['dark']}, scores=truth.scores
        )
        results.update(compare_scores(dump, codecs, truth, args.draws))
    if results:
        print(overall_table(results))
        args.image.parent.mkdir(exist_ok=True)
        draw_reliability(results, 'OKS').savefig(args.image, dpi=110)


if __name__ == '__main__':
    main()
