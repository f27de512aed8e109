"""Write synthetic figures to disk, in COCO's format.

``OUT/images/000001.png`` and so on, lossless, and ``OUT/figures.json``, with
file names relative to OUT. MMPose reads them with

    dict(type='CocoDataset', data_root='OUT', ann_file='figures.json')

and gets what ``FiguresDataset`` with the same arguments gives without files.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dark_codec.openmmlab.engine.progress import track  # noqa: E402
from projects.quickstart.figures.annotation import (  # noqa: E402
    CATEGORIES,
    coco_annotation,
    coco_image,
)
from projects.quickstart.figures.dataset import check_figures  # noqa: E402
from projects.quickstart.figures.render import render_figure  # noqa: E402


def parse_args() -> argparse.Namespace:
    """Read and check the command line."""
    parser = argparse.ArgumentParser(
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
    args = parser.parse_args()
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


def write_figures(
    out: Path, num: int, seed: int, image_size: tuple[int, int]
) -> None:
    """Render and write; the json comes last, when all images are there.

    Args:
        out: Folder, made if need be.
        num: Number of figures.
        seed: Seed of the set.
        image_size: Width and height, px.

    Raises:
        OSError: If an image cannot be written.
    """
    (out / 'images').mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for index in track(range(num), 'Writing figures'):
        figure = render_figure(seed, index, image_size)
        info = coco_image(figure, index)
        path = out / info['file_name']
        if not cv2.imwrite(str(path), figure.image):
            raise OSError(f'cannot write {path}')
        images.append(info)
        annotations.append(coco_annotation(figure, index))
    description = f'figures of dark_codec: seed {seed}, size {image_size}'
    dataset = dict(
        info=dict(description=description),
        images=images,
        annotations=annotations,
        categories=CATEGORIES,
    )
    (out / 'figures.json').write_text(json.dumps(dataset))


def main() -> None:
    """Write what the command line asks for."""
    args = parse_args()
    write_figures(args.out, args.num, args.seed, tuple(args.image_size))
    print(f'{args.num} figures in {args.out}')


if __name__ == '__main__':
    main()
