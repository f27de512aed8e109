"""Images and the frames of videos, one by one; and where they are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from dark_codec.cli import UserError

from .inputs import is_video

_USUAL_RATE = 25.0  # of videos that do not tell theirs, frames a second


class Frame(NamedTuple):
    """An image, or one of a video.

    Attributes:
        path (Path): The file.
        name (str): Of the frame: that of the file, and in videos ``#`` and
            the frame's number from 0.
        image (np.ndarray, optional): Blue, green, red, (h, w, 3), uint8; None
            if the file cannot be read.
        rate (float, optional): Frames a second of a video; None for images.
    """

    path: Path
    name: str
    image: np.ndarray | None
    rate: float | None = None


def count_frames(paths: Sequence[Path]) -> int:
    """Return the number of frames, if the videos state it."""
    return sum(_length(path) if is_video(path) else 1 for path in paths)


def _length(path: Path) -> int:
    video = cv2.VideoCapture(str(path))
    return max(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), 1)


def read_frames(paths: Sequence[Path]) -> Iterator[Frame]:
    """Read images and videos, in their order.

    Yields:
        Frame: At least one a file.
    """
    for path in paths:
        if not is_video(path):
            yield Frame(path, path.name, cv2.imread(str(path)))
            continue
        video = cv2.VideoCapture(str(path))
        rate = video.get(cv2.CAP_PROP_FPS) or _USUAL_RATE
        number = 0
        while (image := video.read()[1]) is not None:
            yield Frame(path, f'{path.name}#{number}', image, rate)
            number += 1
        if not number:
            yield Frame(path, path.name, None)


class Pictures:
    """A folder that takes what was drawn, of a video as a video.

    Args:
        folder (Path): Exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._video: cv2.VideoWriter | None = None
        self._path: Path | None = None

    def add(self, frame: Frame, drawn: np.ndarray) -> None:
        """Write an image, or append to the video that is being written."""
        if frame.rate is None:
            cv2.imwrite(str(self.folder / f'{frame.path.stem}.jpg'), drawn)
            return
        if frame.path != self._path:
            self.close()
            self._path = frame.path
            self._video = cv2.VideoWriter(
                str(self.folder / f'{frame.path.stem}.mp4'),
                cv2.VideoWriter_fourcc(*'mp4v'),
                frame.rate,
                drawn.shape[1::-1],
            )
        self._video.write(drawn)

    def close(self) -> None:
        """End the video, if there is one."""
        if self._video is not None:
            self._video.release()
        self._video = self._path = None


def camera_frames(number: int) -> Iterator[np.ndarray]:
    """Yield the frames of a camera until it ends.

    Args:
        number (int): Of the camera, from 0.

    Yields:
        np.ndarray: Blue, green, red, (h, w, 3), uint8.

    Raises:
        UserError: If there is no such camera.
    """
    camera = cv2.VideoCapture(number)
    if not camera.isOpened():
        raise UserError(f'--camera {number}: there is no such camera')
    try:
        while (image := camera.read()[1]) is not None:
            yield image
    finally:
        camera.release()


def show(image: np.ndarray) -> bool:
    """Show an image in a window.

    Args:
        image (np.ndarray): Blue, green, red, (h, w, 3), uint8.

    Returns:
        bool: Whether to go on: not after q or escape.

    Raises:
        UserError: If this OpenCV or this machine has no windows.
    """
    try:
        cv2.imshow('poses: q ends', image)
        return cv2.waitKey(1) & 0xFF not in (ord('q'), 27)
    except cv2.error as error:
        raise UserError(
            '--camera needs a screen and an OpenCV with windows (the package '
            'opencv-python, not opencv-python-headless); elsewhere record a '
            'video, and pass its file'
        ) from error
