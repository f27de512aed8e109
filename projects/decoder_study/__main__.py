"""Measure the decoders: on real heatmaps, or on Gaussians.

``real`` reads heatmaps that a COCO network predicted on photographs of Leeds
Sports, plain and flipped, and renews this folder's README.md. ``gaussians``
renders Gaussians whose centres are known, and renews docs/decoders.md. The
prose of both pages is written by hand: what stands between ``<!-- table NAME
-->`` and ``<!-- end -->`` is replaced.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from dark_codec.analysis.report import fill
from projects.decoder_study import (
    covariance,
    expected_oks,
    gaussians,
    real_maps,
)
from projects.decoder_study.decoders import decoders, taylor
from projects.shared_data import REAL_HEATMAPS, load

HERE = Path(__file__).resolve().parent
PAGES = {
    'real': HERE / 'README.md',
    'gaussians': HERE.parents[1] / 'docs/decoders.md',
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('heatmaps', choices=PAGES)
    parser.add_argument(
        '--data',
        type=Path,
        default=REAL_HEATMAPS,
        help='the real heatmaps (default: %(default)s)',
    )
    parser.add_argument(
        '--maps',
        type=int,
        default=4000,
        help='Gaussians for each size and area (default: %(default)s)',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help="of the Gaussians' random numbers"
    )
    parser.add_argument(
        '--out',
        type=Path,
        help='folder for the page and its images/ (default: that of the page)',
    )
    args = parser.parse_args(argv)
    if args.maps < 1:
        parser.error(f'--maps must be positive, got {args.maps}')
    return args


def study_real_maps(data: Path, images: Path) -> dict[str, str]:
    """Draw the figure; return the tables, by name."""
    plain, flipped = load(data)
    average = real_maps.flip_average(plain, flipped)
    sets = {'plain': plain, 'flip average': average}
    sigma = real_maps.SIGMA
    compared = decoders(sigma, real_maps.KERNEL_SIZE)
    estimator = taylor(sigma, True, sigma=sigma)
    predicted = covariance.predict(estimator, plain, sigma)
    images.mkdir(parents=True, exist_ok=True)
    real_maps.draw_kernels(sets).savefig(images / 'kernels.png', dpi=110)
    return {
        'plain': real_maps.decoder_table(plain, compared),
        'flip-average': real_maps.decoder_table(average, compared),
        'border': real_maps.border_table(plain),
        'models': covariance.model_table(predicted),
        'ranking': covariance.ranking_table(predicted),
        'scores': expected_oks.score_table(estimator, sets, sigma),
    }


def study_gaussians(count: int, seed: int) -> dict[str, str]:
    """Return the tables, by name."""
    tables = gaussians.area_tables(count, seed)
    for scale in gaussians.SCALES:
        table = gaussians.border_table(scale, count, seed)
        tables[f'accuracy-border-{scale}'] = table
    tables['accuracy-sigma'] = gaussians.sigma_table(count, seed)
    return tables


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, then write the page."""
    args = parse_args(argv)
    page = PAGES[args.heatmaps]
    out = args.out or page.parent
    out.mkdir(parents=True, exist_ok=True)
    if args.heatmaps == 'real':
        try:
            with torch.inference_mode():
                tables = study_real_maps(args.data, out / 'images')
        except (FileNotFoundError, ValueError) as error:
            raise SystemExit(f'error: {error}') from error
    else:
        tables = study_gaussians(args.maps, args.seed)
    (out / page.name).write_text(fill(page.read_text(), tables))
    print(f'wrote {out / page.name}')


if __name__ == '__main__':
    main()
