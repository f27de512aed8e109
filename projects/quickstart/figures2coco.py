"""Write synthetic figures to disk, in COCO's format.

``OUT/images/000001.png`` and so on, lossless, and ``OUT/figures.json``, with
file names relative to OUT. MMPose reads them with

    dict(type='CocoDataset', data_root='OUT', ann_file='figures.json')

and gets what ``FiguresDataset`` with the same arguments gives without files.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import cv2

from dark_codec.openmmlab.engine.progress import track
from projects.quickstart.figures import draw_figure
from projects.quickstart.figures.dataset import (
    CATEGORIES,
    check_figures,
    coco_entries,
)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read and check the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m projects.quickstart.figures2coco',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--num', type=int, required=True, help='how many')
    parser.add_argument('--seed', type=int, default=0, help='default: 0')
    parser.add_argument(
        '--image-size',
        type=int,
        nargs=2,
        default=(160, 160),
        metavar=('WIDTH', 'HEIGHT'),
        help='in px; default: 160 160',
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder to write to'
    )
    args = parser.parse_args(argv)
    try:
        check_figures(args.num, args.seed, args.image_size)
    except ValueError as error:
        parser.error(str(error).replace('num_samples', '--num'))
    if args.out.exists() and not args.out.is_dir():
        parser.error(f'--out: {args.out} is a file, not a folder')
    if (args.out / 'figures.json').exists():
        parser.error(
            f'--out: {args.out} holds figures.json already; remove it or '
            'choose another folder'
        )
    return args


def main(argv: Sequence[str] | None = None) -> None:
    """Write what the command line asks for; the json last."""
    args = parse_args(argv)
    (args.out / 'images').mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index in track(range(args.num), 'Drawing figures'):
        figure = draw_figure(args.seed, index, tuple(args.image_size))
        image, annotation = coco_entries(figure, index)
        images.append(image)
        annotations.append(annotation)
        path = args.out / image['file_name']
        if not cv2.imwrite(str(path), figure.image):
            raise OSError(f'cannot write {path}')
    dataset = dict(
        images=images, annotations=annotations, categories=CATEGORIES
    )
    (args.out / 'figures.json').write_text(json.dumps(dataset))
    print(f'{args.num} figures in {args.out}')


if __name__ == '__main__':
    main()
