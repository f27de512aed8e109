"""A figure's body parts as drawn shapes, from the farthest to the nearest."""

from dataclasses import dataclass
from itertools import chain

import numpy as np

from .canvas import Canvas, hulls
from .look import PART_NUMBER, Look
from .skeleton import SIDES, Points, Proportions

# Parts on which a keypoint is seen; any other part hides it.
_BEARERS = {
    'nose': ('nose',),
    'eye': ('eye',),
    'ear': ('ear',),
    'shoulder': ('upper_arm', 'sleeve', 'torso'),
    'elbow': ('upper_arm', 'sleeve', 'forearm'),
    'wrist': ('forearm', 'hand'),
    'hip': ('thigh', 'shorts', 'pelvis', 'torso'),
    'knee': ('thigh', 'shorts', 'shin'),
    'ankle': ('shin', 'shoe'),
}
_MOST_DISCS = 6


@dataclass(frozen=True)
class Part:
    """One drawn shape, the hull of discs in image px.

    Attributes:
        name (str): One of `look.PARTS`.
        centres (list): k points (2,).
        radii (list): k radii.
        rim (float): Width of the outline.
    """

    name: str
    centres: list[np.ndarray]
    radii: list[float]
    rim: float


Group = tuple[float, list[Part]]


class Anatomy:
    """Turns a projected skeleton into parts.

    Args:
        points (dict): Named points (2,), image px.
        depth (dict): Their depth, body heights.
        scale (dict): Image px per body height at each point.
        body (Proportions): Girths.
        look (Look): Clothes.
    """

    def __init__(
        self,
        points: Points,
        depth: dict[str, float],
        scale: dict[str, float],
        body: Proportions,
        look: Look,
    ) -> None:
        self.points, self.depth, self.scale = points, depth, scale
        self.body, self.look = body, look

    def parts(self) -> list[Part]:
        """All parts, the farthest first."""
        groups = [
            (self._mean_depth('chest', 'pelvis'), self._trunk()),
            *self._head(),
            *chain.from_iterable(
                self._arm(side) + self._leg(side) for side in SIDES
            ),
        ]
        groups.sort(key=lambda group: -group[0])
        return [part for _, group in groups for part in group]

    def _shape(self, name: str, discs: dict[str, float]) -> Part:
        """The hull of discs, given as point and radius in body heights."""
        return Part(
            name,
            [self.points[point] for point in discs],
            [radius * self.scale[point] for point, radius in discs.items()],
            self.look.outline * self.scale[next(iter(discs))],
        )

    def _sleeve(
        self, name: str, discs: dict[str, float], share: float
    ) -> Part:
        """The first `share` of a limb."""
        whole = self._shape(name, discs)
        (a, b), (r_a, r_b) = whole.centres, whole.radii
        return Part(
            name,
            [a, a + share * (b - a)],
            [r_a, r_a + share * (r_b - r_a)],
            whole.rim,
        )

    def _arm(self, side: str) -> list[Group]:
        g, share = self.body.girth, self.look.sleeves
        loose = g * (1.12 if share == 1 else 1.0)
        shoulder, elbow = f'{side}_shoulder', f'{side}_elbow'
        wrist, hand = f'{side}_wrist', f'{side}_hand'
        upper = [
            self._shape(
                f'{side}_upper_arm',
                {shoulder: 0.035 * loose, elbow: 0.028 * loose},
            )
        ]
        if 0 < share < 1:
            cloth = {shoulder: 0.042 * g, elbow: 0.038 * g}
            upper.append(self._sleeve(f'{side}_sleeve', cloth, share))
        lower = [
            self._shape(f'{side}_hand', {wrist: 0.017, hand: 0.02}),
            self._shape(
                f'{side}_forearm', {elbow: 0.028 * loose, wrist: 0.019 * loose}
            ),
        ]
        # Arms hang in front of the trunk rather than inside it.
        return [
            (self._mean_depth(shoulder, elbow) - 0.02, upper),
            (self._mean_depth(elbow, wrist) - 0.03, lower),
        ]

    def _leg(self, side: str) -> list[Group]:
        g, share = self.body.girth, self.look.legs
        loose = g * (1.15 if share == 1 else 1.0)
        hip, knee, ankle = (f'{side}_{j}' for j in ('hip', 'knee', 'ankle'))
        upper = [
            self._shape(f'{side}_thigh', {hip: 0.056 * g, knee: 0.037 * loose})
        ]
        if share < 1:
            cloth = {hip: 0.062 * g, knee: 0.05 * g}
            upper.append(self._sleeve(f'{side}_shorts', cloth, share))
        lower = [
            self._shape(
                f'{side}_shoe', {f'{side}_heel': 0.027, f'{side}_toe': 0.02}
            ),
            self._shape(
                f'{side}_shin', {knee: 0.037 * loose, ankle: 0.023 * loose}
            ),
        ]
        return [
            (self._mean_depth(hip, knee) - 0.005, upper),
            (self._mean_depth(knee, ankle), lower),
        ]

    def _trunk(self) -> list[Part]:
        g = self.body.girth
        hips = {'left_hip': 0.05 * g, 'right_hip': 0.05 * g}
        return [
            self._shape('neck', {'neck': 0.034 * g, 'jaw': 0.03 * g}),
            self._shape(
                'torso',
                {'left_shoulder': 0.037 * g, 'right_shoulder': 0.037 * g}
                | {'chest': 0.08 * g, 'belly': 0.072 * g}
                | hips,
            ),
            self._shape(
                'pelvis',
                {joint: 1.16 * r for joint, r in hips.items()}
                | {'pelvis': 0.066 * g},
            ),
        ]

    def _head(self) -> list[Group]:
        r = self.body.head
        tail = 'hair_tail' if self.look.long_hair else 'hair_end'
        # The head is drawn after the neck it sits on, whatever the view.
        near = -0.05
        middle = self._mean_depth('skull', 'jaw')
        # Seen from the front, long hair falls behind the trunk.
        behind = 3 * (self.depth['hair_end'] - middle)
        return [
            (
                middle + near,
                [self._shape('head', {'skull': 0.92 * r, 'jaw': 0.66 * r})],
            ),
            (
                middle + near + behind,
                [self._shape('hair', {'hair_top': 0.95 * r, tail: 0.75 * r})],
            ),
            *(
                (
                    self.depth[name] + near,
                    [self._shape(name, {name: size * r})],
                )
                for name, size in (
                    ('nose', 0.16),
                    ('mouth', 0.14),
                    ('left_eye', 0.12),
                    ('right_eye', 0.12),
                    ('left_ear', 0.25),
                    ('right_ear', 0.25),
                )
            ),
        ]

    def _mean_depth(self, *names: str) -> float:
        return sum(self.depth[name] for name in names) / len(names)


def draw_parts(canvas: Canvas, parts: list[Part]) -> None:
    """Draw parts in their order; the canvas then holds `look`'s numbers."""
    centres = np.empty((len(parts), 2, _MOST_DISCS, 2))
    radii = np.empty((len(parts), 2, _MOST_DISCS))
    numbers = []
    for i, part in enumerate(parts):
        # repeating a disc leaves the hull as it is
        last = len(part.radii) - 1
        index = [min(j, last) for j in range(_MOST_DISCS)]
        centres[i] = [part.centres[j] for j in index]
        radii[i] = [part.radii[j] for j in index]
        radii[i, 0] += part.rim
        number = 2 * PART_NUMBER[part.name]
        numbers += [number, number + 1]
    polygons = hulls(
        centres.reshape(-1, _MOST_DISCS, 2), radii.reshape(-1, _MOST_DISCS)
    )
    canvas.fill(polygons, numbers)


def bounds(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest x and y, each (2,), that parts reach; image px."""
    centres = np.concatenate([part.centres for part in parts])
    reach = np.concatenate(
        [np.array(part.radii) + part.rim for part in parts]
    )[:, None]
    return (centres - reach).min(0), (centres + reach).max(0)


def bearer_numbers(keypoint: str) -> set[int]:
    """Part numbers (`look.PART_NUMBER`) on which a keypoint is seen."""
    side, _, joint = keypoint.rpartition('_')
    return {
        PART_NUMBER[name]
        for part in _BEARERS[joint]
        for name in (part, f'{side}_{part}')
        if name in PART_NUMBER
    }
