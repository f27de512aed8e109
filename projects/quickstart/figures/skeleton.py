"""Random skeletons in three dimensions.

Coordinates are in body heights: x to the image's right, y down, z away from
the camera. The figures face the camera, so their left side is at +x.
"""

import numpy as np

#: The 17 keypoints of COCO, in its order.
KEYPOINTS = ('nose',) + tuple(
    f'{side}_{name}'
    for name in 'eye ear shoulder elbow wrist hip knee ankle'.split()
    for side in ('left', 'right')
)
SIDES = {'left': 1, 'right': -1}
# Points of the head, from its middle, in halves of its height.
_HEAD = {
    'crown': (0, -0.12, 0.05),
    'jaw': (0, 0.4, -0.1),
    'hair': (0, -0.3, 0.15),
    'nape': (0, 0.9, 0.5),
    'nose': (0, 0.12, -0.95),
    'mouth': (0, 0.5, -0.85),
    'left_eye': (0.36, -0.12, -0.85),
    'right_eye': (-0.36, -0.12, -0.85),
    'left_ear': (0.86, 0.05, 0.05),
    'right_ear': (-0.86, 0.05, 0.05),
}

Points = dict[str, np.ndarray]


def sample_skeleton(rng: np.random.Generator) -> Points:
    """Draw a body, its pose and the view of it.

    Args:
        rng (np.random.Generator): Source of all randomness.

    Returns:
        dict: Points (3,) by name: the keypoints of COCO, and others that the
        drawing needs.
    """
    trunk, shoulder, hip, head, *limbs = rng.normal(
        (0.29, 0.1, 0.058, 0.07, 0.165, 0.15, 0.24, 0.23),
        (0.02, 0.008, 0.005, 0.007, 0.01, 0.01, 0.014, 0.014),
    )
    upper = _rotation('z', rng.normal(0, 8)) @ _rotation(
        'y', rng.uniform(-12, 12)
    )
    neck = upper @ (0, -trunk, 0)
    points = {'neck': neck}
    for side, sign in SIDES.items():
        start = upper @ (sign * shoulder, -0.93 * trunk, 0)
        points |= _arm(rng, side, start, limbs[:2])
        end = np.array([sign * hip, 0, 0])
        points |= _leg(rng, side, end, limbs[2:])
        for i, share in enumerate((0.3, 0.5, 0.7)):  # across the shirt
            points[f'{side}_stripe{i}'] = start + share * (end - start)
    frame = (
        upper
        @ _rotation('y', rng.uniform(-20, 20))
        @ _rotation('z', rng.normal(0, 8))
    )
    middle = neck + frame @ (0, -0.03 - head, -0.01)
    for name, offset in _HEAD.items():
        points[name] = middle + frame @ (head * np.array(offset))
    view = _rotation('z', rng.normal(0, 6)) @ _rotation(
        'y', rng.uniform(-35, 35)
    )
    return {name: view @ point for name, point in points.items()}


def _rotation(axis: str, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    if axis == 'y':
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def _direction(side: str, outwards: float, forwards: float) -> np.ndarray:
    """Unit vector of a limb that hangs down at 0, 0; degrees."""
    out, ahead = np.radians(outwards), np.radians(forwards)
    across, down = SIDES[side] * np.sin(out), np.cos(out)
    return np.array([across, down * np.cos(ahead), -down * np.sin(ahead)])


def _arm(
    rng: np.random.Generator, side: str, shoulder: np.ndarray, lengths: list
) -> Points:
    raised = rng.random() < 0.35
    out = rng.uniform(40, 150) if raised else rng.uniform(5, 35)
    ahead = rng.uniform(-20, 40)
    elbow = shoulder + lengths[0] * _direction(side, out, ahead)
    forearm = _direction(
        side, out + rng.uniform(-40, 40), ahead + rng.uniform(0, 80)
    )
    wrist = elbow + lengths[1] * forearm
    return {
        f'{side}_shoulder': shoulder,
        f'{side}_elbow': elbow,
        f'{side}_wrist': wrist,
        f'{side}_hand': wrist + 0.035 * forearm,
    }


def _leg(
    rng: np.random.Generator, side: str, hip: np.ndarray, lengths: list
) -> Points:
    out, ahead = rng.uniform(-2, 22), rng.uniform(-15, 35)
    knee = hip + lengths[0] * _direction(side, out, ahead)
    ankle = knee + lengths[1] * _direction(
        side, out + rng.uniform(-8, 8), ahead - rng.uniform(0, 50)
    )
    return {
        f'{side}_hip': hip,
        f'{side}_knee': knee,
        f'{side}_ankle': ankle,
        f'{side}_toe': ankle + (SIDES[side] * 0.025, 0.03, -0.06),
    }
