"""Compare scores on dumps of the study's networks: table and picture.

Make a dump of each network first, with whole heatmaps and the flip test:

    python tools/analysis_tools/dump_heatmaps.py CONFIG CHECKPOINT \
        --out DUMP --full
    python -m projects.leeds_sports.study.scores DUMP [DUMP ...]

OKS takes the data set's sigmas, and as COCO's evaluation does without an area
0.53 of a person's box.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
from dark_codec.analysis.markdown import markdown
from matplotlib.axes import Axes
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from dark_codec import ExpectedOKS, HeatmapHeight, TaylorDecoder
from dark_codec.analysis.calibration import (
    calibration,
    oks,
    reliability,
)
from dark_codec.dumps.reader import HeatmapDump
from dark_codec.openmmlab.datasets import LSPDataset

IMAGE = Path(__file__).resolve().parent / 'results' / 'scores.png'
SIGMAS = np.array(LSPDataset.METAINFO['sigmas'])
SCORES = {
    'height': HeatmapHeight(),
    'expected OKS': ExpectedOKS(SIGMAS),
    'expected OKS, spread 1': ExpectedOKS(SIGMAS, spread=1.0),
}
# of a box: COCOeval's with use_area=False
AREA = 0.53


class Scored(NamedTuple):
    """A dump of I images: (I, K), and ``scores`` (I, K) by name."""

    oks: np.ndarray
    labelled: np.ndarray
    scores: dict[str, np.ndarray]


def score_dump(dump: HeatmapDump) -> Scored:
    """Decode a dump by DARK, with every score."""
    size, sigma = dump.info.codec['heatmap_size'], dump.info.codec['sigma']
    shards = []
    for shard in dump.shards:
        decoded = TaylorDecoder(sigma=sigma, covariance=True)(shard.heatmaps())
        scores = [s(decoded, tuple(size), sigma) for s in SCORES.values()]
        boxes = np.concatenate(
            [sample['gt_instances']['bboxes'] for sample in shard.samples]
        )
        scales = np.array([sample['input_scale'] for sample in shard.samples])
        share = (boxes[:, 2:] - boxes[:, :2]).prod(1) / scales.prod(1)
        area = AREA * share * np.prod(size)
        distance = np.linalg.norm(
            decoded.points.numpy() - shard.truth_on_heatmap(), axis=2
        )
        found = oks(distance, 2 * SIGMAS * np.sqrt(area)[:, None])
        shards.append((found, shard.labelled, torch.stack(scores).numpy()))
    return Scored(
        np.concatenate([shard[0] for shard in shards]),
        np.concatenate([shard[1] for shard in shards]),
        dict(zip(SCORES, np.concatenate([s[2] for s in shards], 1))),
    )


def average_precision(person_oks: np.ndarray, scores: np.ndarray) -> float:
    """AP of one person an image, ranked by the mean score above 0.2.

    Computed by COCOeval, of persons of one keypoint that has their OKS.
    """
    counted = scores > 0.2
    person = (scores * counted).sum(1) / counted.sum(1).clip(min=1)
    ids = range(1, len(person) + 1)
    common = dict(category_id=1, iscrowd=0, area=1.0, bbox=[0, 0, 1, 1])
    far = np.sqrt(-2 * np.log(np.maximum(person_oks, 1e-12)))
    coco, sigma = COCO(), 0.5  # a tolerance of 1
    coco.dataset = dict(
        images=[dict(id=i) for i in ids],
        categories=[dict(id=1)],
        annotations=[
            dict(
                common, id=i, image_id=i, num_keypoints=1, keypoints=[0, 0, 2]
            )
            for i in ids
        ],
    )
    found = [
        dict(common, image_id=i, keypoints=[d, 0, 1], score=float(s))
        for i, d, s in zip(ids, far, person)
    ]
    with redirect_stdout(StringIO()):
        coco.createIndex()
        evaluation = COCOeval(
            coco, coco.loadRes(found), 'keypoints', np.array([sigma])
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return 100 * evaluation.stats[0]


def rows_of(name: str, scored: Scored) -> list[list[str]]:
    """Return a dump's rows of the table."""
    labelled = scored.labelled
    person = (scored.oks * labelled).sum(1) / labelled.sum(1)
    perfect = average_precision(person, person[:, None])
    rows = []
    for label, scores in scored.scores.items():
        c = calibration(scores[labelled], scored.oks[labelled])
        ap = average_precision(person, scores)
        rows.append(
            [
                f'{name}: {label}',
                f'{ap:.1f} (of {perfect:.1f})',
                f'{c.rank:.2f}',
                f'{c.error:.3f}',
                f'{c.score:.2f} / {c.measured:.2f}',
            ]
        )
    return rows


def draw(axes: Axes, title: str, scored: Scored) -> None:
    """Draw the reliability of height and of expected OKS."""
    image = np.broadcast_to(
        np.arange(len(scored.oks))[:, None], scored.oks.shape
    )
    chosen = scored.labelled
    for place, label in enumerate(list(SCORES)[:2]):
        curve = reliability(
            scored.scores[label][chosen], scored.oks[chosen], image[chosen]
        )
        value, low, high = curve.measured
        some = curve.number > 0
        lines = axes.errorbar(
            curve.predicted[some],
            value[some],
            np.stack([value - low, high - value])[:, some],
            marker='o',
            capsize=2,
            label=label,
        )
        # below, the share of keypoints in each bin
        share = curve.number / curve.number.sum()
        left = np.arange(0, 1, 0.1) + 0.045 * place
        axes.bar(left, share, 0.045, align='edge', color=lines[0].get_color())
    axes.plot([0, 1], [0, 1], ':', color='grey')
    axes.set(xlabel='score', ylabel='measured OKS', title=title)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect='equal')
    axes.legend(loc='upper left', fontsize=8)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('dumps', nargs='+', type=Path, help='of networks')
    parser.add_argument('--image', type=Path, default=IMAGE)
    args = parser.parse_args(argv)
    figure, axes = plt.subplots(
        1,
        len(args.dumps),
        figsize=(4.2 * len(args.dumps), 4.2),
        squeeze=False,
        layout='constrained',
    )
    rows = []
    for path, ax in zip(args.dumps, axes[0]):
        scored = score_dump(HeatmapDump(path))
        rows += rows_of(path.name, scored)
        draw(ax, path.name, scored)
    header = ['network: score', 'AP', 'rank', 'ECE', 'mean score / OKS']
    print(markdown(header, rows))
    args.image.parent.mkdir(exist_ok=True)
    figure.savefig(args.image, dpi=110)


if __name__ == '__main__':
    main()
