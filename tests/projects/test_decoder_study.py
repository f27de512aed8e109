"""projects/decoder_study: its command, its numbers, its parts."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dark_codec import GaussianFitDecoder, TaylorDecoder
from projects.decoder_study import __main__ as study
from projects.decoder_study.covariance import Predicted, alignment, judge
from projects.decoder_study.expected_oks import SIGMAS
from projects.decoder_study.real_maps import cut_at_border, flip_average
from projects.decoder_study.scores import score
from projects.shared_data import REAL_HEATMAPS, Maps, load

ROOT = Path(__file__).parents[2]
IMAGES = 12


def read_table(page, name):
    """Cells by the first one of their row."""
    block = re.search(
        rf'<!-- table {name} -->\n(.*?)<!-- end -->', page, re.DOTALL
    )
    rows = [line.strip('| ').split(' | ') for line in block[1].split('\n')]
    return {row[0]: row[1:] for row in rows[3:] if len(row) > 1}


@pytest.fixture(scope='module')
def few(tmp_path_factory):
    """The first photographs, in a file."""
    path = tmp_path_factory.mktemp('study') / 'few.npz'
    with np.load(REAL_HEATMAPS) as arrays:
        np.savez(path, **{k: array[:IMAGES] for k, array in arrays.items()})
    return path


@pytest.fixture(scope='module')
def out(few):
    """What the command writes about them."""
    study.main(['real', '--data', str(few), '--out', str(few.parent)])
    return few.parent


def argmax_scores(heatmaps, truth, torso):
    """PCKs and mean error of argmax, one keypoint at a time."""
    errors = []
    for sample, targets in zip(heatmaps, truth):
        for heatmap, target in zip(sample, targets):
            y, x = divmod(int(np.argmax(heatmap)), heatmap.shape[1])
            errors.append([x - target[0], y - target[1]])
    errors = np.array(errors) - np.median(errors, axis=0)
    distances = np.hypot(*errors.T)
    relative = distances / np.repeat(torso, truth.shape[1])
    pcks = [100 * np.mean(relative < t) for t in (0.2, 0.1, 0.05)]
    return [*pcks, np.mean(distances)]


def test_command_writes_the_right_numbers(out, few):
    page = (out / 'README.md').read_text()
    with np.load(few) as file:
        arrays = dict(file)
    heatmaps = arrays['heatmaps'].astype(np.float32)
    moved = arrays['heatmaps_flip'].astype(np.float32)
    moved[..., 1:] = moved[..., :-1].copy()
    for name, maps in (
        ('plain', heatmaps),
        ('flip-average', (heatmaps + moved) / 2),
    ):
        written = read_table(page, name)['argmax']
        numbers = [float(cell.split(';')[0]) for cell in written]
        expected = argmax_scores(maps, arrays['gt'], arrays['torso'])
        np.testing.assert_allclose(numbers, expected, atol=0.0051)


def test_calibration_of_the_height_keypoint_by_keypoint(out, few):
    with np.load(few) as file:
        maps, truth = file['heatmaps'].astype(np.float32), file['gt']
    points = TaylorDecoder(sigma=2.0)(torch.from_numpy(maps)).points.numpy()
    errors = points - truth
    errors = errors - np.median(errors, (0, 1))
    gaps = np.zeros(10)
    for image, labels in enumerate(truth):
        width, height = 1.2 * (labels.max(0) - labels.min(0))
        for joint, sigma in enumerate(SIGMAS):
            square = (errors[image, joint] ** 2).sum()
            tolerance = 4 * sigma**2 * 0.53 * width * height
            peak = maps[image, joint].max()
            gap = peak - np.exp(-square / (2 * tolerance))
            gaps[min(int(10 * peak), 9)] += gap
    expected = np.abs(gaps).sum() / truth[..., 0].size
    table = read_table((out / 'README.md').read_text(), 'scores')
    found = float(table['plain; 0'][0].split(' ')[0])
    assert found == pytest.approx(expected, abs=6e-4)


def test_command_draws_what_the_page_shows(out):
    images = [path.name for path in (out / 'images').iterdir()]
    linked = re.findall(r'\]\(images/(.*?)\)', (out / 'README.md').read_text())
    assert images == linked == ['kernels.png']


def test_page_in_the_repository_is_up_to_date(data_root):
    # all that the page rests on
    archive = data_root / 'heatmaps' / 'lsp_test_first250_coco12.npz'
    with np.load(archive) as file:
        arrays = dict(file)
    table = read_table(study.PAGES['real'].read_text(), 'plain')
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
        assert float(table[name][2].split(';')[0]) == pytest.approx(
            100 * hit.mean(), abs=0.04
        )


def test_gaussians_renew_the_page(tmp_path):
    study.main(['gaussians', '--maps', '60', '--out', str(tmp_path)])
    renewed = (tmp_path / 'decoders.md').read_text()
    published = (ROOT / 'docs/decoders.md').read_text()
    names = re.findall(r'<!-- table (\S+) -->', published)
    assert len(names) == 6
    for name in names:
        new, old = read_table(renewed, name), read_table(published, name)
        assert list(new) == list(old)
        if name.startswith('accuracy-border') or name == 'accuracy-sigma':
            continue
        # 120 numbers each: a relative error of 7 %
        for decoder in ('argmax', 'Gaussian fit'):
            numbers, expected = (
                [float(cell) for cell in table[decoder]]
                for table in (new, old)
            )
            assert numbers == pytest.approx(expected, rel=0.3, abs=1e-4)


def test_a_wrong_count_is_refused(capsys):
    with pytest.raises(SystemExit):
        study.main(['gaussians', '--maps', '0'])
    assert '--maps must be positive, got 0' in capsys.readouterr().err


def test_absent_data_is_a_clear_error(tmp_path):
    missing = tmp_path / 'none.npz'
    with pytest.raises(SystemExit, match=f'error: no heatmaps in {missing}'):
        study.main(
            ['real', '--data', str(missing), '--out', str(tmp_path / 'out')]
        )


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
    cut, to_whole = cut_at_border(maps, distance)
    assert cut.shape == (5, 4, 64, 24)
    index = cut.flatten(2).argmax(2).numpy()
    column, row = index % 24, index // 24
    # those near the right border are mirrored
    edge = np.where(x - distance + 24 > 48, 47 - x, x)
    assert (edge != x).any() and (edge == x).any()
    np.testing.assert_array_equal(column, np.minimum(edge, distance))
    back = to_whole(np.stack([column, row], -1))
    np.testing.assert_array_equal(back, np.stack([x, y], -1))


def test_flip_average_shifts_to_the_right():
    flipped = torch.zeros(1, 1, 1, 5)
    flipped[..., 2] = 1
    plain = Maps(torch.zeros_like(flipped), np.zeros((1, 1, 2)), np.ones(1))
    mean = flip_average(plain, flipped).heatmaps
    assert mean.flatten().tolist() == [0, 0, 0, 0.5, 0]


def test_sigmas_are_those_of_the_joints():
    """In the order of Leeds Sports, from the right ankle to the left wrist."""
    ankle, knee, hip, wrist, elbow, shoulder = (
        *(0.089, 0.087, 0.107),
        *(0.062, 0.072, 0.079),
    )
    legs = [ankle, knee, hip, hip, knee, ankle]
    assert [*SIGMAS] == [*legs, wrist, elbow, shoulder, shoulder, elbow, wrist]


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
    parameters, squared, truth = judge(predicted, 'b^2 + a^2 (C - sigma^2)')
    np.testing.assert_allclose(parameters, [0.6, 0.8], rtol=0.05)
    for level in (0.5, 0.9):
        # chi-squared with two degrees of freedom
        share = (squared < -2 * np.log(1 - level)).mean()
        assert share == pytest.approx(level, abs=0.025)
    for other in ('b^2', 'C', 'a^2 C', 'b^2 / score^2c'):
        assert judge(predicted, other)[2].mean() < truth.mean()
    assert (judge(predicted, 'C')[1] < -2 * np.log(0.5)).mean() > 0.8


def test_errors_along_the_long_axis_are_aligned(rng):
    predicted = _predicted(rng)
    _, axes = np.linalg.eigh(predicted.covariance)
    everywhere = np.ones((400, 10), bool)
    for column, expected in ((1, 1), (0, -1)):
        errors = axes[..., column]
        assert alignment(
            predicted.covariance, errors, everywhere
        ) == pytest.approx(expected)
