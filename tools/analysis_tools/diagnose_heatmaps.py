"""Say where the error of a network's predictions comes from.

Splits it into a constant offset, scatter, swaps of left and right, and
misses, and names the alignment that the network was trained with: the latter
from the flip test alone, without labels. Reads a folder that
``dump_heatmaps.py`` wrote, or an npz file; docs/diagnosis.md explains both,
and every number.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

NAME = 'diagnosis'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'dump', type=Path, help='folder from dump_heatmaps.py, or npz file'
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        help=f'folder for {NAME}.md, {NAME}.json and {NAME}.png',
    )
    parser.add_argument(
        '--radius',
        type=float,
        help="how near a hit is, as a share of the person's size (default: "
        '0.2 of the torso, 0.05 of the box)',
    )
    parser.add_argument(
        '--size',
        choices=('torso', 'box'),
        help='for a folder: left shoulder to right hip, or the longer side '
        'of the box (default: torso if the dataset has these keypoints)',
    )
    parser.add_argument(
        '--input-size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help="for an npz file: the network's input, in px (default: four "
        "times the heatmaps' size)",
    )
    parser.add_argument(
        '--flip-indices',
        type=int,
        nargs='+',
        metavar='K',
        help='for an npz file: for each keypoint the number of its partner '
        'on the other side, or its own (default: no swaps are looked for)',
    )
    args = parser.parse_args(argv)
    if args.radius is not None and not args.radius > 0:
        parser.error(f'--radius must be positive, got {args.radius}')
    if args.dump.is_file() and args.size is not None:
        parser.error('--size is for a dump that is a folder')
    for name in ('input_size', 'flip_indices'):
        if args.dump.is_dir() and getattr(args, name) is not None:
            option = '--' + name.replace('_', '-')
            parser.error(f'{option} is for a dump that is an npz file')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Read, diagnose, write."""
    args = parse_args(argv)
    # late: --help needs none of them
    from dark_codec.analysis.diagnosis_data import read_archive, read_dump
    from dark_codec.analysis.diagnosis_plot import draw
    from dark_codec.analysis.diagnosis_report import as_page, as_record
    from dark_codec.analysis.findings import examine
    from dark_codec.analysis.report import write_report
    from dark_codec.cli import UserError, check_folder
    from dark_codec.dumps.format import DumpError
    from dark_codec.dumps.reader import HeatmapDump

    try:
        if args.dump.is_file():
            case = read_archive(args.dump, args.input_size, args.flip_indices)
            check_folder('--out', str(args.out))
        else:
            dump = HeatmapDump(args.dump)
            check_folder('--out', str(args.out))
            case = read_dump(dump, args.size)
    except DumpError as error:
        raise UserError(str(error)) from error
    try:
        findings = examine(case, args.radius)
    except ValueError as error:
        raise UserError(f'{args.dump}: {error}') from error
    write_report(
        args.out,
        NAME,
        as_page(findings, f'{NAME}.png'),
        as_record(findings),
        {NAME: draw(findings)},
    )
    if findings.warning:
        print(f'warning: {findings.warning}', file=sys.stderr)
    if findings.found is not None:
        print(f'{findings.found.verdict}: {findings.found.reason}')
    print(f'wrote {args.out / NAME}.md, .json and .png')


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
