"""Show what a network is trained on: augmented images under their targets.

Each picture is the input of one sample with the maximum of its encoded
heatmaps over all keypoints, and crosses at the keypoints that are drawn
into them. Takes any config whose targets are heatmaps; they are made as in
training, also where ``targets_on_device = True`` makes them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# --help needs none of these: functions import what they use
if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from mmengine.config import Config
    from mmpose.structures import PoseDataSample

_COLUMNS = 6


class Target(NamedTuple):
    """One level of the targets of one sample.

    Attributes:
        name (str): Of the sample, for the title.
        image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
        heatmaps (np.ndarray): (K, H, W).
        points (np.ndarray): Keypoints (x, y) in input px, (K, 2).
        drawn (np.ndarray): Whether each has a target, (K,), bool.
    """

    name: str
    image: np.ndarray
    heatmaps: np.ndarray
    points: np.ndarray
    drawn: np.ndarray


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--out',
        default='targets.png',
        help='the picture (default: targets.png)',
    )
    parser.add_argument(
        '--samples', type=int, default=12, help='how many (default: 12)'
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='another one shows other samples, differently augmented '
        '(default: 0)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    args = parser.parse_args(argv)
    if args.samples < 1:
        parser.error(f'--samples must be 1 at least, got {args.samples}')
    return args


def training_batch(cfg: Config, samples: int, seed: int) -> dict:
    """Return the first samples of a training, as the data loader does.

    Args:
        cfg (Config): A whole config, changed in place: without workers, and
            with the keypoints packed.
        samples (int): At most so many.
        seed (int): Of their order and augmentation.

    Returns:
        dict: ``inputs`` (list of (3, h, w) uint8) and ``data_samples``.
    """
    from mmengine.runner import Runner, set_random_seed

    from dark_codec.openmmlab.config.tree import find_all

    loader = cfg.train_dataloader
    loader.update(
        batch_size=samples,
        num_workers=0,
        persistent_workers=False,
        drop_last=False,
    )
    for _, pack in find_all(loader, 'PackPoseInputs'):
        pack.pack_transformed = True
    set_random_seed(seed)
    return next(iter(Runner.build_dataloader(loader, seed=seed)))


def preprocess(cfg: Config, batch: dict) -> list[PoseDataSample]:
    """Return the samples as the loss sees them: targets may be made here."""
    from mmpose.registry import MODELS

    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    return preprocessor(batch, training=True)['data_samples']


def read_targets(batch: dict, samples: list[PoseDataSample]) -> list[Target]:
    """Return what is to be drawn.

    Args:
        batch (dict): From :func:`training_batch`.
        samples (list[PoseDataSample]): From :func:`preprocess`.
    """
    import numpy as np

    from dark_codec.cli import UserError

    targets = []
    for image, sample in zip(batch['inputs'], samples):
        if 'heatmaps' not in sample.get('gt_fields', {}):
            raise UserError(
                'the targets of this config are no heatmaps: a sample has no '
                'gt_fields.heatmaps'
            )
        points = sample.gt_instances.transformed_keypoints[0]
        weights = sample.gt_instance_labels.keypoint_weights
        drawn = np.asarray(weights).reshape(-1, len(points)).max(0) > 0
        heatmaps = sample.gt_fields.heatmaps
        levels = heatmaps if isinstance(heatmaps, list) else [heatmaps]
        picture = image.permute(1, 2, 0).numpy()
        for level in levels:
            name = f'{Path(sample.img_path).stem}\n{sample.id}'
            targets.append(Target(name, picture, level.numpy(), points, drawn))
    return targets


def draw(targets: list[Target], alignment: str) -> Figure:
    """Draw a grid of targets, row by row."""
    import torch
    from matplotlib.figure import Figure

    from dark_codec.analysis.visualization import draw_picture, overlay_heatmap
    from dark_codec.functional import heatmap_to_input

    columns = min(_COLUMNS, len(targets))
    rows = math.ceil(len(targets) / columns)
    height, width = targets[0].image.shape[:2]
    size = (1.9 * columns, rows * (1.9 * height / width + 0.4))
    figure = Figure(figsize=size, layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[len(targets) :]:
        ax.set_axis_off()
    for ax, target in zip(axes, targets):
        draw_picture(ax, target.image)
        size = target.heatmaps.shape[:0:-1]
        corners = heatmap_to_input(
            torch.tensor([[-0.5, -0.5], [size[0] - 0.5, size[1] - 0.5]]),
            target.image.shape[1::-1],
            size,
            alignment,
        ).numpy()
        overlay_heatmap(ax, target.heatmaps.max(0), corners)
        ax.plot(
            *target.points[target.drawn].T,
            linestyle='',
            marker='+',
            color='white',
            markersize=5,
        )
        ax.set_title(
            f'{target.name}, {target.drawn.sum()} of {len(target.drawn)} '
            'keypoints',
            fontsize=7,
        )
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Load, encode, draw."""
    args = parse_args(argv)
    from mmengine.registry import init_default_scope

    from dark_codec.cli import prepare, read_config
    from dark_codec.cli.pictures import check_picture, save_picture
    from dark_codec.openmmlab.config import alignment_of, head_decoder

    cfg = read_config(args.config, args.cfg_options)
    check_picture(args.out)
    prepare(cfg, ('train',))
    # what does not know its scope is MMPose's
    init_default_scope(cfg.get('default_scope', 'mmpose'))
    batch = training_batch(cfg, args.samples, args.seed)
    targets = read_targets(batch, preprocess(cfg, batch))
    alignment = alignment_of(head_decoder(cfg))
    save_picture(draw(targets, alignment), args.out)


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
