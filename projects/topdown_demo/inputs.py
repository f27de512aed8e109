"""Inputs of the demo: images and videos, folders of them, boxes."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dark_codec.cli import UserError


def find_images(paths: Sequence[Path]) -> list[Path]:
    """The images and videos among files and folders.

    Args:
        paths (Sequence[Path]): A file counts as an image whatever its name,
            unless it is named as a video; of a folder, what is named as one
            of them. Folders in folders are not looked into.

    Returns:
        list[Path]: In the order given, each folder's by name.

    Raises:
        UserError: If a path does not exist, a folder has no image, or two
            images would have results of the same name.
    """
    images: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f'the image or folder {path} does not exist')
        found = [path]
        if path.is_dir():
            found = sorted(filter(_is_picture, path.iterdir()))
        if not found:
            raise UserError(f'the folder {path} has no images')
        images += found
    images = list(dict.fromkeys(images))
    by_stem: dict[str, Path] = {}
    for image in images:
        other = by_stem.setdefault(image.stem, image)
        if other is not image:
            raise UserError(
                f'{other} and {image} would both be drawn as '
                f'{image.stem}; take them apart'
            )
    return images


def is_video(path: Path) -> bool:
    """Return whether a file has the suffix of a video."""
    return _kind(path) == 'video'


def _is_picture(path: Path) -> bool:
    return path.is_file() and _kind(path) in ('image', 'video')


def _kind(path: Path) -> str:
    return (mimetypes.guess_type(path.name)[0] or '').partition('/')[0]


def read_boxes(path: Path, images: Sequence[Path]) -> dict[Path, np.ndarray]:
    """Boxes of people from a json file in COCO's format.

    Args:
        path (Path): With ``images`` and ``annotations``; a prediction of
            this demo is one.
        images (Sequence[Path]): Found in the file by their names, without
            folders. Crowds are left out.

    Returns:
        dict[Path, np.ndarray]: For each image its boxes (x1, y1, x2, y2,
        score) in image px, (N, 5), float32; N may be 0, and a box without a
        score has 1.

    Raises:
        UserError: If the file cannot be read, does not list an image, or
            has a bad box.
    """
    try:
        coco = json.loads(path.read_text())
        entries = {
            image['id']: Path(image['file_name']).name
            for image in coco['images']
        }
        boxes: dict[str, list] = {name: [] for name in entries.values()}
        for person in coco['annotations']:
            if not person.get('iscrowd'):
                boxes[entries[person['image_id']]].append(_box(person))
    except (OSError, ValueError) as error:
        raise UserError(f'--boxes {path}: {error}') from error
    except (KeyError, TypeError) as error:
        raise UserError(
            f'--boxes {path}: not in the format of COCO, with images and '
            f'annotations ({type(error).__name__}: {error})'
        ) from error
    for image in images:
        if image.name not in boxes:
            raise UserError(f'--boxes {path}: it does not list {image.name}')
    return {
        image: np.array(boxes[image.name], np.float32).reshape(-1, 5)
        for image in images
    }


def _box(person: dict) -> list[float]:
    """(x1, y1, x2, y2, score) of an annotation."""
    box = np.asarray(person['bbox'], np.float32)
    if box.shape != (4,) or not np.isfinite(box).all() or min(box[2:]) <= 0:
        raise ValueError(
            f'annotation {person.get("id")} has bbox={person["bbox"]}; it '
            'must be x, y, width, height in image px'
        )
    x, y, width, height = box.tolist()
    return [x, y, x + width, y + height, person.get('bbox_score', 1.0)]
