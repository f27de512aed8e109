"""Poses in photographs, videos and what a camera sees, by a DARK network.

Writes OUT/visualizations/<image>.jpg or .mp4, and OUT/predictions.json.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hub import get_config

from dark_codec.cli import (
    UserError,
    add_cfg_options,
    carry_codec,
    check_checkpoint,
    read_config,
    run_tool,
    warn_of_another_codec,
)
from dark_codec.openmmlab.engine.progress import track
from projects.topdown_demo.coco_json import CocoWriter
from projects.topdown_demo.drawing import PoseArtist
from projects.topdown_demo.frames import (
    Pictures,
    camera_frames,
    count_frames,
    read_frames,
    show,
)
from projects.topdown_demo.inputs import find_images, read_boxes
from projects.topdown_demo.people import PersonDetector
from projects.topdown_demo.poses import PoseEstimator

_NET = ('CONFIG', 'CHECKPOINT')
_HERE = Path(__file__).parent
_NAME = 'td-hm_efficientnet-lite0_dark_lsp-128x96'
_OURS = [
    str(_HERE / 'configs' / f'{_NAME}.py'),
    str(_HERE / 'weights' / f'{_NAME}.pth'),
]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        'images',
        nargs='*',
        type=Path,
        help='images, videos, or folders of them',
    )
    parser.add_argument(
        '--camera',
        nargs='?',
        const=0,
        type=int,
        metavar='NUMBER',
        help='show what a camera sees (default: the first); q ends',
    )
    parser.add_argument(
        '--pose',
        nargs=2,
        metavar=_NET,
        default=_OURS,
        help='of a top-down heatmap model (default: the small one that comes '
        'with this demo, see weights/README.md)',
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
        '--box',
        type=float,
        nargs=4,
        metavar=('X', 'Y', 'WIDTH', 'HEIGHT'),
        help='where the one person is, in image px',
    )
    people.add_argument(
        '--boxes',
        type=Path,
        help="json in COCO's format with the people's boxes (default, "
        'without --det and --box: one person as large as the image)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/topdown_demo'),
        help='folder for the results (default: %(default)s)',
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
    args = parser.parse_args()
    if bool(args.images) == (args.camera is not None):
        parser.error('name images, videos or folders, or else --camera')
    if args.camera is not None and args.boxes is not None:
        parser.error('--boxes are of images, not of a camera')
    if args.box is not None and min(args.box[2:]) <= 0:
        parser.error(f'--box: width and height must be > 0, got {args.box}')
    return args


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


def people_finder(
    args: argparse.Namespace,
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from an image to boxes with scores, (N, 5)."""
    if args.box is not None:
        x, y, width, height = args.box
        box = np.array([[x, y, x + width, y + height, 1]], np.float32)
        return lambda image: box
    if args.det is None:
        return whole_image
    cfg = detection_config(args.det[0])
    check_checkpoint(args.det[1])
    return PersonDetector(
        cfg,
        args.det[1],
        args.device,
        args.det_cat_id,
        args.bbox_thr,
        args.nms_thr,
    )


def main() -> None:
    """Find, draw, write."""
    args = parse_args()
    images = find_images(args.images)
    boxes = None if args.boxes is None else read_boxes(args.boxes, images)
    cfg = carry_codec(read_config(args.pose[0], args.cfg_options))
    warn_of_another_codec(cfg, check_checkpoint(args.pose[1]))
    find_people = people_finder(args)
    estimator = PoseEstimator(
        cfg, args.pose[1], args.device, args.covariance, args.heatmap
    )
    artist = PoseArtist(estimator.metainfo, args.kpt_thr)
    if args.camera is not None:
        for image in camera_frames(args.camera):
            if not show(artist(image, estimator(image, find_people(image)))):
                break
        return
    pictures = Pictures(make_folders(args.out))
    writer = CocoWriter(estimator.metainfo)
    try:
        frames = read_frames(images)
        for frame in track(frames, 'Estimating', count_frames(images)):
            image = frame.image
            if image is None:
                writer.skip(frame.path)
                continue
            found = find_people(image) if boxes is None else boxes[frame.path]
            poses = estimator(image, found)
            writer.add(frame.name, image.shape[1::-1], poses)
            pictures.add(frame, artist(image, poses))
    finally:
        # what an interruption finds done is not lost
        pictures.close()
        writer.write(args.out / 'predictions.json')
    report(writer, args)


def report(writer: CocoWriter, args: argparse.Namespace) -> None:
    """Say what was seen, and what could not be read."""
    people, images = len(writer.annotations), len(writer.images)
    scores = [s for p in writer.annotations for s in p['keypoints'][2::3]]
    seen = sum(score >= args.kpt_thr for score in scores)
    more = '; a lower --kpt-thr shows more' if seen < len(scores) else ''
    print(
        f'{people} {"person" if people == 1 else "people"} in {images} '
        f'{"image" if images == 1 else "images"}, {seen} of {len(scores)} '
        f'joints above {args.kpt_thr:g}{more}\n'
        f'Pictures: {args.out / "visualizations"}'
    )
    for image in writer.skipped:
        print(
            f'skipped: {image["file_name"]} cannot be read as an image '
            'or video',
            file=sys.stderr,
        )


if __name__ == '__main__':
    run_tool(main)
