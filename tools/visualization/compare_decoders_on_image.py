"""Look at one predicted heatmap, and at where each decoder finds its peak.

Draws the input, the heatmap pixel by pixel as it was predicted (the mean over
the flip test if the config has one) and as the modulation leaves it, with the
points of five decoders, and prints where these are. The true point comes with
samples of the test set.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

# --help needs none of these: functions import what they use
if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure
    from mmengine.config import Config
    from torch import Tensor, nn

    from dark_codec import DARKCodec

_RADIUS = 2.5  # heatmap px on each side of the maximum, at least
_FARTHEST = 8.0  # and at most: the network may have seen another peak


class Case(NamedTuple):
    """One keypoint of one sample.

    Attributes:
        title (str): Which one it is.
        image (np.ndarray): The input, blue, green, red, (h, w, 3), uint8.
        heatmap (Tensor): As predicted, (H, W).
        truth (np.ndarray, optional): The true point (x, y), heatmap px.
    """

    title: str
    image: np.ndarray
    heatmap: Tensor
    truth: np.ndarray | None


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file with a DARKCodec')
    parser.add_argument('checkpoint', help='its weights')
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        '--index',
        type=int,
        default=0,
        help='number of a sample of the test set, from 0 (default: 0)',
    )
    source.add_argument('--image', help='an image file in its place')
    parser.add_argument(
        '--box',
        type=float,
        nargs=4,
        metavar=('X', 'Y', 'W', 'H'),
        help='with --image: where the person is, in px (default: all of it)',
    )
    parser.add_argument(
        '--keypoint', required=True, help='name or number, from 0'
    )
    parser.add_argument(
        '--out',
        default='decoders.png',
        help='the picture (default: decoders.png)',
    )
    parser.add_argument(
        '--device',
        help='such as cuda:0 or cpu (default: a GPU if there is one)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    args = parser.parse_args(argv)
    if args.box is not None and args.image is None:
        parser.error('--box goes with --image')
    if args.box is not None and min(args.box[2:]) <= 0:
        parser.error(f'--box: W and H must be positive, got {args.box}')
    return args


def read_image(path: str, box: list[float] | None) -> dict:
    """Return an image and its box as a pipeline takes them."""
    import cv2
    import numpy as np

    from dark_codec.cli import UserError

    image = cv2.imread(path)
    if image is None:
        raise UserError(f'--image {path}: cannot be read as an image')
    x, y, w, h = box or (0, 0, *image.shape[1::-1])
    return dict(
        img=image,
        bbox=np.array([[x, y, x + w, y + h]], np.float32),
        bbox_score=np.ones(1, np.float32),
    )


def load_sample(cfg: Config, args: argparse.Namespace, metainfo: dict) -> dict:
    """Return the input and the data sample of the test pipeline."""
    from mmengine.dataset import Compose
    from mmpose.registry import DATASETS

    from dark_codec.cli import UserError
    from dark_codec.openmmlab.config.tree import find_all

    if args.image is not None:
        pipeline = Compose(cfg.test_dataloader.dataset.pipeline)
        return pipeline({**read_image(args.image, args.box), **metainfo})
    for _, pack in find_all(cfg.test_dataloader, 'PackPoseInputs'):
        pack.pack_transformed = True
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    if not 0 <= args.index < len(dataset):
        raise UserError(
            f'--index {args.index}: the test set has samples 0 to '
            f'{len(dataset) - 1}'
        )
    return dataset[args.index]


def keypoint_number(keypoint: str, names: dict[int, str]) -> int:
    """Return the number of a keypoint, given by its number or name."""
    from dark_codec.cli import UserError

    by_name = {name: number for number, name in names.items()}
    known = {str(number): number for number in names}
    number = by_name.get(keypoint, known.get(keypoint))
    if number is None:
        raise UserError(
            f'--keypoint {keypoint}: there are ' + ', '.join(by_name)
        )
    return number


def predict(
    model: nn.Module, data: dict, keypoint: int, codec: DARKCodec
) -> Case:
    """Run the network on one sample."""
    import torch
    from mmengine.dataset import pseudo_collate

    from dark_codec.functional import input_to_heatmap

    image = data['inputs'].permute(1, 2, 0).numpy()
    with torch.no_grad():
        (sample,) = model.test_step(pseudo_collate([data]))
    people = sample.gt_instances
    truth = None
    known = 'transformed_keypoints' in people
    if known and people.keypoints_visible[0, keypoint]:
        truth = input_to_heatmap(
            torch.from_numpy(people.transformed_keypoints[0, keypoint]),
            codec.input_size,
            codec.heatmap_size,
            codec.alignment,
        ).numpy()
    name = model.dataset_meta['keypoint_id2name'][keypoint]
    return Case(name, image, sample.pred_fields.heatmaps[keypoint], truth)


def decode(heatmap: Tensor, settings: dict) -> dict[str, np.ndarray]:
    """Return where each decoder finds the peak, (x, y) in heatmap px."""
    from dark_codec.analysis.decoders_by_name import BY_TITLE
    from dark_codec.openmmlab.decoding import with_decoder

    points = {}
    for name, decoder in BY_TITLE.items():
        codec = with_decoder(settings, decoder)
        decoded = codec.decoder(heatmap[None, None])
        points[name] = decoded.points[0, 0].cpu().numpy()
    return points


def print_table(
    points: dict[str, np.ndarray], truth: np.ndarray | None, stride: np.ndarray
) -> None:
    """Print points in heatmap px, and their distances from the truth."""
    import numpy as np

    from dark_codec.analysis.report import markdown

    header = ['decoder', 'x', 'y']
    if truth is not None:
        points = {**points, 'truth': truth}
        header += ['off by (heatmap px)', 'off by (input px)']
    rows = []
    for name, point in points.items():
        numbers = [*point]
        if truth is not None:
            error = point - truth
            numbers += [np.hypot(*error), np.hypot(*(error * stride))]
        rows.append([name, *(f'{number:.3f}' for number in numbers)])
    print(markdown(header, rows))


def draw(case: Case, points: dict, codec: DARKCodec) -> Figure:
    """Draw input, heatmap and modulated heatmap."""
    import numpy as np
    import torch
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    from dark_codec.analysis.decoders_by_name import DARK
    from dark_codec.analysis.visualization import (
        draw_heatmap,
        draw_picture,
        show_window,
    )

    figure = Figure(figsize=(13, 5.2), layout='constrained')
    left, middle, right = figure.subplots(1, 3)
    peak = points['argmax']
    draw_picture(left, case.image)
    marked = [p for p in (*points.values(), case.truth) if p is not None]
    farthest = np.abs(np.stack(marked) - peak).max()
    radius = max(_RADIUS, min(farthest + 0.5, _FARTHEST))
    shown = np.stack([peak - radius, peak + radius, points[DARK]])
    corners = codec.to_input(torch.from_numpy(shown)).numpy()
    side = corners[1] - corners[0]
    left.add_patch(Rectangle(corners[0], *side, fill=False, color='white'))
    left.plot(*corners[2], marker='+', color='white')
    left.set_title(f'input: {case.title}')
    modulated = codec.decoder.modulation(case.heatmap[None])[0]
    for ax, heatmap, state in (
        (middle, case.heatmap, 'predicted'),
        (right, modulated, 'modulated'),
    ):
        draw_heatmap(ax, heatmap.cpu(), points, case.truth)
        show_window(ax, peak, radius)
        figure.colorbar(ax.images[0], ax=ax, shrink=0.8)
        ax.set_title(f'heatmap as {state}')
    figure.legend(
        *middle.get_legend_handles_labels(),
        loc='outside lower center',
        ncols=3,
        facecolor='0.6',
    )
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Predict, decode, draw."""
    args = parse_args(argv)
    import dark_codec  # noqa: F401, I001  before MMPose: its shims
    import numpy as np
    from mmengine.device import get_device
    from mmpose.apis import init_model

    from dark_codec.analysis.decoders_by_name import BY_TITLE, DARK
    from dark_codec.cli import (
        UserError,
        carry_codec,
        check_checkpoint,
        prepare,
        read_config,
    )
    from dark_codec.cli.pictures import check_picture, save_picture
    from dark_codec.openmmlab.config import head_decoder
    from dark_codec.openmmlab.decoding import with_decoder
    from dark_codec.openmmlab.engine import warn_of_another_codec

    cfg = read_config(args.config, args.cfg_options)
    checkpoint = check_checkpoint(args.checkpoint)
    check_picture(args.out)
    if args.image is None:
        prepare(cfg, ('test',))
    else:
        carry_codec(cfg)
    warn_of_another_codec(cfg, checkpoint)
    settings = head_decoder(cfg)
    if settings.get('type') != 'DARKCodec':
        raise UserError(
            f'the head decodes with {settings.get("type")}: put '
            "codec=dict(type='DARKCodec') into the config"
        )
    cfg.model.test_cfg.output_heatmaps = True
    device = args.device or get_device()
    model = init_model(cfg, args.checkpoint, device=device)
    metainfo = model.dataset_meta
    keypoint = keypoint_number(args.keypoint, metainfo['keypoint_id2name'])
    data = load_sample(cfg, args, metainfo)
    codec = with_decoder(settings, BY_TITLE[DARK])
    case = predict(model, data, keypoint, codec)
    points = decode(case.heatmap, settings)
    stride = np.divide(codec.input_size, codec.heatmap_size)
    print_table(points, case.truth, stride)
    save_picture(draw(case, points, codec), args.out)


if __name__ == '__main__':
    parse_args()  # before the imports, which take seconds
    from dark_codec.cli import run_tool

    run_tool(main)
