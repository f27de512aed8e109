"""Decode a heatmap dump in several ways, and score them.

Reads what ``dump_heatmaps.py`` has written, and needs neither the network nor
the pictures, but the annotations that the dataset's metrics read. Writes
report.md, report.json and plots.

A decoder is a short name (argmax, shift, shift-eq1, taylor, dark, dark-max,
fit), a registered name, either of them with settings
(``dark-max:modulation.kernel_size=11``), or a dict. The first one is what
the others are compared with.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('dump', help='folder of the dump')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the report'
    )
    parser.add_argument(
        '--decoders',
        nargs='+',
        metavar='DECODER',
        help='what to compare, see above (default: argmax, shift, taylor and '
        'fit; of a full dump also shift-eq1 and dark, else dark-max)',
    )
    parser.add_argument(
        '--sweep-sigma',
        nargs='*',
        type=float,
        metavar='SIGMA',
        help='also compare Taylor and fit decoders with these sigmas '
        '(default: nine from half to 1.5 times that of the training)',
    )
    parser.add_argument(
        '--sweep-kernel-size',
        nargs='*',
        type=int,
        metavar='SIZE',
        help="also compare Taylor decoders with OpenCV's kernels of these "
        'sizes (default: 3 to 17)',
    )
    parser.add_argument(
        '--draws',
        type=int,
        default=500,
        help='resamples of the bootstrap, 0 for none (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help="settings that replace those of the dump's config",
    )
    args = parser.parse_args(argv)
    if args.draws < 0:
        parser.error(f'--draws must not be negative, got {args.draws}')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, and write the report."""
    args = parse_args(argv)
    # late: --help needs none of them
    from dark_codec.analysis import comparison_report as pages
    from dark_codec.analysis.comparison import check_decoders, compare
    from dark_codec.analysis.decoders_by_name import chosen_decoders
    from dark_codec.analysis.recommendation import recommend
    from dark_codec.analysis.report import write_report
    from dark_codec.cli import UserError, check_folder
    from dark_codec.cli.dumps import open_dump
    from dark_codec.dumps.format import DumpError

    dump = open_dump(args.dump, args.cfg_options)
    try:
        decoders, sweeps = chosen_decoders(
            dump.info, args.decoders, args.sweep_sigma, args.sweep_kernel_size
        )
        check_decoders(dump, decoders)
    except ValueError as error:
        raise UserError(f'--decoders {error}') from error
    check_folder('--out', str(args.out))
    try:
        rows = compare(dump, decoders, args.draws)
        choices = recommend(dump, args.draws) if args.draws else []
    except DumpError as error:
        raise UserError(str(error)) from error
    summary = pages.summary(dump, rows)
    advice = pages.recommendation(choices) if args.draws else ''
    figures = pages.draw_figures(rows, sweeps)
    shown = ''.join(f'![{name}]({name}.png)\n\n' for name in figures)
    tables = pages.interval_tables(rows, args.draws)
    write_report(
        args.out,
        'report',
        '\n'.join([summary, tables, shown + advice]),
        pages.as_record(dump, rows, args.draws, choices),
        figures,
    )
    print(summary, advice, sep='\n')
    print(f'More in {args.out / "report.md"} and report.json')


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
