"""The figures: what is drawn, and whether the annotation is the truth."""

import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]

from projects.quickstart.figures import (  # noqa: E402
    parts,
    render,
    render_figure,
    scene,
)
from projects.quickstart.figures.canvas import (  # noqa: E402
    Canvas,
    hulls,
)
from projects.quickstart.figures.skeleton import KEYPOINTS  # noqa: E402

SIZE = (160, 120)
# Large enough that rasterisation counts little in a small dot's centre.
LARGE = (480, 360)
DOTS = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')
LIMBS = {
    'upper_arm': ('shoulder', 'elbow'),
    'forearm': ('elbow', 'wrist'),
    'thigh': ('hip', 'knee'),
    'shin': ('knee', 'ankle'),
}
_HASHES = """
import sys
sys.path.insert(1, 'tests/projects')
from test_figures import hashes
print(*hashes(reversed(range(12)), 3))
"""


def keypoint(figure, name):
    return figure.keypoints[KEYPOINTS.index(name)]


def inside_by(margin, *points):
    """Whether all points are on a large image, away from its border."""
    points = np.array(points)
    return bool(
        ((points > margin) & (points < np.array(LARGE) - 1 - margin)).all()
    )


def centroid(image):
    """Intensity centroid (x, y) of a grey image, pixel centres at integers."""
    weights = image.astype(float)
    ys, xs = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(weights * xs).sum(), (weights * ys).sum()]) / (
        weights.sum()
    )


def sample(image, points):
    """Bilinear samples of a grey image at points (n, 2)."""
    x, y = points.astype(np.float32).T
    return cv2.remap(image, x[:, None], y[:, None], cv2.INTER_LINEAR)[:, 0]


def no_occluder(image, *_):
    return np.zeros_like(image[..., 0])


@pytest.fixture
def bare(monkeypatch):
    """Make figures white on black, without occluders, light and noise.

    Returns a function that leaves only the named parts on the figure. Pose,
    placement, shapes, rasterisation, composition and blur are the real ones.
    """
    monkeypatch.setattr(
        scene, 'background', lambda _, w, h: np.zeros((h, w, 3), np.uint8)
    )
    monkeypatch.setattr(scene, 'occlude', no_occluder)
    monkeypatch.setattr(scene, 'develop', lambda image, _: image)
    white = np.full((256, 1, 3), 255, np.uint8)
    white[::64] = 0
    real = cv2.applyColorMap
    monkeypatch.setattr(
        cv2, 'applyColorMap', lambda numbers, _: real(numbers, white)
    )

    def only(*names):
        def draw(canvas, shapes):
            parts.draw_parts(canvas, [s for s in shapes if s.name in names])

        monkeypatch.setattr(render, 'draw_parts', draw)

    return only


@pytest.mark.parametrize('blurred', [False, True])
@pytest.mark.parametrize('radius', [1.5, 2.0, 3.7])
def test_marker_is_where_it_was_put(radius, blurred, rng):
    worst = 0.0
    for _ in range(200):
        point = rng.uniform(12, 20, 2)
        canvas = Canvas(3, 2, 27, 28)
        canvas.fill(hulls(point[None, None], np.array([[radius]])), [1])
        image = np.zeros((32, 32), np.float32)
        canvas.window(image)[:] = canvas.shrink(255 * canvas.ids)
        if blurred:
            image = scene.blur(image, rng)
        worst = max(worst, np.abs(centroid(image) - point).max())
    assert worst < 0.05


@pytest.mark.parametrize('name', DOTS)
def test_face_is_drawn_at_its_keypoints(bare, name):
    bare(name)
    errors = []
    for index in range(60):
        figure = render_figure(5, index, LARGE)
        point = keypoint(figure, name)
        if inside_by(18, point):  # all of the dot and of its blur
            error = centroid(figure.image[..., 0]) - point
            errors.append(np.abs(error).max())
    assert len(errors) > 20
    assert max(errors) < 0.05


@pytest.mark.parametrize('side', ['left', 'right'])
@pytest.mark.parametrize('limb', LIMBS)
def test_limbs_join_at_their_keypoints(bare, limb, side):
    """The line through two joints is the axis of the limb between them.

    And the limb ends in half a disc round each, reaching as far beyond the
    joint as to either side of it.
    """
    bare(f'{side}_{limb}')
    off_axis, overshoot = [], []
    steps = np.arange(0, 40, 0.1)[:, None]
    for index in range(60):
        figure = render_figure(6, index, LARGE)
        a, b = (keypoint(figure, f'{side}_{joint}') for joint in LIMBS[limb])
        length = np.hypot(*(b - a))
        if length < 40 or not inside_by(35, a, b):
            continue
        image = figure.image[..., 0].astype(np.float32) / 255
        along = (b - a) / length
        across = np.array([-along[1], along[0]])
        off_axis.append((centroid(image) - a) @ across)
        for joint, outwards in ((a, -along), (b, along)):
            left, right, beyond = (
                sample(image, joint + steps * way).sum() / 10
                for way in (across, -across, outwards)
            )
            overshoot.append(2 * beyond / (left + right) - 1)
    assert len(off_axis) >= 8
    assert np.abs(off_axis).max() < 0.05
    # a polygon of 16 vertices, and tapered, is not quite round there
    assert np.abs(overshoot).max() < 0.12


def test_box_and_area_are_those_of_the_pixels(monkeypatch):
    """Compare with the transparency seen on a white and a black ground."""
    monkeypatch.setattr(scene, 'blur', lambda image, _: image)
    monkeypatch.setattr(scene, 'develop', lambda image, _: image)
    monkeypatch.setattr(scene, 'occlude', no_occluder)
    # clothes may imitate the ground, which is to change nothing else
    real = render.sample_look
    monkeypatch.setattr(
        render, 'sample_look', lambda rng, _: real(rng, np.full(3, 99.0))
    )
    for index in range(40):
        images = []
        for ground in (0, 255):
            monkeypatch.setattr(
                scene,
                'background',
                lambda _, w, h, g=ground: np.full((h, w, 3), g, np.uint8),
            )
            figure = render_figure(7, index, SIZE)
            images.append(figure.image[..., 0])
        alpha = 1 - (images[1] - images[0]) / 255
        rows, columns = np.nonzero(alpha > 0.004)
        low = np.array([columns.min(), rows.min()])
        high = np.array([columns.max(), rows.max()])
        np.testing.assert_allclose(figure.bbox[:2], low, atol=1)
        corner = figure.bbox[:2] + figure.bbox[2:]
        np.testing.assert_allclose(corner, high, atol=1)
        assert figure.area == pytest.approx(alpha.sum(), rel=0.02)


def test_occluders_hide_area_and_keypoints(monkeypatch):
    """A screen before the left half of the image hides what is there."""

    def screen(image, *_):
        mask = np.zeros_like(image[..., 0])
        mask[:, :80] = 1
        return mask

    hidden = 0
    for index in range(60):
        with monkeypatch.context() as patch:
            patch.setattr(scene, 'occlude', no_occluder)
            free = render_figure(8, index, SIZE)
            patch.setattr(scene, 'occlude', screen)
            screened = render_figure(8, index, SIZE)
        behind = screened.keypoints[:, 0] < 79.5
        expected = np.where(
            behind, np.minimum(free.visibility, 1), free.visibility
        )
        np.testing.assert_array_equal(screened.visibility, expected)
        np.testing.assert_array_equal(screened.bbox, free.bbox)
        assert screened.area <= free.area
        hidden += (free.visibility > expected).sum()
    assert hidden > 100


def test_cut_figures_have_no_keypoints_outside():
    figures = [render_figure(9, index, SIZE) for index in range(200)]
    points = np.array([figure.keypoints for figure in figures])
    flags = np.array([figure.visibility for figure in figures])
    outside = ((points < -0.5) | (points >= np.array(SIZE) - 0.5)).any(-1)
    np.testing.assert_array_equal(flags == 0, outside)
    assert 0.05 < outside.any(axis=1).mean() < 0.4
    assert ((flags > 0).sum(axis=1) >= 6).all()


def test_the_face_is_hidden_from_behind():
    """Nose and both eyes are seen together from the front, not from behind.

    Facing the camera, the left shoulder is to the right of the right one in
    the image, unless the figure is upside down.
    """
    facing, hidden_face = [], []
    nose, eyes = KEYPOINTS.index('nose'), [1, 2]
    for index in range(300):
        figure = render_figure(10, index, SIZE)
        left, right = (
            keypoint(figure, f'{side}_shoulder') for side in ('left', 'right')
        )
        hips = keypoint(figure, 'left_hip') + keypoint(figure, 'right_hip')
        spine = hips / 2 - (left + right) / 2
        turn = (left - right) @ (spine[1], -spine[0])
        if abs(turn) < 0.3 * (spine @ spine) or not figure.visibility.all():
            continue
        facing.append(turn > 0)
        hidden_face.append((figure.visibility[[nose, *eyes]] == 1).all())
    facing, hidden_face = np.array(facing), np.array(hidden_face)
    assert facing.sum() > 30 and (~facing).sum() > 15
    assert hidden_face[~facing].mean() > 0.9
    assert hidden_face[facing].mean() < 0.3


def test_left_and_right_parts_mix():
    """Neither side is always nearer, and neither is always to one side."""
    figures = [render_figure(11, index, SIZE) for index in range(200)]
    left, right = (
        np.array([keypoint(f, f'{side}_hip') for f in figures])
        for side in ('left', 'right')
    )
    share = (left[:, 0] > right[:, 0]).mean()
    assert 0.5 < share < 0.85


def hashes(order, seed):
    """Of all that figures consist of, by index."""
    found = {}
    for index in order:
        figure = render_figure(seed, index, SIZE)
        data = [figure.image, figure.keypoints, figure.visibility, figure.bbox]
        data = b''.join(x.tobytes() for x in data) + str(figure.area).encode()
        found[index] = hashlib.sha256(data).hexdigest()
    return [found[index] for index in sorted(found)]


def test_same_in_every_process_and_order():
    """Here, and backwards in a process that hashes otherwise."""
    done = subprocess.run(
        [sys.executable, '-c', _HASHES],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == hashes(range(12), 3)


def test_seed_and_index_matter():
    images = {
        hashlib.sha256(render_figure(seed, index, SIZE).image).digest()
        for seed in range(4)
        for index in range(4)
    }
    assert len(images) == 16


@pytest.mark.parametrize('size', [(32, 32), (48, 256), (600, 520)])
def test_any_image_size(size):
    for index in range(20):
        figure = render_figure(0, index, size)
        assert figure.image.shape == (size[1], size[0], 3)
        assert figure.image.dtype == np.uint8
        assert (figure.bbox >= 0).all()
        assert (figure.bbox[:2] + figure.bbox[2:] <= np.array(size) - 1).all()
        assert 0 <= figure.area <= (figure.bbox[2:] + 1).prod()
