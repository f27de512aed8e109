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
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import Config
from mmengine.registry import init_default_scope

from dark_codec.analysis.comparison import (
    check_decoders,
    decode_dump,
    intervals,
    score_decoding,
)
from dark_codec.analysis.comparison_report import (
    Row,
    recommendation,
    write_report,
)
from dark_codec.analysis.decoders_by_name import (
    DEFAULTS,
    Sweep,
    kernel_sweep,
    parse_decoder,
    sigma_sweep,
)
from dark_codec.analysis.recommendation import Choice, candidates, recommend
from dark_codec.analysis.resampling import quiet_metrics
from dark_codec.cli import (
    UserError,
    add_cfg_options,
    describe_missing_data,
    run_tool,
)
from dark_codec.dumps.reader import DumpError, HeatmapDump
from dark_codec.openmmlab.engine.progress import Progress, track


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Decode a heatmap dump in several ways, and score them'
    )
    parser.add_argument('dump', help='folder of the dump')
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the report'
    )
    parser.add_argument(
        '--decoders',
        nargs='+',
        metavar='DECODER',
        help='what to compare, see above (default: '
        + '; '.join(f'{k}: {" ".join(v)}' for k, v in DEFAULTS.items())
        + ')',
    )
    parser.add_argument(
        '--sweep-sigma',
        nargs='*',
        type=float,
        metavar='SIGMA',
        help='compare Taylor and fit decoders for these sigmas, too '
        '(default: nine from half to 1.5 times that of the training)',
    )
    parser.add_argument(
        '--sweep-kernel-size',
        nargs='*',
        type=int,
        metavar='SIZE',
        help="compare Taylor decoders with OpenCV's kernels of these sizes, "
        'too (default: 3 to 17)',
    )
    parser.add_argument(
        '--draws',
        type=int,
        default=500,
        help='resamples of the bootstrap, 0 for none (default: %(default)s)',
    )
    add_cfg_options(parser, "the dump's config")
    args = parser.parse_args()
    if args.draws < 0:
        parser.error(f'--draws must not be negative, got {args.draws}')
    return args


def open_dump(args: argparse.Namespace) -> HeatmapDump:
    """Open the dump, and see that its metrics have what they read."""
    try:
        dump = HeatmapDump(args.dump)
        cfg = dump.config
    except (DumpError, ImportError) as error:
        raise UserError(str(error)) from error
    cfg.merge_from_dict(args.cfg_options or {})
    metrics = Config(dict(test_evaluator=cfg.test_evaluator))
    missing = describe_missing_data(metrics, ('test',))
    if missing:
        raise UserError(missing)
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    return dump


def chosen_decoders(
    args: argparse.Namespace, dump: HeatmapDump
) -> tuple[dict[str, dict], dict[str, Sweep]]:
    """The decoders to compare, and which of them are sweeps."""
    names = args.decoders or DEFAULTS[dump.info.kind]
    try:
        decoders = dict(map(parse_decoder, names))
    except ValueError as error:
        raise UserError(f'--decoders {error}') from error
    sweeps = {}
    if args.sweep_sigma is not None:
        sweeps['sweep_sigma'] = sigma_sweep(dump.info, args.sweep_sigma)
    if args.sweep_kernel_size is not None:
        sweeps['sweep_kernel_size'] = kernel_sweep(
            dump.info, args.sweep_kernel_size
        )
    for sweep in sweeps.values():
        decoders.update(sweep.decoders)
    try:
        check_decoders(dump, decoders)
    except ValueError as error:
        raise UserError(f'--decoders {error}') from error
    return decoders, sweeps


def compare(
    dump: HeatmapDump, decoders: dict[str, dict], draws: int
) -> dict[str, Row]:
    """Decode, score, resample."""
    with Progress('Decoding', len(dump.shards)) as progress:
        decodings = decode_dump(dump, decoders, progress.advance)
    scores = {}
    for name in track(decodings, 'Scoring'):
        with quiet_metrics():
            scores[name] = score_decoding(dump, decodings[name])
    found: dict[str, dict] = {name: {} for name in scores}
    if draws:
        metrics = len(next(iter(scores.values())).resamplers)
        # one more each: the images as they are
        with Progress('Resampling', metrics * (draws + 1)) as progress:
            found = intervals(scores, draws, progress.advance)
    return {
        name: Row(
            decoder,
            decodings[name].milliseconds,
            scores[name].metrics,
            found[name],
        )
        for name, decoder in decoders.items()
    }


def recommended(dump: HeatmapDump, draws: int) -> list[Choice]:
    """Choose a decoder for the network."""
    steps = len(dump.shards) + len(candidates(dump.info))
    with Progress('Choosing a decoder', steps) as progress, quiet_metrics():
        return recommend(dump, draws, progress.advance)


def main() -> None:
    """Compare, and write the report."""
    args = parse_args()
    dump = open_dump(args)
    decoders, sweeps = chosen_decoders(args, dump)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'--out {args.out}: {error}') from error
    try:
        rows = compare(dump, decoders, args.draws)
        choices = recommended(dump, args.draws) if args.draws else []
    except DumpError as error:
        raise UserError(str(error)) from error
    write_report(args.out, dump, rows, sweeps, args.draws, choices)
    print((args.out / 'report.md').read_text().split('\n## ')[0])
    print(recommendation(choices))
    print(f'More in {args.out / "report.md"} and report.json')


if __name__ == '__main__':
    run_tool(main)
