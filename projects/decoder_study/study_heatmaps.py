"""Decode real heatmaps in every way, and write what it comes to.

Reads heatmaps that a COCO network predicted on photographs of Leeds Sports
Pose, plain and flipped, and renews the tables and figures of this folder's
README.md. Takes one to two minutes on two cores.

The prose of that page is its own: the command replaces what stands between
``<!-- table NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dark_codec import GaussianFitDecoder
from dark_codec.analysis.report import markdown
from dark_codec.openmmlab.engine.progress import track
from projects.decoder_study.covariance import predict, ranking_table
from projects.decoder_study.kernels import compare, crossings, kernel_table
from projects.decoder_study.maps import (
    MMPOSE_SHIFT,
    flip_average,
    halve,
)
from projects.decoder_study.models import duel_table, model_table
from projects.decoder_study.page import (
    EVERY_KERNEL,
    PAGE,
    TABLES,
    write_page,
)
from projects.decoder_study.plots import (
    draw_border,
    draw_covariance,
    draw_kernels,
)
from projects.decoder_study.scores import (
    BASELINE,
    DEFAULT,
    FIT,
    MMPOSE,
    Decode,
    decode,
    main_decoders,
    score,
    swept_decoders,
    taylor,
)
from projects.decoder_study.tables import (
    absolute_table,
    border_table,
    offset_influence,
    offset_table,
    paired_table,
    score_all,
    shift_table,
    sweep_scores,
    sweep_table,
)
from projects.shared_data import REAL_HEATMAPS, Maps, load

HERE = Path(__file__).resolve().parent

# The network's targets, and what MMPose's DARK takes for them
SIGMA, KERNEL_SIZE = 2.0, 11
HALF_SIGMA, HALF_KERNEL_SIZE = 1.0, 3


class Study:
    """The parts of the study; each gives tables by their names.

    Args:
        plain (Maps): Predictions.
        flipped (Maps): Predictions on the mirrored images, un-flipped.
        images (Path): Folder for the figures.
    """

    def __init__(self, plain: Maps, flipped: Maps, images: Path) -> None:
        self.plain = plain
        self.flipped = flipped
        self.images = images
        self.average = flip_average(plain, flipped.heatmaps, MMPOSE_SHIFT)
        self.decoders = main_decoders(SIGMA, KERNEL_SIZE)
        self.sets = {'plain': plain, 'flip average': self.average}

    def parts(self) -> list:
        """The parts in their order, to be called one by one."""
        return [
            self.offsets,
            self.main,
            self.sweep,
            self.kernels,
            self.half,
            self.border,
            self.covariance,
        ]

    def _some(self, *names: str) -> dict[str, Decode]:
        return {name: self.decoders[name] for name in names}

    def offsets(self) -> Iterator[tuple[str, str]]:
        """Constant offsets, and the shift before the flip average."""
        decoders = self._some('argmax', 'DARK without modulation')
        for width in (1.0, SIGMA, 3.0):
            module = taylor(SIGMA, sigma=width, rescale='max')
            decoders[f'DARK, kernel of sigma {width:g}'] = (
                lambda heatmaps, module=module: decode(module, heatmaps)
            )
        decoders |= self._some(FIT)
        yield 'offsets', offset_table(self.plain, self.flipped, decoders)
        decoders = self._some('quarter shift', BASELINE, FIT)
        yield 'shifts', shift_table(self.plain, self.flipped, decoders)

    def main(self) -> Iterator[tuple[str, str]]:
        """The decoders that users choose from."""
        for name, maps in self.sets.items():
            scores = score_all(maps, self.decoders)
            label = name.replace(' ', '-')
            yield f'{label}-scores', absolute_table(scores)
            yield f'{label}-differences', paired_table(scores)
        points = self.decoders[BASELINE](self.plain.heatmaps)
        change = offset_influence(self.plain, points)
        yield 'offset-influence', f'{change:.2f} points.'

    def sweep(self) -> Iterator[tuple[str, str]]:
        """Every kernel and width."""
        swept = swept_decoders(SIGMA)
        sweeps, baselines = {}, {}
        for name, maps in self.sets.items():
            points = self.decoders[BASELINE](maps.heatmaps)
            baselines[name] = score(points, maps)
            sweeps[name] = sweep_scores(swept, maps)
            table = sweep_table(sweeps[name], baselines[name])
            yield f'{EVERY_KERNEL}{name}', table
        draw_kernels(sweeps, baselines, self.images / 'kernels.png')

    def kernels(self) -> Iterator[tuple[str, str]]:
        """Why the kernel matters so little."""
        sets = {
            name: compare(maps)
            for name, maps in (self.sets | {'flipped': self.flipped}).items()
        }
        yield 'kernels', kernel_table(sets)
        rows = [
            [name, *(str(count) for count in crossings(comparison))]
            for name, comparison in sets.items()
        ]
        header = ['maps', 'narrow only', 'wide only']
        yield 'crossings', markdown(header, rows)

    def half(self) -> Iterator[tuple[str, str]]:
        """The same maps at half the resolution."""
        decoders = main_decoders(HALF_SIGMA, HALF_KERNEL_SIZE)
        wide = taylor(HALF_SIGMA, kernel_size=KERNEL_SIZE, rescale='max')
        decoders['DARK, kernel_size=11'] = lambda heatmaps: decode(
            wide, heatmaps
        )
        for how in ('mean', 'every-second'):
            scores = score_all(halve(self.plain, how), decoders)
            yield f'half-{how}-scores', absolute_table(scores)
            yield f'half-{how}-differences', paired_table(scores)

    def border(self) -> Iterator[tuple[str, str]]:
        """The same peaks, cut off by the border."""
        decoders = self._some(MMPOSE, 'argmax', 'quarter shift', DEFAULT, FIT)
        fit = GaussianFitDecoder(2.25)
        decoders[f'{FIT}, sigma 2.25'] = lambda heatmaps: decode(fit, heatmaps)
        table, curves = border_table(self.plain, decoders)
        draw_border(curves, self.images / 'border.png')
        yield 'border', table

    def covariance(self) -> Iterator[tuple[str, str]]:
        """Test what covariances are good for."""
        decoders = {
            'Taylor': taylor(SIGMA, True, sigma=SIGMA),
            'fit': GaussianFitDecoder(SIGMA, covariance=True),
        }
        sets = {
            name: predict(decoder, self.plain, SIGMA)
            for name, decoder in decoders.items()
        }
        yield 'models', model_table(sets)
        yield 'duels', duel_table(sets)
        yield 'ranking', ranking_table(sets)
        draw_covariance(sets, SIGMA, self.images / 'covariance.png')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Decode real heatmaps in every way: tables and figures.'
    )
    parser.add_argument(
        '--data',
        type=Path,
        default=REAL_HEATMAPS,
        help='the heatmaps (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=HERE,
        help=f'folder for {PAGE}, {TABLES} and images/ (default: that of '
        'this file)',
    )
    return parser.parse_args()


def main() -> None:
    """Run the study."""
    args = parse_args()
    try:
        plain, flipped = load(args.data)
    except (FileNotFoundError, ValueError) as error:
        raise SystemExit(f'error: {error}') from error
    images = args.out / 'images'
    images.mkdir(parents=True, exist_ok=True)
    study = Study(plain, plain._replace(heatmaps=flipped), images)
    tables: dict[str, str] = {}
    with torch.inference_mode():
        for part in track(study.parts(), 'Decoding'):
            tables.update(part())
    write_page(HERE / PAGE, args.out, tables)
    print(f'wrote {args.out / PAGE}, {args.out / TABLES} and {images}')


if __name__ == '__main__':
    main()
