"""Supersampled drawing with exact coordinates.

Pixel centres sit at integers. An image pixel is `SUPERSAMPLE` canvas pixels
wide, so the image point x lies at canvas s * x + (s - 1) / 2, and averaging
s x s canvas pixels puts everything back where it was.

Every shape is the convex hull of discs: one disc is a dot, two are a limb.
Shape shorthand: n shapes, k discs each, `DIRECTIONS` vertices of a polygon.
"""

import cv2
import numpy as np

SUPERSAMPLE = 4
DIRECTIONS = 16
_SHIFT = 6  # fractional bits of OpenCV's fixed-point coordinates
_ANGLES = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False)
_COS, _SIN = np.cos(_ANGLES)[:, None], np.sin(_ANGLES)[:, None]


def hulls(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Convex hulls of discs.

    For each direction, the vertex is the outermost point of the disc that
    reaches farthest. Directions are counted from the line between the first
    and the last disc, so that a limb is symmetric about its axis.

    Args:
        centres (np.ndarray): (n, k, 2).
        radii (np.ndarray): (n, k), in the same units.

    Returns:
        np.ndarray: (n, DIRECTIONS, 2) convex polygons.
    """
    axis = centres[:, -1] - centres[:, 0]
    length = np.hypot(axis[:, 0], axis[:, 1])
    axis[length == 0] = (1, 0)
    axis /= np.where(length == 0, 1, length)[:, None]
    across = axis[:, ::-1] * (-1, 1)
    directions = _COS * axis[:, None] + _SIN * across[:, None]
    reach = centres @ directions.swapaxes(1, 2) + radii[..., None]
    farthest = reach.argmax(axis=1)
    rows = np.arange(len(centres))[:, None]
    return (
        centres[rows, farthest] + radii[rows, farthest][..., None] * directions
    )


class Canvas:
    """A rectangle of the image on which convex polygons leave their number.

    Args:
        x, y, width, height (int): The rectangle, in image px.

    Attributes:
        ids (np.ndarray): (s * height, s * width) uint8, the numbers.
    """

    def __init__(self, x: int, y: int, width: int, height: int) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height
        self.ids = np.zeros(
            (height * SUPERSAMPLE, width * SUPERSAMPLE), np.uint8
        )

    def window(self, image: np.ndarray) -> np.ndarray:
        """The rectangle of an image (h, w, ...), as a view."""
        return image[
            self.y : self.y + self.height, self.x : self.x + self.width
        ]

    def to_canvas(self, points: np.ndarray) -> np.ndarray:
        """Image px (..., 2) to canvas px, both with centres at integers."""
        origin = np.array([self.x, self.y])
        return (points - origin) * SUPERSAMPLE + (SUPERSAMPLE - 1) / 2

    def fill(self, polygons: np.ndarray, numbers: list[int]) -> None:
        """Write a number inside each polygon, the last on top.

        Args:
            polygons (np.ndarray): (n, vertices, 2), convex, image px.
            numbers (list[int]): n numbers in 1..255.
        """
        fixed = np.rint(self.to_canvas(polygons) * 2**_SHIFT).astype(np.int32)
        for polygon, number in zip(fixed, numbers, strict=True):
            cv2.fillConvexPoly(
                self.ids, polygon, (number,), cv2.LINE_8, _SHIFT
            )

    def at(self, points: np.ndarray) -> np.ndarray:
        """Numbers at image points (n, 2); 0 outside the rectangle."""
        columns, rows = np.rint(self.to_canvas(points)).astype(int).T
        height, width = self.ids.shape
        inside = (
            (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        )
        columns, rows = columns[inside], rows[inside]
        found = np.zeros(len(points), int)
        found[inside] = self.ids[rows, columns]
        return found

    def shrink(self, canvas_image: np.ndarray) -> np.ndarray:
        """Average an image of the canvas' size down to image px.

        In steps of two, for which OpenCV is several times faster.
        """
        height, width = canvas_image.shape[:2]
        while width > self.width:
            width, height = width // 2, height // 2
            canvas_image = cv2.resize(
                canvas_image, (width, height), interpolation=cv2.INTER_AREA
            )
        return canvas_image
