"""Decode a heatmap dump in several ways, and compare decoders or scores.

Reads what ``dump_heatmaps.py`` has written, and needs neither the network nor
the pictures, but the annotations that the dataset's metrics read. Writes
report.md, report.json and plots.

A decoder is a short name (argmax, shift, shift-eq1, taylor, dark, dark-max,
fit), a registered name, either of them with settings
(``dark-max:modulation.kernel_size=11``), or a dict. The first one is what
the others are compared with.

With --scores, writes scores.md, scores.json and a reliability diagram instead:
the height of the peak and the expected OKS, against the OKS that keypoints
turn out to have.
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
        '--scores',
        action='store_true',
        help='compare scores in place of decoders (default decoders: dark, '
        'of patches dark-max, and fit)',
    )
    parser.add_argument(
        '--pck',
        type=float,
        metavar='THRESHOLD',
        help='with --scores: measure by PCK, with this share of the longer '
        "side of a person's box, in place of OKS",
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
    swept = args.sweep_sigma is not None or args.sweep_kernel_size is not None
    if args.scores and (swept or not args.draws):
        parser.error('--scores takes no sweeps, and needs --draws')
    if args.pck is not None and not (args.scores and args.pck > 0):
        parser.error('--pck goes with --scores, and must be positive')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Compare, and write the report."""
    args = parse_args(argv)
    if args.scores:
        compare_scores(args)
    else:
        compare_decoders(args)


def compare_decoders(args: argparse.Namespace) -> None:
    """Compare decoders by the dataset's metrics."""
    # late: --help needs none of them
    from dark_codec.analysis import comparison_report as pages
    from dark_codec.analysis.comparison import build_codecs, compare
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
        build_codecs(dump, decoders)  # errors before any work
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


def compare_scores(args: argparse.Namespace) -> None:
    """Compare the height of the peak with the expected OKS."""
    from dark_codec.analysis import score_comparison as scores
    from dark_codec.analysis import score_report as pages
    from dark_codec.analysis.comparison import build_codecs
    from dark_codec.analysis.decoders_by_name import chosen_decoders
    from dark_codec.analysis.report import write_report
    from dark_codec.cli import UserError, check_folder
    from dark_codec.cli.dumps import open_dump
    from dark_codec.dumps.format import DumpError

    dump = open_dump(args.dump, args.cfg_options)
    dark = 'dark' if dump.info.kind == 'full' else 'dark-max'
    names = args.decoders or [dark, 'fit']
    try:
        decoders, _ = chosen_decoders(dump.info, names, None, None)
        truth = scores.read_truth(dump, args.pck)
        codecs = build_codecs(dump, decoders, scores=truth.scores)
    except ValueError as error:
        raise UserError(f'--scores: {error}') from error
    check_folder('--out', str(args.out))
    try:
        found = scores.compare_scores(dump, codecs, truth, args.draws)
    except DumpError as error:
        raise UserError(str(error)) from error
    write_report(
        args.out,
        'scores',
        pages.page(dump, truth, found, args.draws),
        pages.as_record(dump, truth, found, args.draws),
        dict(reliability=pages.draw_reliability(found, truth.measure_name)),
    )
    print(pages.overall_table(found), pages.fit_table(found), sep='\n')
    print(f'More in {args.out / "scores.md"} and scores.json')


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
