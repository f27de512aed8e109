"""Look of a figure: materials, colours and patterns.

The canvas of a figure holds numbers, not colours: 2 * part (its outline) or
2 * part + 1 (its inside), plus 64 or 128 where a pattern covers the shirt or
the trousers. One lookup table turns the numbers into colours.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from .colours import cloth_colours, hair_colour, skin_colour

_PAIRED = (
    'upper_arm',
    'sleeve',
    'forearm',
    'hand',
    'thigh',
    'shorts',
    'shin',
    'shoe',
    'ear',
    'eye',
)
PARTS = (
    'nothing',
    'neck',
    'torso',
    'pelvis',
    'head',
    'hair',
    'nose',
    'mouth',
    *(f'left_{part}' for part in _PAIRED),
    *(f'right_{part}' for part in _PAIRED),
)
PART_NUMBER = {name: number for number, name in enumerate(PARTS)}
_SHIRT_BIT, _TROUSERS_BIT = 64, 128


@dataclass(frozen=True)
class Look:
    """Clothing and colours of one figure.

    Attributes:
        table (np.ndarray): (256, 1, 3) uint8 BGR, canvas number to colour.
        warp, weft (np.ndarray): (256,) uint8, the pattern bits along the two
            directions of the cloth; a pattern is their exclusive or.
        direction (np.ndarray): (2,) phase of the warp, in 1/256 of a period
            per canvas px, along x and y.
        sleeves, legs (float): Share of the upper arms and the thighs that
            shirt and trousers cover; 1: arms and legs as a whole.
        long_hair (bool): Whether hair falls below the neck.
        outline (float): Width of outlines, in body heights.
    """

    table: np.ndarray
    warp: np.ndarray
    weft: np.ndarray
    direction: np.ndarray
    sleeves: float
    legs: float
    long_hair: bool
    outline: float

    def pattern(self, height: int, width: int) -> np.ndarray:
        """Pattern bits (height, width) uint8, for a canvas of that size."""
        x, y = np.arange(width), np.arange(height)
        a, b = self.direction
        # uint8 arithmetic wraps round, as phases do
        along = np.add.outer(_phase(b * y), _phase(a * x))
        across = np.add.outer(_phase(a * y), _phase(-b * x))
        return cv2.bitwise_xor(
            cv2.LUT(along, self.warp), cv2.LUT(across, self.weft)
        )


def _phase(turns: np.ndarray) -> np.ndarray:
    return np.floor(turns % 256).astype(np.uint8)


def _cloth(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Warp and weft (256,) of 0 and 1: plain, stripes, checks or tartan."""
    phase = np.arange(256)
    kind = rng.integers(4)
    if kind == 0:
        return np.zeros(256, int), np.zeros(256, int)
    if kind == 1:
        return (phase < rng.integers(40, 216)).astype(int), np.zeros(256, int)
    if kind == 2:
        share = rng.integers(40, 216)
        return (phase < share).astype(int), (phase < share).astype(int)
    bands = rng.integers(0, 2, (2, 8)).repeat(32, axis=1)
    return bands[0], bands[1]


def _materials(sleeves: float, legs: float) -> list[str]:
    """The material of every part, in the order of `PARTS`."""
    arm = 'shirt' if sleeves == 1 else 'skin'
    leg = 'trousers' if legs == 1 else 'skin'
    material = {
        'torso': 'shirt',
        'sleeve': 'shirt',
        'upper_arm': arm,
        'forearm': arm,
        'pelvis': 'trousers',
        'shorts': 'trousers',
        'thigh': leg,
        'shin': leg,
        'shoe': 'shoes',
        'hair': 'hair',
        'eye': 'eyes',
        'mouth': 'mouth',
    }
    return [
        material.get(part.removeprefix('left_').removeprefix('right_'), 'skin')
        for part in PARTS
    ]


def _table(
    rng: np.random.Generator, materials: list[str], backdrop: np.ndarray
) -> np.ndarray:
    """Draw all colours and spread them over the 256 canvas numbers."""
    skin = skin_colour(rng)
    shirt, trousers, shirt_two, trousers_two, shoes = cloth_colours(rng, 5)
    blend = rng.random(2) < 0.25  # clothes that imitate the background
    if blend[0]:
        shirt = backdrop + rng.normal(0, 12, 3)
    if blend[1]:
        trousers = backdrop + rng.normal(0, 12, 3)
    plain = {
        'skin': skin,
        'shirt': shirt,
        'trousers': trousers,
        'shoes': shoes,
        'hair': hair_colour(rng),
        'eyes': np.full(3, 25.0),
        'mouth': 0.6 * skin + (0, 0, 50),
    }
    layers = (
        plain,
        plain | {'shirt': shirt_two},
        plain | {'trousers': trousers_two},
        plain | {'shirt': shirt_two, 'trousers': trousers_two},
    )
    colours = np.array([[layer[m] for m in materials] for layer in layers])
    colours *= rng.uniform(0.85, 1.1, len(PARTS))[:, None]
    edge = rng.uniform(0.4, 0.95)
    table = np.zeros((4, 64, 3))
    table[:, : 2 * len(PARTS) : 2] = edge * colours
    table[:, 1 : 2 * len(PARTS) : 2] = colours
    table[:, :2] = 0  # no part: black, so that areas average to alpha * colour
    return np.clip(table, 0, 255).astype(np.uint8).reshape(256, 1, 3)


def sample_look(rng: np.random.Generator, backdrop: np.ndarray) -> Look:
    """Dress a figure.

    Args:
        rng (np.random.Generator): Source of all randomness.
        backdrop (np.ndarray): Mean colour (3,) of the background, which some
            clothes imitate.

    Returns:
        Look: the clothes.
    """
    sleeves = (0.0, rng.uniform(0.4, 0.75), 1.0)[rng.integers(3)]
    legs = (rng.uniform(0.35, 0.9), 1.0)[rng.integers(2)]
    shirt, trousers = _cloth(rng), _cloth(rng)
    warp, weft = (
        _SHIRT_BIT * s + _TROUSERS_BIT * t
        for s, t in zip(shirt, trousers, strict=True)
    )
    angle, period = rng.uniform(-np.pi, np.pi), rng.uniform(14, 64)
    return Look(
        table=_table(rng, _materials(sleeves, legs), backdrop),
        warp=warp.astype(np.uint8),
        weft=weft.astype(np.uint8),
        direction=256 / period * np.array([np.cos(angle), np.sin(angle)]),
        sleeves=sleeves,
        legs=legs,
        long_hair=bool(rng.random() < 0.35),
        outline=rng.uniform(0.003, 0.009),
    )
