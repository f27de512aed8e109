"""The study on real heatmaps: its command, its numbers, its parts."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import call

from dark_codec.analysis.report import fill
from projects.decoder_study.covariance import Predicted, _alignment
from projects.decoder_study.kernels import has_second_peak
from projects.decoder_study.maps import (
    cut_at_border,
    flip_average,
    halve,
)
from projects.decoder_study.models import inside, judge
from projects.decoder_study.scores import score
from projects.shared_data import REAL_HEATMAPS, Maps, load

_ROOT = Path(__file__).parents[2]
_STUDY = _ROOT / 'projects' / 'decoder_study'
_TOOL = str(_STUDY / 'study_heatmaps.py')
_IMAGES = 24


def _run(*args, **environment):
    return call(_TOOL, *args, cwd=_ROOT, **environment)


@pytest.fixture(scope='module')
def arrays():
    with np.load(REAL_HEATMAPS) as arrays:
        return dict(arrays)


@pytest.fixture(scope='module')
def out(arrays, tmp_path_factory):
    """What the command writes from the first photographs."""
    folder = tmp_path_factory.mktemp('study')
    few = {name: array[:_IMAGES] for name, array in arrays.items()}
    np.savez(folder / 'few.npz', **few)
    run = _run('--data', folder / 'few.npz', '--out', folder / 'out')
    assert run.returncode == 0, run.stderr
    return folder / 'out'


def _table(page, name):
    block = re.search(
        rf'<!-- table {name} -->\n(.*?)<!-- end -->', page, re.DOTALL
    )
    rows = [line.strip('| ').split(' | ') for line in block[1].split('\n')]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def _argmax_scores(heatmaps, truth, torso):
    """PCKs, mean and median error of argmax, one keypoint at a time."""
    errors = []
    for sample, targets in zip(heatmaps, truth):
        for heatmap, target in zip(sample, targets):
            y, x = divmod(int(np.argmax(heatmap)), heatmap.shape[1])
            errors.append([x - target[0], y - target[1]])
    errors = np.array(errors) - np.median(errors, axis=0)
    distances = np.hypot(*errors.T)
    relative = distances / np.repeat(torso, truth.shape[1])
    pcks = [100 * np.mean(relative < t) for t in (0.2, 0.1, 0.05)]
    return [*pcks, np.mean(distances), np.median(distances)]


def test_command_writes_the_right_numbers(out, arrays):
    page = (out / 'README.md').read_text()
    few = {name: array[:_IMAGES] for name, array in arrays.items()}
    heatmaps = few['heatmaps'].astype(np.float32)
    moved = few['heatmaps_flip'].astype(np.float32)
    moved[..., 1:] = moved[..., :-1].copy()
    for name, maps in (
        ('plain', heatmaps),
        ('flip-average', (heatmaps + moved) / 2),
    ):
        written = _table(page, f'{name}-scores')['argmax']
        numbers = [float(cell.split(' ')[0]) for cell in written]
        expected = _argmax_scores(maps, few['gt'], few['torso'])
        np.testing.assert_allclose(numbers, expected, atol=0.0051)


def test_command_writes_tables_and_figures(out):
    kernels = (out / 'every_kernel.md').read_text()
    for row in ('Taylor, max; OpenCV 17', 'Taylor, minmax; sigma 2.75'):
        assert kernels.count(f'| {row} |') == 2
    images = out / 'images'
    assert sorted(path.name for path in images.iterdir()) == [
        'border.png',
        'covariance.png',
        'kernels.png',
    ]
    linked = re.findall(r'\]\(images/(.*?)\)', (out / 'README.md').read_text())
    assert sorted(linked) == sorted(path.name for path in images.iterdir())


def test_page_in_the_repository_is_up_to_date(data_root):
    from dark_codec import GaussianFitDecoder, TaylorDecoder

    # all that the page rests on
    archive = data_root / 'heatmaps' / 'lsp_test_first250_coco12.npz'
    with np.load(archive) as file:
        arrays = dict(file)
    page = (_STUDY / 'README.md').read_text()
    table = _table(page, 'plain-scores')
    heatmaps = torch.from_numpy(arrays['heatmaps'].astype(np.float32))
    for name, decoder in (
        ('DARK, Eq. 10-11 (default)', TaylorDecoder(sigma=2.0)),
        ('Gaussian fit', GaussianFitDecoder(2.0)),
    ):
        errors = decoder(heatmaps).points.numpy() - arrays['gt']
        errors = errors - np.median(errors, (0, 1))
        distances = np.hypot(errors[..., 0], errors[..., 1])
        hit = distances < 0.05 * arrays['torso'][:, None]
        # one keypoint of 3000 may change sides on another machine
        assert float(table[name][2].split(' ')[0]) == pytest.approx(
            100 * hit.mean(), abs=0.04
        )


def test_absent_data_is_a_clear_error(tmp_path):
    run = _run('--data', tmp_path / 'none.npz')
    assert run.returncode == 1
    assert 'Traceback' not in run.stderr
    assert f'error: no heatmaps in {tmp_path}' in run.stderr
    assert '--data' in run.stderr


@pytest.mark.parametrize(
    'change',
    [
        dict(torso=None),
        dict(gt=np.zeros((2, 3, 3))),
        dict(heatmaps=np.zeros(3)),
        dict(heatmaps_flip=np.zeros((2, 3, 8, 7))),
    ],
)
def test_other_files_are_a_clear_error(change, tmp_path):
    arrays = dict(
        heatmaps=np.zeros((2, 3, 8, 6), np.float32),
        heatmaps_flip=np.zeros((2, 3, 8, 6), np.float32),
        gt=np.zeros((2, 3, 2)),
        torso=np.ones(2),
    )
    np.savez(tmp_path / 'right.npz', **arrays)
    load(tmp_path / 'right.npz')
    arrays |= change
    arrays = {k: v for k, v in arrays.items() if v is not None}
    np.savez(tmp_path / 'other.npz', **arrays)
    with pytest.raises(ValueError, match=r'other.npz must hold heatmaps'):
        load(tmp_path / 'other.npz')


@pytest.mark.parametrize('content', [b'', b'text', b'PK\x03\x04cut off'])
def test_no_archive_is_a_clear_error(content, tmp_path):
    (tmp_path / 'broken.npz').write_bytes(content)
    with pytest.raises(ValueError, match='broken.npz is no npz archive'):
        load(tmp_path / 'broken.npz')


def test_score_removes_a_constant_offset_only():
    truth = np.arange(24.0).reshape(2, 6, 2)
    maps = Maps(torch.zeros(2, 6, 4, 4), truth, np.array([10.0, 100.0]))
    points = truth + [0.5, -2]
    points[0, 0, 0] += 1.5  # hits 0.2 of the torso of 10 px, not 0.1
    scores = score(points, maps)
    np.testing.assert_allclose(scores.offset, [0.5, -2])
    np.testing.assert_allclose(
        scores.per_image[0, :3], [100, 500 / 6, 500 / 6]
    )
    np.testing.assert_allclose(scores.per_image[1, :3], 100)
    np.testing.assert_allclose(scores.per_image[:, 3], [0.25, 0])


def _peaks(rng):
    x, y = rng.integers(0, 48, (5, 4)), rng.integers(0, 64, (5, 4))
    maps = torch.from_numpy(rng.uniform(0, 0.1, (5, 4, 64, 48)))
    maps = maps.to(torch.float32)
    i, k = np.mgrid[:5, :4]
    maps[i, k, y, x] = 1
    return maps, x, y


@pytest.mark.parametrize('distance', [0, 3])
def test_cut_puts_the_peak_beside_the_border(distance, rng):
    maps, x, y = _peaks(rng)
    cut = cut_at_border(maps, distance)
    assert cut.heatmaps.shape == (5, 4, 64, 24)
    index = cut.heatmaps.flatten(2).argmax(2).numpy()
    column, row = index % 24, index // 24
    mirrored = cut.mirrored.numpy()
    assert mirrored.any() and not mirrored.all()
    edge = np.where(mirrored, 47 - x, x)
    np.testing.assert_array_equal(column, np.minimum(edge, distance))
    back = cut.to_whole(np.stack([column, row], -1))
    np.testing.assert_array_equal(back, np.stack([x, y], -1))


def test_flip_average_shifts_to_the_right():
    flipped = torch.zeros(1, 1, 1, 5)
    flipped[..., 2] = 1
    plain = Maps(torch.zeros_like(flipped), np.zeros((1, 1, 2)), np.ones(1))
    for shift, expected in (
        (1.0, [0, 0, 0, 0.5, 0]),
        (0.75, [0, 0, 0.125, 0.375, 0]),
        (0.0, [0, 0, 0.5, 0, 0]),
    ):
        mean = flip_average(plain, flipped, shift).heatmaps
        assert mean.flatten().tolist() == expected


@pytest.mark.parametrize('how', ['mean', 'every-second'])
def test_halved_maps_keep_the_truth(how):
    from dark_codec import GaussianFitDecoder

    truth = np.array([[[21.3, 30.8], [25.6, 17.1]]])
    y, x = np.mgrid[:64, :48]
    squares = [(x - a) ** 2 + (y - b) ** 2 for a, b in truth[0]]
    maps = np.exp(-np.stack(squares)[None] / 8).astype(np.float32)
    half = halve(Maps(torch.from_numpy(maps), truth, np.ones(1)), how)
    points = GaussianFitDecoder(1.0)(half.heatmaps).points.numpy()
    np.testing.assert_allclose(points, half.truth, atol=2e-3)
    assert half.torso == [0.5]


def test_second_peaks():
    maps = torch.zeros(1, 4, 20, 20)
    maps[0, :, 8, 8] = 1
    maps[0, 1, 8, 16] = 0.6  # high enough and far enough
    maps[0, 2, 8, 16] = 0.4
    maps[0, 3, 8, 12] = 0.6
    assert has_second_peak(maps).tolist() == [[False, True, False, False]]


def _predicted(rng):
    """Errors that follow b^2 + a^2 (C - sigma^2), b 0.6 and a 0.8."""
    shape = (400, 10)
    angle = rng.uniform(0, np.pi, shape)
    axis = np.stack([np.cos(angle), np.sin(angle)], -1)
    excess = rng.uniform(0.5, 6, shape)[..., None, None] * (
        axis[..., :, None] * axis[..., None, :]
    )
    error = 0.36 * np.eye(2) + 0.64 * excess
    draws = rng.normal(size=(*shape, 2, 1))
    errors = (np.linalg.cholesky(error) @ draws)[..., 0]
    located = np.ones(shape, bool)
    covariance = excess + 4 * np.eye(2)
    return Predicted(
        covariance, excess, errors, rng.uniform(0.3, 1, shape), located
    )


def test_models_find_what_the_errors_follow(rng):
    predicted = _predicted(rng)
    truth = judge(predicted, 'b^2 + a^2 (C - sigma^2)')
    np.testing.assert_allclose(truth.parameters, [0.6, 0.8], rtol=0.05)
    for level in (0.5, 0.9):
        share = inside(truth, level).mean()
        assert share == pytest.approx(level, abs=0.025)
    for other in ('b^2', 'C', 'a^2 C', 'b^2 / score^2c'):
        assert judge(predicted, other).density.mean() < truth.density.mean()
    assert inside(judge(predicted, 'C'), 0.5).mean() > 0.8


def test_errors_along_the_long_axis_are_aligned(rng):
    predicted = _predicted(rng)
    _, axes = np.linalg.eigh(predicted.covariance)
    everywhere = np.ones((400, 10), bool)
    for column, expected in ((1, 1), (0, -1)):
        errors = axes[..., column]
        assert _alignment(
            predicted.covariance, errors, everywhere
        ) == pytest.approx(expected)


def test_page_needs_a_place_for_each_table():
    page = '# A\n<!-- table a -->\nold\n<!-- end -->\ntext\n'
    assert fill(page, dict(a='new')) == (
        '# A\n<!-- table a -->\n\nnew\n\n<!-- end -->\ntext\n'
    )
    with pytest.raises(ValueError, match=r"one block for each of \['b'\]"):
        fill(page, dict(b='new'))
