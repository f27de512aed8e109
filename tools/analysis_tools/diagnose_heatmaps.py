"""Say where the error of a network's predictions comes from.

Splits it into a constant offset, scatter, swaps of left and right, and
misses, and names the alignment that the network was trained with: the latter
from the flip test alone, without labels. Reads a folder that
``dump_heatmaps.py`` wrote, or an npz file; docs/diagnosis.md explains both,
and every number.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dark_codec.analysis.diagnosis import diagnose
from dark_codec.analysis.diagnosis_archive import read_archive
from dark_codec.analysis.diagnosis_data import SIZES, Case, read_dump
from dark_codec.analysis.diagnosis_plot import draw
from dark_codec.analysis.diagnosis_report import Findings, as_json, as_page
from dark_codec.analysis.flip_offset import (
    contradiction,
    expected_offset,
    find_alignment,
)
from dark_codec.cli import UserError, run_tool
from dark_codec.dumps.format import DumpError
from dark_codec.openmmlab.engine.atomic_backend import AtomicLocalBackend

NAME = 'diagnosis'
_OF_ARCHIVES = ('input_size', 'flip_indices')
# as PCK is usual with either
_RADII = dict(torso=0.2, box=0.05)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Say where the error of predicted keypoints comes from'
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
        f'{_RADII["torso"]} of the torso, {_RADII["box"]} of the box)',
    )
    parser.add_argument(
        '--size',
        choices=SIZES,
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
    args = parser.parse_args()
    if args.radius is not None and not args.radius > 0:
        parser.error(f'--radius must be positive, got {args.radius}')
    if args.dump.exists():
        for name in ('size',) if args.dump.is_file() else _OF_ARCHIVES:
            if getattr(args, name) is not None:
                option = '--' + name.replace('_', '-')
                kind = 'an npz file' if name in _OF_ARCHIVES else 'a folder'
                parser.error(f'{option} is for a dump that is {kind}')
    return args


def look_into(case: Case, radius: float) -> Findings:
    """Diagnose what is there to be diagnosed."""
    parts = found = expected = None
    warning = ''
    sizes = (case.input_size, case.heatmap_size)
    if case.plain is not None and case.unflipped is not None:
        found = find_alignment(
            case.plain, case.unflipped, *sizes, case.image_ids
        )
        expected = expected_offset(
            found, *sizes, case.truth_alignment, case.flip_shift
        )
        if case.configured is not None:
            warning = contradiction(found, case.configured)
    if case.keypoints is not None:
        parts = diagnose(case.keypoints, *sizes, case.truth_alignment, radius)
    return Findings(case, radius, parts, found, warning, expected)


def main() -> None:
    """Read, diagnose, write."""
    args = parse_args()
    if args.out.is_file():
        raise UserError(f'--out {args.out} is a file; name a folder')
    try:
        if args.dump.is_file():
            case = read_archive(args.dump, args.input_size, args.flip_indices)
        else:
            case = read_dump(args.dump, args.size)
    except DumpError as error:
        raise UserError(str(error)) from error
    if case.keypoints is None and case.unflipped is None:
        raise UserError(
            f'{args.dump} has neither labels nor a flip test: nothing can be '
            'said of it. Dump again with model.test_cfg.flip_test=True'
        )
    try:
        findings = look_into(case, args.radius or _RADII[case.size])
    except ValueError as error:
        raise UserError(f'{args.dump}: {error}') from error
    backend = AtomicLocalBackend()
    backend.put(draw(findings), args.out / f'{NAME}.png')
    text = json.dumps(as_json(findings), indent=2)
    backend.put_text(text + '\n', args.out / f'{NAME}.json')
    page = as_page(findings, f'{NAME}.png')
    backend.put_text(page, args.out / f'{NAME}.md')
    if findings.warning:
        print(f'warning: {findings.warning}', file=sys.stderr)
    if findings.found is not None:
        print(f'{findings.found.verdict}: {findings.found.reason}')
    print(f'wrote {args.out / NAME}.md, .json and .png')


if __name__ == '__main__':
    run_tool(main)
