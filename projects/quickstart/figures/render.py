"""One figure: image, keypoints and box from a seed and an index."""

from dataclasses import dataclass

import cv2
import numpy as np

from . import scene
from .canvas import Canvas
from .look import Look, sample_look
from .parts import Anatomy, Part, bearer_numbers, bounds, draw_parts
from .skeleton import KEYPOINTS, Points, project, sample_skeleton

_BEARERS = [bearer_numbers(keypoint) for keypoint in KEYPOINTS]
_FEWEST_KEYPOINTS = 6


@dataclass(frozen=True)
class Figure:
    """An image of one figure and its exact annotation.

    Attributes:
        image (np.ndarray): (h, w, 3) uint8, BGR.
        keypoints (np.ndarray): (17, 2) float64, image px with pixel centres
            at integers, in COCO's order; outside the image too.
        visibility (np.ndarray): (17,) int: 2 visible, 1 hidden by an object
            or by the figure itself, 0 outside the image.
        bbox (np.ndarray): (4,) float64, x, y, w, h of the part of the figure
            inside the image, what objects hide included; image px.
        area (float): The visible figure's area, px^2.
    """

    image: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    bbox: np.ndarray
    area: float


def inside_image(
    points: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray:
    """Return the mask of points (n, 2) on the image, to its outer edge."""
    inside = (points >= -0.5) & (points < np.array(image_size) - 0.5)
    return inside.all(axis=1)


def _place(
    flat: Points,
    image_size: tuple[int, int],
    rng: np.random.Generator,
    whole: bool,
) -> tuple[Points, float]:
    """Scale and move a figure into the image, now and then partly out of it.

    Returns the points in image px, and image px per body height.
    """
    size = np.array(image_size, float)
    points = np.array(list(flat.values()))
    low, high = points.min(0) - 0.03, points.max(0) + 0.03
    cut = rng.random() < 0.25 and not whole
    scale = float((size / (high - low)).min()) * rng.uniform(0.62, 0.98)
    if cut:
        scale *= rng.uniform(1, 1.3)
    extent = scale * (high - low)
    middle = (size - 1) / 2
    shift = rng.uniform(-0.5, 0.5, 2) * np.abs(size - extent)
    if cut:
        shift += rng.uniform(-0.35, 0.35, 2) * extent
    joints = np.array([flat[name] for name in KEYPOINTS]) - (low + high) / 2
    while (
        inside_image(joints * scale + middle + shift, image_size).sum()
        < _FEWEST_KEYPOINTS
    ):
        shift, scale = shift / 2, 0.95 * scale
    offset = middle + shift - scale * (low + high) / 2
    return {name: p * scale + offset for name, p in flat.items()}, scale


def _canvas_for(parts: list[Part], image_size: tuple[int, int]) -> Canvas:
    """The rectangle of the image that a figure covers."""
    low, high = bounds(parts)
    low = np.maximum(np.floor(low).astype(int) - 1, 0)
    high = np.minimum(np.ceil(high).astype(int) + 2, image_size)
    return Canvas(*low.tolist(), *(high - low).tolist())


def _paint(canvas: Canvas, look: Look, image: np.ndarray) -> np.ndarray:
    """Put a drawn figure into the image, in place.

    Returns its coverage, (h, w) of the canvas' rectangle, 0..255.
    """
    numbers = cv2.bitwise_or(canvas.ids, look.pattern(*canvas.ids.shape))
    colours = canvas.shrink(cv2.applyColorMap(numbers, look.table))
    solid = cv2.threshold(canvas.ids, 0, 255, cv2.THRESH_BINARY)[1]
    coverage = canvas.shrink(solid)
    window = canvas.window(image)
    rest = cv2.cvtColor(255 - coverage, cv2.COLOR_GRAY2BGR)
    window[:] = cv2.add(cv2.multiply(window, rest, scale=1 / 255), colours)
    return coverage


def _visibility(
    canvas: Canvas,
    hidden: np.ndarray,
    keypoints: np.ndarray,
    image_size: tuple[int, int],
) -> np.ndarray:
    """COCO flags (17,); `hidden` is nonzero where an object is in front."""
    inside = inside_image(keypoints, image_size)
    columns, rows = np.rint(keypoints[inside]).astype(int).T
    clear = np.zeros(len(keypoints), bool)
    clear[inside] = hidden[rows, columns] == 0
    part = (canvas.at(keypoints) // 2).tolist()
    borne = [p in b for p, b in zip(part, _BEARERS, strict=True)]
    return np.where(inside, 1 + (clear & borne), 0)


def render_figure(
    seed: int, index: int, image_size: tuple[int, int], easy: bool = False
) -> Figure:
    """Render one figure.

    The result depends on the arguments alone, not on what was rendered
    before, nor on the process.

    Args:
        seed (int): Seed of the data set, not negative.
        index (int): Number of the figure, not negative.
        image_size (tuple): Width and height, px.
        easy (bool): A whole figure, upright, seen from the front, with
            nothing before or behind it.

    Returns:
        Figure: image and annotation.
    """
    rng = np.random.Generator(np.random.PCG64([seed, index]))
    points, body = sample_skeleton(rng, easy)
    flat, depth, magnify = project(points, rng)
    placed, scale = _place(flat, image_size, rng, whole=easy)
    behind = scene.backdrop if easy else scene.background
    image = behind(rng, *image_size)
    look = sample_look(rng, np.array(cv2.mean(image)[:3]))
    scales = {name: scale * factor for name, factor in magnify.items()}
    parts = Anatomy(placed, depth, scales, body, look).parts()
    canvas = _canvas_for(parts, image_size)
    draw_parts(canvas, parts)
    coverage = _paint(canvas, look, image)

    x, y, width, height = cv2.boundingRect(coverage)
    # from the first covered pixel's centre to the last one's
    bbox = np.array([canvas.x + x, canvas.y + y, width - 1, height - 1], float)
    hidden = np.zeros(image.shape[:2], np.uint8)
    if not easy:
        hidden = scene.occlude(image, rng, bbox)
    image = scene.blur(image.astype(np.float32), rng)
    seen = coverage * (1 - canvas.window(hidden))
    keypoints = np.array([placed[name] for name in KEYPOINTS])
    return Figure(
        image=scene.develop(image, rng),
        keypoints=keypoints,
        visibility=_visibility(canvas, hidden, keypoints, image_size),
        bbox=bbox,
        area=float(cv2.sumElems(seen)[0]) / 255,
    )
