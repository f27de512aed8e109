"""One figure: image, keypoints and box from a seed and an index.

Pixel centres sit at integers. Everything is drawn on a canvas of
:data:`_SCALE` px per px of the image, and averaged down: the image point x
lies at _SCALE * x + (_SCALE - 1) / 2 on the canvas. Every shape is the
convex hull of discs: one disc is a dot, two are a limb.
"""

from typing import NamedTuple

import cv2
import numpy as np

from .skeleton import KEYPOINTS, SIDES, Points, sample_skeleton

_SCALE = 2
_SHIFT = 5  # fractional bits of OpenCV's fixed-point coordinates
_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_OUTLINE = 0.006  # body heights
# blue, green, red: the lightest and the darkest
_SKIN = np.array([(190, 214, 246), (34, 52, 88)])
_HAIR = np.array(
    [(20, 20, 24), (30, 44, 70), (40, 80, 140), (90, 170, 225), (36, 60, 160)]
)
_EYE = np.full(3, 25.0)
_COVERED = np.array([255])


class Figure(NamedTuple):
    """An image of one figure, and its exact annotation.

    Attributes:
        image (np.ndarray): Blue, green, red, (h, w, 3), uint8.
        keypoints (np.ndarray): In image px, in COCO's order, (17, 2).
        visibility (np.ndarray): 2: visible, 1: behind an object, (17,).
        bbox (np.ndarray): x, y, w, h of the figure, hidden parts included,
            in image px, (4,).
        area (float): Of the figure, hidden parts included, in px^2.
    """

    image: np.ndarray
    keypoints: np.ndarray
    visibility: np.ndarray
    bbox: np.ndarray
    area: float


class _Part(NamedTuple):
    """Part of a figure: the hull of discs."""

    depth: float  # the nearest part is drawn last
    radii: dict[str, float]  # in body heights, by the point at the centre
    colour: np.ndarray  # blue, green, red


def draw_figure(seed: int, index: int, image_size: tuple[int, int]) -> Figure:
    """Draw one figure, which depends on the arguments alone.

    Args:
        seed (int): Seed of the data set, not negative.
        index (int): Number of the figure, not negative.
        image_size (tuple): Width and height, px.

    Returns:
        Figure: Image and annotation.
    """
    rng = np.random.default_rng([seed, index])
    skeleton = sample_skeleton(rng)
    parts = _dress(rng, skeleton)
    canvas = _background(rng, image_size)
    points, height = _place(rng, skeleton, parts, canvas.shape[1::-1])
    figure = np.zeros(canvas.shape[:2], np.uint8)
    for part in parts:
        centres = np.array([points[name] for name in part.radii])
        radii = height * np.array(list(part.radii.values()))
        outline = _hull(
            centres, radii + np.minimum(height * _OUTLINE, radii / 4)
        )
        _fill(canvas, outline, 0.6 * part.colour)
        _fill(canvas, _hull(centres, radii), part.colour)
        _fill(figure, outline, _COVERED)
    joints = np.array([points[name] for name in KEYPOINTS])
    hidden = _occlude(rng, canvas, joints, height)
    columns, rows = np.rint(joints).astype(int).T
    figure = cv2.resize(figure, image_size, interpolation=cv2.INTER_AREA)
    x, y, w, h = cv2.boundingRect(figure)
    return Figure(
        image=_photograph(rng, canvas, image_size),
        keypoints=(joints - (_SCALE - 1) / 2) / _SCALE,
        visibility=np.where(hidden[rows, columns] > 0, 1, 2),
        # from the first covered pixel's centre to the last one's
        bbox=np.array([x, y, w - 1, h - 1], float),
        area=float(figure.sum()) / 255,
    )


def _dress(rng: np.random.Generator, skeleton: Points) -> list[_Part]:
    """Choose clothes and colours; return the parts, the farthest first."""
    tone = rng.random()
    skin = (1 - tone) * _SKIN[0] + tone * _SKIN[1]
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.7, 1.1)
    shirt, stripe, trousers, shoes = _colours(rng, 4)
    sleeve = shirt if rng.random() < 0.5 else skin
    shin = trousers if rng.random() < 0.7 else skin
    girth = rng.uniform(0.85, 1.25)
    # half the height of the head
    head = float(1.9 * np.linalg.norm(skeleton['crown'] - skeleton['jaw']))
    parts = []

    def add(colour: np.ndarray, scale: float, radii: dict[str, float]) -> None:
        # rounded: what lies in one plane is drawn in the order it is added
        depth = round(sum(skeleton[k][2] for k in radii) / len(radii), 3)
        scaled = {name: scale * radius for name, radius in radii.items()}
        parts.append(_Part(depth, scaled, colour))

    def both(
        colour: np.ndarray, scale: float, radii: dict[str, float]
    ) -> None:
        for side in SIDES:
            add(colour, scale, {f'{side}_{k}': v for k, v in radii.items()})

    def across(colour: np.ndarray, radii: dict[str, float]) -> None:
        pairs = {f'{s}_{k}': v for s in SIDES for k, v in radii.items()}
        add(colour, girth, pairs)

    both(trousers, girth, dict(hip=0.05, knee=0.037))
    both(shin, girth, dict(knee=0.035, ankle=0.022))
    both(shoes, girth, dict(ankle=0.024, toe=0.02))
    both(shirt, girth, dict(shoulder=0.034, elbow=0.027))
    both(sleeve, girth, dict(elbow=0.025, wrist=0.018))
    both(skin, girth, dict(wrist=0.018, hand=0.022))
    across(trousers, dict(hip=0.053))
    across(shirt, dict(shoulder=0.04, hip=0.04))
    if rng.random() < 0.5:
        for i in range(3):
            across(stripe, {f'stripe{i}': 0.011})
    add(skin, girth, dict(neck=0.034, crown=0.03))
    both(skin, head, dict(ear=0.2))
    add(skin, head, dict(crown=0.9, jaw=0.64))
    add(hair, head, dict(hair=0.95))
    if rng.random() < 0.4:
        add(hair, head, dict(hair=0.95, nape=0.7))
    both(_EYE, head, dict(eye=0.09))
    add(0.8 * skin, head, dict(nose=0.1))
    add(0.6 * skin + (0, 0, 50), head, dict(mouth=0.09))
    return sorted(parts, key=lambda part: -part.depth)


def _place(
    rng: np.random.Generator,
    skeleton: Points,
    parts: list[_Part],
    canvas_size: tuple[int, ...],
) -> tuple[Points, float]:
    """Place the whole figure on the canvas.

    Returns the points and the body height, in px of the canvas.
    """
    discs = [
        (*skeleton[name][:2], radius + 2 * _OUTLINE)
        for part in parts
        for name, radius in part.radii.items()
    ]
    x, y, radius = np.array(discs).T
    low = np.array([(x - radius).min(), (y - radius).min()])
    high = np.array([(x + radius).max(), (y + radius).max()])
    size = np.array(canvas_size)
    height = float((size / (high - low)).min() * rng.uniform(0.68, 0.97))
    free = size - height * (high - low)
    offset = rng.uniform(0, 1, 2) * free - height * low - 0.5
    placed = {
        name: height * point[:2] + offset for name, point in skeleton.items()
    }
    return placed, height


def _hull(centres: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Hull of discs: centres (n, 2) and radii (n,) to a polygon (m, 2)."""
    rims = centres[:, None] + radii[:, None, None] * _CIRCLE
    return cv2.convexHull(rims.reshape(-1, 2).astype(np.float32))[:, 0]


def _fill(canvas: np.ndarray, polygon: np.ndarray, colour: np.ndarray) -> None:
    """Fill a convex polygon, with smooth edges."""
    fixed = np.rint(polygon * 2**_SHIFT).astype(np.int32)
    cv2.fillConvexPoly(canvas, fixed, colour.tolist(), cv2.LINE_AA, _SHIFT)


def _colours(rng: np.random.Generator, n: int) -> np.ndarray:
    """Colours (n, 3) of all hues, mostly muted."""
    light, saturation = rng.uniform(0.15, 1, (n, 1)), rng.random((n, 1))
    hue = rng.random((n, 3))
    hue /= hue.max(axis=1, keepdims=True)
    return 245 * light * (1 - saturation**2 * (1 - hue))


def _background(
    rng: np.random.Generator, image_size: tuple[int, int]
) -> np.ndarray:
    """Draw a canvas of soft gradients and shapes, out of focus."""
    size = np.array(image_size)
    rows, columns = rng.integers(2, 7, 2)
    shade = rng.normal(0, 25, (rows, columns, 1))
    tint = rng.normal(0, 6, (rows, columns, 3))
    coarse = np.clip(_colours(rng, 1) + shade + tint, 0, 255)
    image = cv2.resize(
        coarse.astype(np.uint8), image_size, interpolation=cv2.INTER_CUBIC
    )
    for colour in _colours(rng, rng.integers(2, 10)):
        discs = rng.integers(1, 4)
        middle = rng.uniform(-0.1, 1.1, 2)
        centres = (middle + rng.normal(0, 0.15, (discs, 2))) * size
        shape = _hull(centres, rng.uniform(0.01, 0.1, discs) * size.max())
        _fill(image, shape, colour)
    image = cv2.GaussianBlur(image, (7, 7), rng.uniform(0.5, 2))
    return cv2.resize(image, (_SCALE * size).tolist())


def _occlude(
    rng: np.random.Generator,
    canvas: np.ndarray,
    joints: np.ndarray,
    height: float,
) -> np.ndarray:
    """Draw up to two objects in front; return the mask of what they hide."""
    hidden = np.zeros(canvas.shape[:2], np.uint8)
    for colour in _colours(rng, max(rng.integers(-2, 3), 0)):
        near = joints[rng.integers(len(joints))]
        ends = near + height * rng.normal(0, 0.12, (2, 2))
        shape = _hull(ends, height * rng.uniform(0.01, 0.06, 2))
        _fill(canvas, shape, colour)
        _fill(hidden, shape, _COVERED)
    return hidden


def _photograph(
    rng: np.random.Generator, canvas: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray:
    """Average the canvas down; add blur, uneven light and noise."""
    image = cv2.resize(canvas, image_size, interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (5, 5), rng.uniform(0.3, 1))
    light = np.clip(rng.normal(1, 0.15, (3, 3)), 0.6, 1.3)
    light = cv2.resize(light.astype(np.float32), image_size)
    noise = rng.standard_normal(light.shape, np.float32)
    noisy = image * light[..., None] + rng.uniform(1, 8) * noise[..., None]
    return np.clip(noisy, 0, 255).astype(np.uint8)
