"""Poses in photographs: people found by MMDetection, keypoints by DARK.

Writes OUT/visualizations/<image>.jpg and OUT/predictions.json.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hub import get_config
from mmengine.utils import track_iter_progress

from dark_codec.cli import (
    UserError,
    add_cfg_options,
    carry_codec,
    check_checkpoint,
    read_config,
    run_tool,
)
from projects.topdown_demo.coco_json import CocoWriter
from projects.topdown_demo.drawing import PoseArtist
from projects.topdown_demo.inputs import find_images, read_boxes
from projects.topdown_demo.people import PersonDetector
from projects.topdown_demo.poses import PoseEstimator

_NET = ('CONFIG', 'CHECKPOINT')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'images', nargs='+', type=Path, help='images, or folders of images'
    )
    parser.add_argument(
        '--pose',
        nargs=2,
        metavar=_NET,
        required=True,
        help='of a top-down heatmap model',
    )
    people = parser.add_mutually_exclusive_group()
    people.add_argument(
        '--det',
        nargs=2,
        metavar=_NET,
        help='of a detector of MMDetection; a config may be one that is '
        'installed: mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
    )
    people.add_argument(
        '--boxes',
        type=Path,
        help="json in COCO's format with the people's boxes (default, "
        'without --det: one person as large as the image)',
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the results'
    )
    parser.add_argument(
        '--covariance',
        action='store_true',
        help='draw the spread of the heatmaps round the keypoints as '
        'ellipses of one standard deviation, and write it',
    )
    parser.add_argument(
        '--heatmap', action='store_true', help='lay the heatmaps over images'
    )
    for name, kind, default, what in (
        ('det-cat-id', int, 0, "the detector's category of people"),
        ('bbox-thr', float, 0.3, 'lowest score of a detected box'),
        ('nms-thr', float, 0.3, 'largest overlap (IoU) of detected boxes'),
        ('kpt-thr', float, 0.3, 'lowest score of a keypoint that is drawn'),
    ):
        parser.add_argument(
            f'--{name}',
            type=kind,
            default=default,
            help=f'{what} (default: {default})',
        )
    parser.add_argument(
        '--device',
        default=get_device(),
        help='such as cuda:0 or cpu (default: %(default)s)',
    )
    add_cfg_options(parser)
    return parser.parse_args()


def detection_config(name: str) -> Config:
    """Read a config file, or one that comes with a package."""
    if '::' not in name:
        return read_config(name)
    try:
        return get_config(name)
    except (FileNotFoundError, ImportError, ValueError) as error:
        raise UserError(f'--det {name}: {error}') from error


def make_folders(out: Path) -> Path:
    """Make the folders for the results, and return that for the pictures."""
    pictures = out / 'visualizations'
    try:
        pictures.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'--out {out}: {error}') from error
    return pictures


def whole_image(image: np.ndarray) -> np.ndarray:
    """A box round everything, (1, 5)."""
    height, width = image.shape[:2]
    return np.array([[0, 0, width, height, 1]], np.float32)


def main() -> None:
    """Find, draw, write."""
    args = parse_args()
    images = find_images(args.images)
    boxes = None if args.boxes is None else read_boxes(args.boxes, images)
    cfg = carry_codec(read_config(args.pose[0], args.cfg_options))
    check_checkpoint(args.pose[1])
    if args.det is not None:
        det_cfg = detection_config(args.det[0])
        check_checkpoint(args.det[1])
    pictures = make_folders(args.out)
    estimator = PoseEstimator(
        cfg, args.pose[1], args.device, args.covariance, args.heatmap
    )
    find_people = whole_image
    if args.det is not None:
        find_people = PersonDetector(
            det_cfg,
            args.det[1],
            args.device,
            args.det_cat_id,
            args.bbox_thr,
            args.nms_thr,
        )
    artist = PoseArtist(estimator.metainfo, args.kpt_thr)
    writer = CocoWriter(estimator.metainfo)
    try:
        for path in track_iter_progress(images):
            image = cv2.imread(str(path))
            if image is None:
                writer.skip(path)
                continue
            found = find_people(image) if boxes is None else boxes[path]
            poses = estimator(image, found)
            writer.add(path, image.shape[1::-1], poses)
            drawn = artist(image, poses)
            cv2.imwrite(str(pictures / f'{path.stem}.jpg'), drawn)
    finally:
        # what an interruption finds done is not lost
        writer.write(args.out / 'predictions.json')
    report(writer, args.out)


def report(writer: CocoWriter, out: Path) -> None:
    """Say what came out, and what did not."""
    print(
        f'\n{len(writer.annotations)} people in {len(writer.images)} images: '
        f'{out}'
    )
    for image in writer.skipped:
        print(
            f'skipped: {image["file_name"]} cannot be read as an image',
            file=sys.stderr,
        )


if __name__ == '__main__':
    run_tool(main)
