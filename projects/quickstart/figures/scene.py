"""Scene of a figure: background, occluders, blur, light and noise."""

from functools import lru_cache

import cv2
import numpy as np

from .canvas import hulls
from .colours import cloth_colours, skin_colour

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates
_BANK = 512
_VERTICES = 16
_ANGLES = np.linspace(0, 2 * np.pi, _VERTICES, endpoint=False)
_ROUND = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_SQUARE = _ROUND / np.abs(_ROUND).max(axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _noise_bank() -> np.ndarray:
    """White noise (512, 512, 3) float32 of unit variance, made once.

    Every image takes a random window: to draw new noise for each would take
    as long as all the rest.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    return rng.standard_normal((_BANK, _BANK, 3), np.float32)


def _noise(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A window (height, width, 3) of the noise bank, repeated if larger."""
    bank = _noise_bank()
    if max(width, height) > _BANK:
        bank = np.tile(bank, (-(-height // _BANK), -(-width // _BANK), 1))
    top = int(rng.integers(bank.shape[0] - height + 1))
    left = int(rng.integers(bank.shape[1] - width + 1))
    return bank[top : top + height, left : left + width]


def _fill(image: np.ndarray, polygon: np.ndarray, colour: np.ndarray) -> None:
    fixed = np.rint(polygon * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(image, [fixed], colour.tolist(), cv2.LINE_AA, _SHIFT)


def _blobs(
    rng: np.random.Generator, centres: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """Random shapes: boxes, ellipses and jagged bushes, turned at random.

    Args:
        rng (np.random.Generator): Source of all randomness.
        centres (np.ndarray): (n, 2), px.
        sizes (np.ndarray): (n, 2), px.

    Returns:
        np.ndarray: (n, 16, 2) polygons.
    """
    n = len(centres)
    kind = rng.integers(0, 3, n)[:, None, None]
    jagged = rng.uniform(0.6, 1.3, (n, _VERTICES, 1))
    shape = np.where(kind == 0, _SQUARE, _ROUND)
    shape = np.where(kind == 2, shape * jagged, shape) * sizes[:, None] / 2
    turn = rng.uniform(0, np.pi, n)
    c, s = np.cos(turn), np.sin(turn)
    return centres[:, None] + shape @ np.array([[c, s], [-s, c]]).transpose(
        2, 0, 1
    )


def _distractor_limbs(
    image: np.ndarray, rng: np.random.Generator, n: int
) -> None:
    """Draw arms or legs that belong to nobody, some with a ball at the end."""
    height, width = image.shape[:2]
    draw = rng.random((n, 7))
    length = (0.1 + 0.18 * draw[:, :1]) * height
    start = 2 * np.pi * draw[:, 1:2]
    angles = np.concatenate([start, start + 4 * draw[:, 2:3] - 2], axis=1)
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=2)
    first = draw[:, None, 3:5] * (width, height)
    moves = np.concatenate([first, length[..., None] * steps], axis=1)
    joints = np.cumsum(moves, axis=1)
    radii = length * (0.12 + 0.12 * draw[:, 5:6]) * (1, 0.8, 0.6)
    # upper and lower limb, each with its outline first
    pairs = np.array([[0, 1], [0, 1], [1, 2], [1, 2]])
    rim = np.maximum(0.5, 0.12 * radii[:, :1]) * (1, 0, 1, 0)
    shapes = hulls(
        joints[:, pairs].reshape(-1, 2, 2),
        (radii[:, pairs] + rim[..., None]).reshape(-1, 2),
    ).reshape(n, 4, -1, 2)
    cloth = cloth_colours(rng, n)
    for i in range(n):
        lower = skin_colour(rng)
        upper = lower if draw[i, 6] < 0.5 else cloth[i]
        for shape, colour in zip(
            shapes[i], (0.6 * upper, upper, 0.6 * lower, lower), strict=True
        ):
            _fill(image, shape, colour)
        if draw[i, 6] % 0.5 < 0.15:
            _fill(image, joints[i, 2] + 3 * radii[i, 2] * _ROUND, lower)


def background(
    rng: np.random.Generator, width: int, height: int
) -> np.ndarray:
    """A cluttered background (height, width, 3), uint8 BGR."""
    image = backdrop(rng, width, height)
    extent = np.array([width, height], float)
    blobs, lines, limbs = rng.integers((2, 0, 0), (12, 7, 5))
    centres = rng.uniform(0, 1, (blobs, 2)) * extent
    sizes = rng.uniform(0.04, 0.45, (blobs, 2)) * extent
    shapes = _blobs(rng, centres, sizes)
    for shape, colour in zip(shapes, cloth_colours(rng, blobs), strict=True):
        _fill(image, shape, colour)
    ends = (rng.uniform(0, 1, (lines, 2, 2)) * extent).astype(int).tolist()
    widths = rng.integers(1, 5, lines).tolist()
    colours = cloth_colours(rng, lines).tolist()
    for (a, b), colour, thick in zip(ends, colours, widths, strict=True):
        cv2.line(image, a, b, colour, thick, cv2.LINE_AA)
    if limbs:
        _distractor_limbs(image, rng, int(limbs))
    return image


def backdrop(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Smooth colour, mottled, perhaps with a floor: (h, w, 3), uint8 BGR."""
    base, floor = cloth_colours(rng, 2)
    rows, columns, coarse = rng.integers((2, 2, 2), (9, 9, 9)).tolist()
    grid = rng.normal(0, 1, (rows, columns, 1)) * rng.uniform(3, 40)
    tint = rng.normal(0, 1, (rows, columns, 3)) * rng.uniform(0, 18)
    low = np.clip(base + grid + tint, 0, 255).astype(np.float32)
    image = cv2.resize(low, (width, height))
    spots = _noise(rng, -(-width // coarse), -(-height // coarse))
    spots = cv2.resize(np.ascontiguousarray(spots[..., 0]), (width, height))
    spots = cv2.cvtColor(spots, cv2.COLOR_GRAY2BGR)
    mottle = rng.uniform(0, 22)
    image = cv2.addWeighted(image, 1, spots, mottle, 0, dtype=cv2.CV_8U)
    if rng.random() < 0.4:
        level = rng.uniform(0.45, 0.95) * height
        slope = rng.normal(0, 0.05) * width
        corners = [
            (-1, level - slope),
            (width, level + slope),
            (width, height),
            (-1, height),
        ]
        _fill(image, np.array(corners), floor)
    return image


def occlude(
    image: np.ndarray, rng: np.random.Generator, bbox: np.ndarray
) -> np.ndarray:
    """Draw objects in front of the figure, in place.

    Args:
        image (np.ndarray): (h, w, 3) uint8.
        rng (np.random.Generator): Source of all randomness.
        bbox (np.ndarray): The figure's box (x, y, w, h), image px.

    Returns:
        np.ndarray: (h, w) uint8, 1 where an object hides the figure.
    """
    mask = np.zeros(image.shape[:2], np.uint8)
    n = (0, 0, 0, 0, 1, 1, 1, 2, 2, 3)[rng.integers(10)]
    longer = bbox[2:].max()
    centres = bbox[:2] + rng.uniform(0, 1, (n, 2)) * bbox[2:]
    sizes = rng.uniform(0.08, 0.42, (n, 2)) * longer
    poles = rng.random(n) < 0.4  # a post, a branch, a racket's handle
    sizes[poles] *= (0.2, 0.0)
    sizes[poles] += (0.0, 0.8 * longer)
    shapes = _blobs(rng, centres, sizes)
    for shape, colour in zip(shapes, cloth_colours(rng, n), strict=True):
        _fill(image, shape, colour)
        fixed = np.rint(shape * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [fixed], (1,), cv2.LINE_8, _SHIFT)
    return mask


def blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Blur (h, w, 3) float32 out of focus, by motion, or not at all.

    Kernels are symmetric: nothing moves.
    """
    kind = rng.random()
    if kind < 0.55:
        return cv2.GaussianBlur(image, (7, 7), rng.uniform(0.35, 1.3))
    if kind < 0.67:
        half = np.clip(rng.normal(0, 1.5, 2), -2.5, 2.5)
        kernel = np.zeros((7, 7), np.uint8)
        ends = np.rint((3 + np.array([-half, half])) * 2**_SHIFT).astype(int)
        a, b = ends.tolist()
        cv2.line(kernel, a, b, (255,), 1, cv2.LINE_AA, _SHIFT)
        weights = kernel.astype(np.float32)
        weights += weights[::-1, ::-1]  # the drawn line is not quite symmetric
        return cv2.filter2D(image, -1, weights / weights.sum())
    return image


def develop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven light, contrast and noise: (h, w, 3) float32 to uint8."""
    height, width = image.shape[:2]
    light = rng.normal(1, rng.uniform(0.02, 0.2), (3, 3, 1)) * np.ones(3)
    light = np.clip(light, 0.5, 1.5) * rng.uniform(0.7, 1.15)
    field = cv2.resize(light.astype(np.float32), (width, height))
    offset, noise = rng.uniform((-12, 1), (25, 14))
    return cv2.addWeighted(
        cv2.multiply(image, field),
        1,
        _noise(rng, width, height),
        noise,
        offset,
        dtype=cv2.CV_8U,
    )
