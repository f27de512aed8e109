"""Estimate poses in photographs, in videos, and in what a camera sees.

Writes OUT/visualizations/<image>.jpg or .mp4, and OUT/predictions.json.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.device import get_device
from mmengine.hub import get_config
from mmengine.registry import init_default_scope

from dark_codec.cli import (
    UserError,
    carry_codec,
    check_checkpoint,
    read_config,
    run_tool,
)
from dark_codec.openmmlab.engine import warn_of_another_codec
from dark_codec.openmmlab.engine.progress import Progress
from projects.topdown_demo.drawing import PoseArtist
from projects.topdown_demo.inputs import (
    Frame,
    camera_frames,
    find_files,
    read_boxes,
    read_frames,
)
from projects.topdown_demo.poses import PoseEstimator, person_detector
from projects.topdown_demo.results import Results
from tools._arguments import add_cfg_options

_NET = ('CONFIG', 'CHECKPOINT')
_HERE = Path(__file__).parent
_NAME = 'td-hm_efficientnet-lite0_dark_lsp-128x96'
_OURS = [
    str(_HERE / 'configs' / f'{_NAME}.py'),
    str(_HERE / 'weights' / f'{_NAME}.pth'),
]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m projects.topdown_demo',
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    text = 'images, videos, or folders of them'
    add('images', nargs='*', type=Path, help=text)
    text = 'instead of images: show what a camera sees; q ends'
    add('--camera', nargs='?', const=0, type=int, metavar='N', help=text)
    text = 'a top-down heatmap model'
    add('--pose', nargs=2, metavar=_NET, default=_OURS, help=text)
    text = 'a detector of MMDetection, such as mmdet::rtmdet/NAME.py WEIGHTS'
    people = parser.add_mutually_exclusive_group()
    people.add_argument('--det', nargs=2, metavar=_NET, help=text)
    text = 'x, y, width, height of the one person in image px (whole image)'
    people.add_argument('--box', type=float, nargs=4, help=text)
    text = "json in COCO's format with the boxes of people"
    people.add_argument('--boxes', type=Path, help=text)
    out = Path('work_dirs/topdown_demo')
    add('--out', type=Path, default=out, help='folder for the results')
    text = 'draw and write the spread of heatmaps around their keypoints'
    add('--covariance', action='store_true', help=text)
    add('--heatmap', action='store_true', help='lay heatmaps over the images')
    text = 'lowest score of a detected person'
    add('--bbox-thr', type=float, default=0.3, help=text)
    text = 'lowest score of a keypoint that is drawn'
    add('--kpt-thr', type=float, default=0.3, help=text)
    add('--device', default=get_device(), help='such as cuda:0 or cpu')
    add_cfg_options(parser)
    args = parser.parse_args(argv)
    if bool(args.images) == (args.camera is not None):
        parser.error('name images, videos or folders, or else --camera')
    if args.camera is not None and args.boxes is not None:
        parser.error('--boxes are for images, not for a camera')
    if args.box and not (
        np.isfinite(args.box).all() and min(args.box[2:]) > 0
    ):
        parser.error(
            f'--box: x and y must be finite, width and height > 0, got '
            f'{args.box}'
        )
    return args


def people_finder(
    args: argparse.Namespace, files: Sequence[Path]
) -> Callable[[Frame], np.ndarray]:
    """Return a function from a frame to boxes with scores, (N, 5)."""
    if args.boxes is not None:
        boxes = read_boxes(args.boxes, files)
        return lambda frame: boxes[frame.path]
    if args.det is not None:
        config, checkpoint = args.det
        try:
            cfg = get_config(config) if '::' in config else read_config(config)
        except (FileNotFoundError, ImportError, ValueError) as error:
            raise UserError(f'--det {config}: {error}') from error
        check_checkpoint(checkpoint)
        detect = person_detector(cfg, checkpoint, args.device, args.bbox_thr)
        return lambda frame: detect(frame.image)
    if args.box is not None:
        x, y, width, height = args.box
        box = np.array([[x, y, x + width, y + height, 1]], np.float32)
        return lambda frame: box
    return lambda frame: np.array([[0, 0, *frame.image.shape[1::-1], 1]])


def show(image: np.ndarray) -> bool:
    """Show an image in a window, and return whether to go on."""
    try:
        cv2.imshow('poses: q ends', image)
        return cv2.waitKey(1) & 0xFF not in (ord('q'), 27)
    except cv2.error as error:
        raise UserError(
            '--camera needs a screen and an OpenCV with windows (the package '
            'opencv-python, not opencv-python-headless); elsewhere record a '
            'video, and pass its file'
        ) from error


def main(argv: Sequence[str] | None = None) -> None:
    """Find people, estimate their poses, and write or show them."""
    args = parse_args(argv)
    files = find_files(args.images)
    try:
        torch.zeros(1, device=args.device).cpu()
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f'--device {args.device}: {reason}') from error
    cfg = carry_codec(read_config(args.pose[0], args.cfg_options))
    warn_of_another_codec(cfg, check_checkpoint(args.pose[1]))
    init_default_scope('mmpose')
    find_people = people_finder(args, files)
    estimate = PoseEstimator(
        cfg, args.pose[1], args.device, args.covariance, args.heatmap
    )
    draw = PoseArtist(estimate.metainfo, args.kpt_thr, estimate.score_type)
    if args.camera is not None:
        for frame in camera_frames(args.camera):
            people = estimate(frame.image, find_people(frame))
            if not show(draw(frame.image, people)):
                break
        return
    results = Results(args.out, estimate.metainfo, estimate.score_type)
    try:
        with Progress('Estimating') as progress:
            for frame in read_frames(files, results.skip):
                people = estimate(frame.image, find_people(frame))
                results.add(frame, people, draw(frame.image, people))
                progress.advance()
    finally:
        # also after an interruption
        results.close()
    print(results.summary(args.kpt_thr))
    for file in results.coco['skipped']:
        print(f'{file["file_name"]} {file["reason"]}', file=sys.stderr)


if __name__ == '__main__':
    run_tool(main)
