"""Articulated skeletons: proportions, poses and camera of one figure.

Model coordinates are in body heights: x to the image's right, y down, z
away from the camera. An upright figure that faces the camera has its left
side at +x and looks along -z.
"""

import math

import numpy as np

Points = dict[str, np.ndarray]

#: The 17 COCO keypoints, in COCO's order.
KEYPOINTS = (
    'nose',
    'left_eye',
    'right_eye',
    'left_ear',
    'right_ear',
    'left_shoulder',
    'right_shoulder',
    'left_elbow',
    'right_elbow',
    'left_wrist',
    'right_wrist',
    'left_hip',
    'right_hip',
    'left_knee',
    'right_knee',
    'left_ankle',
    'right_ankle',
)

#: Sides of the body, and where they are on the x axis.
SIDES = {'left': 1, 'right': -1}

# Angle ranges in degrees. Columns: hip flexion, hip abduction, knee flexion,
# shoulder flexion, shoulder abduction, inward twist of the arm, elbow flexion.
_POSES = {
    'stand': (-8, 15, -1, 10, 0, 12, -20, 25, 3, 25, -30, 60, 0, 60),
    'walk': (-30, 50, -2, 8, 0, 75, -50, 50, 4, 20, -10, 40, 10, 110),
    'sit': (55, 105, 0, 30, 40, 120, -10, 70, 3, 45, -20, 70, 0, 100),
    'reach': (-15, 30, 0, 30, 0, 45, 60, 175, 0, 60, -60, 60, 0, 90),
    'sport': (-40, 110, -3, 65, 0, 130, -60, 170, 0, 140, -60, 80, 0, 140),
}
# Cumulative shares of the poses.
_POSE_SHARES = (0.28, 0.5, 0.62, 0.76, 1.0)
_EASY = 2  # of the poses, and seen from the front: the first
# Standard deviation of the trunk's and head's angles, per pose, in degrees.
_TRUNK_SPREAD = (5.0, 9.0, 14.0, 9.0, 20.0)

# Points of the head, from its middle, in halves of its height.
_HEAD = {
    'skull': (0, -0.12, 0.05),
    'jaw': (0, 0.42, -0.2),
    'nose': (0, 0.12, -1.0),
    'mouth': (0, 0.55, -0.85),
    'left_eye': (0.36, -0.14, -0.86),
    'right_eye': (-0.36, -0.14, -0.86),
    'left_ear': (0.86, 0.04, 0.05),
    'right_ear': (-0.86, 0.04, 0.05),
    'hair_top': (0, -0.34, 0.2),
    'hair_end': (0, 0.2, 0.5),
    'hair_tail': (0, 1.5, 0.6),
}
_HEAD_OFFSETS = np.array(list(_HEAD.values()))


def _rotation(axis: str, degrees: float) -> np.ndarray:
    """Rotation about a model axis; positive takes x to y, y to z, z to x."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if axis == 'x':
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    if axis == 'y':
        return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


class Proportions:
    """Lengths and girths of one body, in body heights.

    Attributes:
        trunk, neck, head (float): pelvis to neck, neck to the middle of the
            head, and half the height of the head.
        shoulder, hip (float): half the distance between the joints.
        upper_arm, forearm, hand, thigh, shin, foot (float): lengths.
        girth (float): factor on every limb's radius.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        spread = np.clip(rng.normal(1, 0.08, 11), 0.8, 1.2)
        self.trunk = 0.29 * spread[0]
        self.shoulder = 0.1 * spread[1]
        self.hip = 0.056 * spread[2]
        self.upper_arm = 0.165 * spread[3]
        self.forearm = 0.15 * spread[4]
        self.hand = 0.055 * spread[5]
        self.thigh = 0.24 * spread[6]
        self.shin = 0.235 * spread[7]
        self.foot = 0.1 * spread[8]
        # one figure in five has the large head of a child
        self.head = 0.066 * spread[9] * (1.35 if rng.random() < 0.2 else 1)
        self.neck = 0.035 * spread[10] + self.head
        self.girth = rng.uniform(0.8, 1.35)


def _arm(
    body: Proportions, side: str, angles: np.ndarray, chest: np.ndarray
) -> Points:
    """Shoulder to hand; the last four angles of `_POSES`."""
    sign = SIDES[side]
    flexion, abduction, twist, elbow = angles
    upper = (
        chest
        @ _rotation('z', -sign * abduction)
        @ _rotation('x', -flexion)
        @ _rotation('y', sign * twist)
    )
    lower = upper @ _rotation('x', -elbow)
    shoulder = chest @ (sign * body.shoulder, -0.93 * body.trunk, 0)
    elbow_point = shoulder + upper[:, 1] * body.upper_arm
    wrist = elbow_point + lower[:, 1] * body.forearm
    return {
        f'{side}_shoulder': shoulder,
        f'{side}_elbow': elbow_point,
        f'{side}_wrist': wrist,
        f'{side}_hand': wrist + lower[:, 1] * body.hand,
    }


def _leg(
    body: Proportions, side: str, angles: np.ndarray, pelvis: np.ndarray
) -> Points:
    """Hip to toes; the first three angles of `_POSES`, and the sole's."""
    sign = SIDES[side]
    flexion, abduction, knee, sole = angles
    upper = (
        pelvis
        @ _rotation('z', -sign * abduction)
        @ _rotation('x', -flexion)
        @ _rotation('y', -sign * 12)
    )
    lower = upper @ _rotation('x', knee)
    foot = lower @ _rotation('x', sole)
    hip = pelvis @ (sign * body.hip, 0.01, 0)
    knee_point = hip + upper[:, 1] * body.thigh
    ankle = knee_point + lower[:, 1] * body.shin
    return {
        f'{side}_hip': hip,
        f'{side}_knee': knee_point,
        f'{side}_ankle': ankle,
        f'{side}_heel': ankle + foot @ (0, 0.022, 0.012),
        f'{side}_toe': ankle + foot @ (0, 0.028, -body.foot),
    }


def _head(body: Proportions, frame: np.ndarray, neck: np.ndarray) -> Points:
    """The points of `_HEAD`."""
    middle = neck + frame @ (0, -body.neck, -0.012)
    placed = middle + body.head * (_HEAD_OFFSETS @ frame.T)
    return dict(zip(_HEAD, placed, strict=True))


def sample_skeleton(
    rng: np.random.Generator, easy: bool = False
) -> tuple[Points, Proportions]:
    """Draw a body, a pose and a view.

    Args:
        rng (np.random.Generator): Source of all randomness.
        easy (bool): Upright and seen from the front.

    Returns:
        tuple: named points, each (3,) in camera axes and body heights, the
        17 COCO keypoints among them; and the body's proportions.
    """
    body = Proportions(rng)
    last = _POSE_SHARES[_EASY - 1] if easy else 1
    pose = int(np.searchsorted(_POSE_SHARES, last * rng.random()))
    ranges = np.array(list(_POSES.values())[pose], float).reshape(7, 2)
    angles = rng.uniform(ranges[:, 0], ranges[:, 1], (2, 7))
    soles = rng.uniform(-10, 35, 2)
    trunk = rng.normal(0, _TRUNK_SPREAD[pose], 6)

    pelvis = _view(rng, list(_POSES)[pose], easy)
    chest = (
        pelvis
        @ _rotation('x', abs(trunk[0]))
        @ _rotation('z', trunk[1])
        @ _rotation('y', trunk[2])
    )
    head = (
        chest
        @ _rotation('y', 1.8 * trunk[3])
        @ _rotation('x', trunk[4])
        @ _rotation('z', trunk[5])
    )
    points: Points = {
        'pelvis': np.zeros(3),
        'belly': chest @ (0, -0.3 * body.trunk, 0),
        'chest': chest @ (0, -0.72 * body.trunk, 0),
        'neck': chest @ (0, -body.trunk, 0),
    }
    for side, angle, sole in zip(SIDES, angles, soles, strict=True):
        points |= _leg(body, side, np.append(angle[:3], sole), pelvis)
        points |= _arm(body, side, angle[3:], chest)
    points |= _head(body, head, points['neck'])
    return points, body


def _view(rng: np.random.Generator, pose: str, easy: bool) -> np.ndarray:
    """Orientation of the pelvis: yaw, roll in the image, camera pitch."""
    kind = rng.random()
    if easy or kind < 0.45:  # facing the camera, more or less
        yaw = rng.normal(0, 30)
    elif kind < 0.62:  # seen from behind
        yaw = rng.normal(180, 30)
    else:
        yaw = rng.uniform(-180, 180)
    roll = rng.normal(0, 6)
    if pose == 'sport' and rng.random() < 0.45:
        roll = rng.uniform(-180, 180)
    pitch = rng.normal(0, 10)
    return _rotation('z', roll) @ _rotation('x', pitch) @ _rotation('y', yaw)


def project(
    points: Points, rng: np.random.Generator
) -> tuple[Points, dict[str, float], dict[str, float]]:
    """Project a skeleton with a weak perspective.

    Args:
        points (dict): Named points, each (3,).
        rng (np.random.Generator): Draws the camera's distance.

    Returns:
        tuple of dicts by name: image points (2,) in body heights, depth, and
        the factor by which lengths at that depth are magnified.
    """
    xyz = np.array(list(points.values()))
    magnify = 1 / (1 + xyz[:, 2] / rng.uniform(2.5, 10))
    names = list(points)
    flat = dict(zip(names, xyz[:, :2] * magnify[:, None], strict=True))
    depth = dict(zip(names, xyz[:, 2].tolist(), strict=True))
    return flat, depth, dict(zip(names, magnify.tolist(), strict=True))
