"""Plot what trainings logged, one line for each work dir.

Joins the sessions of a training that was resumed, and shows the metrics of
the validation, too, both of which MMPose's analyze_logs.py leaves out.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dark_codec.analysis.visualization import line_style
from dark_codec.cli import UserError, run_tool
from dark_codec.cli.pictures import check_picture, save_picture
from dark_codec.openmmlab.engine.logs import (
    Curve,
    Scalars,
    read_scalars,
)

_TIMES = ('data_time', 'time')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'work_dirs', nargs='+', type=Path, help='of trainings', metavar='DIR'
    )
    parser.add_argument(
        '--keys',
        nargs='+',
        help='what to plot (default: loss, and the first metric of the '
        'validation)',
    )
    parser.add_argument(
        '--out', default='logs.png', help='the picture (default: logs.png)'
    )
    return parser.parse_args()


def read(work_dir: Path) -> Scalars:
    """The numbers of one training."""
    if not work_dir.is_dir():
        raise UserError(f'the work dir {work_dir} does not exist')
    scalars = read_scalars(work_dir)
    if not scalars.training:
        raise UserError(
            f'{work_dir} has no log of a training, '
            '<time>/vis_data/scalars.json'
        )
    return scalars


def default_keys(scalars: Scalars) -> list[str]:
    """The loss, and the first metric if there was a validation."""
    metrics = [key for key in scalars.validation if key not in _TIMES]
    return ['loss', *metrics[:1]]


def find(scalars: Scalars, key: str, work_dir: Path) -> tuple[Curve, str]:
    """The numbers of a key, and what their steps count."""
    if key in scalars.training:
        return scalars.training[key], 'iteration'
    if key in scalars.validation:
        return scalars.validation[key], scalars.unit
    known = [*scalars.training, *scalars.validation]
    raise UserError(
        f'--keys {key}: {work_dir} has ' + ', '.join(dict.fromkeys(known))
    )


def draw(runs: dict[Path, Scalars], keys: list[str]) -> Figure:
    """One panel for each key."""
    figure = Figure(figsize=(5.5 * len(keys), 4), layout='constrained')
    for ax, key in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys):
        for i, (work_dir, scalars) in enumerate(runs.items()):
            curve, unit = find(scalars, key, work_dir)
            (line,) = ax.plot(
                list(curve),
                list(curve.values()),
                label=str(work_dir),
                **line_style(i),
            )
            if len(curve) > 30:
                line.set_marker('')
        ax.set(xlabel=unit, title=key)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(
        *ax.get_legend_handles_labels(), loc='outside lower center', ncols=2
    )
    return figure


def main() -> None:
    """Read and draw."""
    args = parse_args()
    runs = {work_dir: read(work_dir) for work_dir in args.work_dirs}
    check_picture(args.out)
    keys = args.keys or default_keys(next(iter(runs.values())))
    save_picture(draw(runs, keys), args.out)


if __name__ == '__main__':
    run_tool(main)
