"""Table, curve and pictures of a network trained on Leeds Sports.

    python projects/leeds_sports/report.py CONFIG CHECKPOINT --training DIR

predicts the test photographs once, decodes the heatmaps by several decoders,
and writes the results beside this file, but for pictures of the photographs,
which are not ours to publish: these go to the training's folder.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import Config

from dark_codec.analysis.prediction import (
    DARK,
    DECODERS,
    Prediction,
    predict,
    redecode,
)
from dark_codec.analysis.report import markdown
from dark_codec.analysis.visualization import COLORS, draw_skeleton
from dark_codec.cli import prepare
from dark_codec.openmmlab.engine.logs import read_scalars

THRESHOLDS = ('0.2', '0.1', '0.05')
_GRID = (2, 6)  # rows and columns of photographs
_EVERY = 83  # of the 1000 test photographs: the grid spans them all


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config of the training')
    parser.add_argument('checkpoint', help='its last checkpoint')
    parser.add_argument(
        '--training', type=Path, required=True, help='its work dir'
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path(__file__).parent / 'results',
        help='folder for the results (default: results, beside this file)',
    )
    return parser.parse_args()


def table(head: str, rows: dict[str, list[float]]) -> str:
    """Markdown of PCK in percent at :data:`THRESHOLDS`."""
    header = [head, *(f'PCK@{t}' for t in THRESHOLDS)]
    cells = [
        [name, *(f'{100 * value:.1f}' for value in values)]
        for name, values in rows.items()
    ]
    return markdown(header, cells) + '\n'


def pck(metrics: dict[str, float], joint: str = '') -> list[float]:
    """PCK at each of :data:`THRESHOLDS`, of all joints or of one."""
    end = f'/{joint}' if joint else ''
    return [metrics[f'torso/PCK@{t}{end}'] for t in THRESHOLDS]


def draw_curve(training: Path) -> Figure:
    """Loss by iteration, and PCK by epoch."""
    scalars = read_scalars(training)
    losses = scalars.training['loss']
    figure = Figure(figsize=(10, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    left.plot(list(losses), list(losses.values()), color=COLORS[0])
    left.set(
        xlabel='iteration',
        ylabel='training loss',
        ylim=(0, None),
        title='Mean squared error of the heatmaps',
    )
    for color, marker, threshold in zip(COLORS, 'os^', THRESHOLDS):
        values = scalars.validation[f'torso/PCK@{threshold}']
        right.plot(
            list(values),
            [100 * value for value in values.values()],
            color=color,
            marker=marker,
            label=f'PCK@{threshold}',
        )
    right.set(
        xlabel='epoch',
        ylabel='PCK (%)',
        ylim=(0, 100),
        title='Test photographs, decoded by DARK',
    )
    right.legend()
    return figure


def draw_predictions(prediction: Prediction, points: np.ndarray) -> Figure:
    """Test photographs at even distances, with truth and prediction."""
    links = prediction.runner.test_dataloader.dataset.metainfo[
        'skeleton_links'
    ]
    rows, columns = _GRID
    figure = Figure(figsize=(2.3 * columns, 3.2 * rows), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, i in zip(axes, range(0, len(points), _EVERY)):
        sample = prediction.samples[i]
        image = cv2.imread(sample.img_path)
        ax.imshow(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        shown = prediction.labelled[i]
        truth = prediction.truth[i]
        draw_skeleton(ax, truth, links, COLORS[1], shown, 'truth', '--')
        draw_skeleton(ax, points[i], links, COLORS[4], label='prediction')
        height, width = image.shape[:2]
        ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        ax.set_title(Path(sample.img_path).stem, fontsize=9)
    for ax in axes:
        ax.axis('off')
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc='outside lower center',
        ncols=2,
    )
    return figure


def main() -> None:
    """Predict, decode, write."""
    args = parse_args()
    cfg = Config.fromfile(args.config)
    cfg.work_dir = str(args.training)
    cfg.load_from = args.checkpoint
    cfg.launcher = 'none'
    prepare(cfg, ('test',))
    args.out.mkdir(parents=True, exist_ok=True)
    prediction = predict(cfg)
    metrics, points = {}, {}
    for name, decoder in DECODERS.items():
        metrics[name], points[name] = redecode(prediction, decoder)
    joints = prediction.runner.test_dataloader.dataset.metainfo[
        'keypoint_id2name'
    ].values()
    text = table('decoder', {name: pck(m) for name, m in metrics.items()})
    text += '\n' + table('joint', {j: pck(metrics[DARK], j) for j in joints})
    (args.out / 'table.md').write_text(text)
    draw_curve(args.training).savefig(args.out / 'curve.png', dpi=100)
    pictures = draw_predictions(prediction, points[DARK])
    pictures.savefig(args.training / 'predictions.png', dpi=80)
    print(text)


if __name__ == '__main__':
    main()
