"""Random colours, BGR in 0..255."""

import numpy as np

# BGR, from light to dark
_SKIN = np.array(
    [
        (190, 214, 246),
        (150, 184, 232),
        (104, 146, 206),
        (68, 104, 160),
        (44, 66, 108),
        (30, 44, 74),
    ]
)
_HAIR = np.array(
    [
        (20, 20, 24),
        (30, 44, 70),
        (40, 80, 140),
        (90, 170, 225),
        (180, 180, 184),
        (36, 60, 160),
    ]
)


def cloth_colours(rng: np.random.Generator, n: int) -> np.ndarray:
    """Colours (n, 3) of cloth and other things: mostly muted, all hues."""
    draw = rng.random((n, 5))
    hue = draw[:, 2:] / draw[:, 2:].max(axis=1, keepdims=True)
    saturation = draw[:, 1:2] ** 1.5
    return (25 + 220 * draw[:, :1]) * (1 - saturation * (1 - hue))


def skin_colour(rng: np.random.Generator) -> np.ndarray:
    """A skin colour (3,), between the listed tones."""
    tone = rng.random() * (len(_SKIN) - 1)
    low, share = int(tone), tone % 1
    return (1 - share) * _SKIN[low] + share * _SKIN[low + 1]


def hair_colour(rng: np.random.Generator) -> np.ndarray:
    """A hair colour (3,)."""
    return _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.6, 1.2)
