"""Photographs, videos, cameras, and the boxes of the people in them."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from dark_codec.cli import UserError


class Frame(NamedTuple):
    """A photograph, or a frame of a video or camera.

    Attributes:
        path (Path): The file.
        name (str): The file's name; for a video followed by ``#`` and the
            frame's number from 0.
        image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
        rate (float): Frames per second; 0 for a photograph.
    """

    path: Path
    name: str
    image: np.ndarray
    rate: float = 0


def find_files(paths: Sequence[Path]) -> list[Path]:
    """List files, and the images and videos in folders, by name."""
    files: dict[str, Path] = {}
    for path in paths:
        if not path.exists():
            raise UserError(f'the image or folder {path} does not exist')
        found = (
            sorted(filter(_kind, path.iterdir())) if path.is_dir() else [path]
        )
        if not found:
            raise UserError(f'the folder {path} has no images')
        for file in found:
            if (other := files.setdefault(file.stem, file)) != file:
                raise UserError(
                    f'{other} and {file} would both be drawn as {file.stem}; '
                    'estimate one of them with another --out'
                )
    return list(files.values())


def _kind(path: Path) -> str:
    """Return ``image`` or ``video``, by the suffix, or an empty string."""
    kind = (mimetypes.guess_type(path.name)[0] or '').split('/')[0]
    return kind if kind in ('image', 'video') else ''


def read_frames(
    files: Iterable[Path], skip: Callable[[Path, str], None]
) -> Iterator[Frame]:
    """Read photographs and videos one after the other.

    Args:
        files (Iterable[Path]): Photographs, unless named as a video.
        skip (Callable[[Path, str], None]): Called with each file that cannot
            be read to its end, and why.
    """
    for file in files:
        if _kind(file) == 'video':
            yield from _read_video(file, skip)
            continue
        image = cv2.imread(str(file))
        if image is None:
            skip(file, 'cannot be read as an image or video')
        elif _is_cut_off(file):
            skip(file, 'is cut off')
        else:
            yield Frame(file, file.name, image)


def _read_video(
    file: Path, skip: Callable[[Path, str], None]
) -> Iterator[Frame]:
    video = cv2.VideoCapture(str(file))
    rate = video.get(cv2.CAP_PROP_FPS) or 25.0
    total = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    number = 0
    while (image := video.read()[1]) is not None:
        yield Frame(file, f'{file.name}#{number}', image, rate)
        number += 1
    if not number:
        skip(file, 'cannot be read as an image or video')
    elif number < total:
        skip(file, f'ends after {number} of {total} frames')


def _is_cut_off(file: Path) -> bool:
    """Return whether an image ends early; OpenCV pads it with grey."""
    try:
        with Image.open(file) as image:
            image.draft('RGB', (1, 1))  # reads everything, decodes little
            image.load()
    except Exception as error:  # OpenCV reads more formats than Pillow
        return 'truncated' in str(error)
    return False


def camera_frames(number: int) -> Iterator[Frame]:
    """Read what a camera sees."""
    camera = cv2.VideoCapture(number)
    if not camera.isOpened():
        raise UserError(f'--camera {number}: there is no such camera')
    while (image := camera.read()[1]) is not None:
        yield Frame(Path('camera'), 'camera', image)


def read_boxes(path: Path, files: Sequence[Path]) -> dict[Path, np.ndarray]:
    """Read the boxes of people from a json file in COCO's format.

    Args:
        path (Path): With ``images`` and ``annotations``, such as this demo's
            ``predictions.json``. Crowds are left out.
        files (Sequence[Path]): Looked up by the end of their paths, else by
            their names.

    Returns:
        dict[Path, np.ndarray]: The boxes of each file, (x1, y1, x2, y2,
        score) in image px, (N, 5), float32; N may be 0.
    """
    try:
        coco = json.loads(path.read_text())
        names = {i['id']: PurePath(i['file_name']) for i in coco['images']}
        boxes: dict[PurePath, list] = {name: [] for name in names.values()}
        for person in coco['annotations']:
            if not person.get('iscrowd'):
                boxes[names[person['image_id']]].append(_box(person))
        return {
            file: np.array(boxes[_listed(file, boxes)], 'f4').reshape(-1, 5)
            for file in files
        }
    except (OSError, OverflowError, ValueError) as error:
        raise UserError(f'--boxes {path}: {error}') from error
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f'--boxes {path}: not in the format of COCO, with images and '
            f'annotations ({type(error).__name__}: {error})'
        ) from error


def _box(person: dict) -> np.ndarray:
    """Return (x1, y1, x2, y2, score) of an annotation."""
    score = person.get('bbox_score', 1.0)
    x, y, width, height = np.array(person['bbox'], np.float32)
    box = np.array([x, y, x + width, y + height, score], np.float32)
    if np.isfinite(box).all() and min(width, height) > 0:
        return box
    raise ValueError(
        f'annotation {person.get("id")} has bbox={person["bbox"]} and '
        f'bbox_score={score}; a box is x, y, width, height in image px, and '
        'its score a number (1 where there is none)'
    )


def _listed(file: Path, names: Iterable[PurePath]) -> PurePath:
    """Return the one of the names in a json that means a file."""
    same = [name for name in names if name.name == file.name]
    path = file.absolute().parts
    ends = [name for name in same if path[-len(name.parts) :] == name.parts]
    if not same:
        raise ValueError(f'it does not list {file.name}')
    if len(ends or same) > 1:
        raise ValueError(
            f'it lists {", ".join(map(str, same))}, and which of them is '
            f'{file} cannot be told from its path'
        )
    return (ends or same)[0]
