"""The tool that diagnoses predictions: as users call it, and its readers."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.datasets import CocoDataset
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.structures import PoseDataSample
from tiny_run import start

from dark_codec import DARKCodec
from dark_codec.analysis.diagnosis_data import read_archive, read_dump
from dark_codec.cli import UserError
from dark_codec.dumps.format import DumpError, DumpInfo
from dark_codec.dumps.reader import FlipPoints, HeatmapDump
from dark_codec.dumps.writer import write_head, write_shard
from tools.analysis_tools.diagnose_heatmaps import main

TOOL = 'analysis_tools/diagnose_heatmaps.py'
ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'docs/diagnosis.md'
REAL_HEATMAPS = ROOT / 'tests/data/real_heatmaps.npz'
PARTNERS = ['--flip-indices', *'5 4 3 2 1 0 11 10 9 8 7 6'.split()]
META = parse_pose_metainfo(CocoDataset.METAINFO)
FLIP = np.array(META['flip_indices'])
INPUT_SIZE, HEATMAP_SIZE = (96, 128), (24, 32)
SHARD, PEOPLE, JOINTS = 40, 100, 17


def diagnosis(folder):
    return json.loads((folder / 'diagnosis.json').read_text())


@pytest.fixture(scope='module')
def lsp(tmp_path_factory):
    """A diagnosis of a real network's heatmaps, as users start the tool."""
    folder = tmp_path_factory.mktemp('diagnosis')
    result = start(TOOL, REAL_HEATMAPS, *PARTNERS, '--out=out', cwd=folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('asymmetric: 0.786 px [0.7')
    return folder / 'out'


def test_real_heatmaps_match_asymmetric(lsp):
    found = diagnosis(lsp)
    assert (found['people'], found['images']) == (25, 25)
    alignment = found['alignment']
    assert alignment['verdict'] == 'asymmetric'
    assert alignment['warning'] == ''
    for axis, theory in enumerate((0.75, 0)):
        assert alignment['offset_px']['low'][axis] < theory
        assert alignment['offset_px']['high'][axis] > theory
    error = found['error']
    # half_pixel truth: half of 1 - 1/4 is the alignment's
    assert error['explained_px'] == pytest.approx([0.375, 0.375])
    # of 250 photographs
    hits, offset = error['shares']['hit'], error['offset_px']
    assert hits['low'] < 0.848 < hits['high']
    assert offset['low'][0] < 0.596 < offset['high'][0]


def test_page_in_the_repository_is_up_to_date(lsp):
    """The page's command names this file, and has its tables."""
    page = PAGE.read_text()
    options = ' '.join(PARTNERS)
    assert f'{TOOL} tests/data/real_heatmaps.npz {options} --out' in page
    written = table_lines((lsp / 'diagnosis.md').read_text())
    shown = table_lines(page)
    first = shown.index(written[0])
    for line, committed in zip(written, shown[first:], strict=False):
        if not numbers(line):
            assert committed == line
        np.testing.assert_allclose(
            numbers(committed), numbers(line), atol=0.02, rtol=0.02
        )
    assert len(shown) - first >= len(written) > 10


def numbers(text):
    return [float(x) for x in re.findall(r'-?\d+\.\d+', text)]


def table_lines(page):
    return [line for line in page.splitlines() if line.startswith('|')]


def test_output_is_complete(lsp):
    names = ['diagnosis.json', 'diagnosis.md', 'diagnosis.png']
    assert sorted(path.name for path in lsp.iterdir()) == names
    assert '](diagnosis.png)' in (lsp / 'diagnosis.md').read_text()
    assert (lsp / 'diagnosis.png').read_bytes().startswith(b'\x89PNG')


def place_people(rng):
    """Keypoints in input px, and their crops in image px."""
    low, high = np.array([24, 24]), np.array(INPUT_SIZE) - 24
    points = rng.uniform(low, high, (PEOPLE, JOINTS, 2))
    centre = rng.uniform(100, 200, (PEOPLE, 2))
    scale = rng.uniform(1, 2, (PEOPLE, 1)) * INPUT_SIZE
    return points, centre, scale


def predict(points):
    """Maps of an ideal network of the asymmetric alignment; un-flipped, too.

    The image is mirrored, and the map's columns reversed, one by one.
    """
    codec = DARKCodec(INPUT_SIZE, decoder='GaussianFitDecoder')
    visible = torch.ones(PEOPLE, 1, JOINTS)
    mirrored = points[:, FLIP] * [-1, 1] + [INPUT_SIZE[0] - 1, 0]
    plain, seen = (
        codec.batch_encode(torch.from_numpy(view)[:, None], visible)[0].numpy()
        for view in (points, mirrored)
    )
    unflipped = np.stack(
        [seen[:, FLIP][..., -1 - x] for x in range(HEATMAP_SIZE[0])], -1
    )
    decoded = [
        codec.decoder(torch.from_numpy(maps)) for maps in (plain, unflipped)
    ]
    parts = [p.numpy() for d in decoded for p in (d.points, d.scores)]
    return (plain + unflipped) / 2, FlipPoints(*parts)


def samples_of(points, centre, scale):
    """What MMPose's pipeline packs, three people an image."""
    in_image = points / INPUT_SIZE * scale[:, None]
    in_image += (centre - scale / 2)[:, None]
    for i in range(len(points)):
        box = [*(centre[i] - scale[i] * 0.4), *(centre[i] + scale[i] * 0.4)]
        labels = InstanceData(
            keypoints=in_image[i : i + 1].astype(np.float32),
            keypoints_visible=np.ones((1, JOINTS), np.float32),
            bboxes=np.array([box], np.float32),
            bbox_scores=np.ones(1, np.float32),
        )
        metainfo = dict(
            img_id=i // 3,
            input_center=centre[i],
            input_scale=scale[i],
            input_size=INPUT_SIZE,
        )
        sample = PoseDataSample(metainfo=metainfo)
        sample.gt_instances = labels
        yield sample


def write_dump(folder, rng, flip_test=True, labelled=True, **meta):
    """A dump with known errors, of a config with a wrong alignment."""
    truth, centre, scale = place_people(rng)
    points = truth.copy()
    swapped = rng.uniform(size=truth.shape[:2]) < 0.1
    swapped[:, 0] = False  # the nose, in the middle
    points[swapped] = truth[:, FLIP][swapped]
    maps, flips = predict(points)
    codec = DARKCodec(INPUT_SIZE)
    info = DumpInfo(
        kind='full',
        dtype='float32',
        patch_radius=None,
        codec=dict(
            type='DARKCodec',
            input_size=INPUT_SIZE,
            heatmap_size=codec.heatmap_size,
            sigma=codec.sigma,
            alignment='half_pixel',
        ),
        flip_test=flip_test,
        shift_heatmap=False,
        num_samples=PEOPLE,
        shard_size=SHARD,
        batch_size=8,
        dataset_meta={**META, **meta},
        config_hash={},
        checkpoint='',
        checkpoint_hash='',
        software={},
    )
    write_head(folder, info, '')
    people = list(samples_of(truth, centre, scale))
    for sample in people:
        sample.gt_instances.keypoints_visible *= labelled
    for number in range(info.num_shards):
        part = slice(number * SHARD, (number + 1) * SHARD)
        halves = FlipPoints(*(half[part] for half in flips))
        write_shard(
            folder,
            number,
            info,
            maps[part],
            halves if flip_test else None,
            people[part],
        )
    return truth, swapped


def test_a_dump_whose_config_names_another_alignment(tmp_path, capsys):
    _, swapped = write_dump(tmp_path / 'dump', np.random.default_rng(1))
    out = str(tmp_path / 'out')
    main([str(tmp_path / 'dump'), '--size', 'box', '--out', out])
    warning = (
        "warning: the config says alignment='half_pixel', but the heatmaps "
        "match 'asymmetric': 0.750 px"
    )
    assert warning in capsys.readouterr().err
    page = (tmp_path / 'out' / 'diagnosis.md').read_text()
    assert f'**Warning**: {warning[9:]}' in page
    found = diagnosis(tmp_path / 'out')
    assert (found['people'], found['images']) == (PEOPLE, 34)
    alignment, error = found['alignment'], found['error']
    assert alignment['offset_px']['value'] == pytest.approx(
        [0.75, 0], abs=1e-3
    )
    # plain predictions are off by 0.375 px in x and y; the mean with
    # un-flipped ones takes that of x away
    for offset in (error['offset_px']['value'], error['explained_px']):
        assert offset == pytest.approx([0, 0.375], abs=0.01)
    assert error['offset_input_px']['value'] == pytest.approx(
        [0, 1.5], abs=0.04
    )
    assert error['keypoints'] == PEOPLE * JOINTS
    shares = {kind: x['value'] for kind, x in error['shares'].items()}
    assert sum(shares.values()) == pytest.approx(1)
    # a keypoint whose partner is near is a hit all the same
    assert shares['swap'] == pytest.approx(swapped.mean(), abs=0.01)
    assert shares['miss'] == 0
    parts = error['mean_error_px']
    assert parts['scatter'] < 0.05 and parts['swap'] > 0.5
    for axis in (0, 1):
        assert error['scatter_px']['value'][axis] < 0.01


def test_sizes_of_people_in_a_dump(tmp_path):
    rng = np.random.default_rng(2)
    truth, _ = write_dump(tmp_path / 'dump', rng)
    torso = read_dump(HeatmapDump(tmp_path / 'dump'), None)
    assert torso.size == 'torso'
    ends = [
        META['keypoint_name2id'][n] for n in ('left_shoulder', 'right_hip')
    ]
    for i, size in enumerate(torso.keypoints.size):
        x, y = (truth[i, ends[0]] - truth[i, ends[1]]) / 4
        assert size == pytest.approx(np.hypot(x, y), rel=1e-4)
    box = read_dump(HeatmapDump(tmp_path / 'dump'), 'box')
    # the crop is 32 px high, the box 0.8 times that
    np.testing.assert_allclose(box.keypoints.size, 0.8 * 32, rtol=1e-5)
    half_pixel = (truth + 0.5) / 4 - 0.5
    np.testing.assert_allclose(box.keypoints.truth, half_pixel, atol=1e-3)


def test_people_without_a_torso(tmp_path):
    names = {'nose': 0, 'tail': 1}
    dump, out = tmp_path / 'dump', tmp_path / 'out'
    write_dump(dump, np.random.default_rng(3), keypoint_name2id=names)
    main([str(dump), '--out', str(out)])
    assert diagnosis(out)['error']['size'] == 'box'
    with pytest.raises(UserError, match=r"--size torso .*\['nose', 'tail'\]"):
        main([str(dump), '--out', str(out), '--size=torso'])


@pytest.mark.parametrize(
    'lacks, text, key',
    [
        ('labelled', 'Nothing is labelled.', 'alignment'),
        ('flip_test', 'Not known: that takes a flip test', 'error'),
    ],
)
def test_half_a_diagnosis(lacks, text, key, tmp_path):
    rng = np.random.default_rng(5)
    dump, out = tmp_path / 'dump', tmp_path / 'out'
    write_dump(dump, rng, **{lacks: False})
    main([str(dump), '--out', str(out)])
    assert text in (out / 'diagnosis.md').read_text()
    assert {'alignment', 'error'} & set(diagnosis(out)) == {key}
    assert (out / 'diagnosis.png').is_file()


def test_nothing_to_be_said(tmp_path):
    rng = np.random.default_rng(4)
    dump, out = tmp_path / 'dump', tmp_path / 'out'
    write_dump(dump, rng, flip_test=False, labelled=False)
    with pytest.raises(UserError, match='neither labels nor a flip test'):
        main([str(dump), '--out', str(out)])


def test_output_that_cannot_be_written_is_refused_before_work(tmp_path):
    """A folder, and an archive; on a path that nobody can make."""
    write_dump(tmp_path / 'dump', np.random.default_rng(6))
    write_archive(tmp_path / 'some.npz', np.random.default_rng(6))
    (tmp_path / 'file').touch()
    for name in ('dump', 'some.npz'):
        for out in ('file', 'file/below', '/proc/diagnosis'):
            out = tmp_path / out
            with pytest.raises(UserError, match=f'--out {out}: ') as error:
                main([str(tmp_path / name), '--out', str(out)])
            assert '\n' not in str(error.value)


def test_a_dump_needs_no_config(tmp_path):
    write_dump(tmp_path / 'dump', np.random.default_rng(7))
    (tmp_path / 'dump/config.py').unlink()
    main([str(tmp_path / 'dump'), '--out', str(tmp_path / 'out')])
    assert diagnosis(tmp_path / 'out')['people'] == PEOPLE


def write_archive(path, rng, **change):
    arrays = dict(
        heatmaps=rng.uniform(size=(5, 3, 16, 12)).astype(np.float16),
        heatmaps_flip=rng.uniform(size=(5, 3, 16, 12)).astype(np.float16),
        gt=rng.uniform(2, 10, (5, 3, 2)),
        torso=np.full(5, 4.0),
    )
    arrays |= change
    np.savez(path, **{k: v for k, v in arrays.items() if v is not None})


def test_parts_of_an_archive(tmp_path, rng):
    maps = rng.uniform(size=(5, 3, 16, 12)).astype(np.float32)
    maps[2, 1] = 0
    truth = rng.uniform(2, 10, (5, 3, 2))
    truth[3, 2] = np.nan
    path = tmp_path / 'some.npz'
    write_archive(path, rng, heatmaps=maps, gt=truth)
    case = read_archive(path, (96, 128), [1, 0, 2])
    assert case.input_size == (96, 128) and case.heatmap_size == (12, 16)
    lost = np.isnan(case.plain).all(-1)
    assert np.argwhere(lost).tolist() == [[2, 1]]
    np.testing.assert_array_equal(case.keypoints.points[2, 1], [5.5, 7.5])
    unlabelled = np.argwhere(~case.keypoints.labelled)
    assert unlabelled.tolist() == [[3, 2]]
    for i, k in np.ndindex(5, 3):
        if not lost[i, k]:
            y, x = divmod(int(maps[i, k].argmax()), 12)
            assert case.keypoints.peaks[i, k].tolist() == [x, y]
    write_archive(path, rng, gt=None, torso=None)
    case = read_archive(path, None, None)
    assert case.input_size == (48, 64) and case.keypoints is None
    write_archive(path, rng, heatmaps_flip=None)
    case = read_archive(path, None, None)
    assert case.unflipped is None
    assert case.keypoints.flip_indices.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    'change',
    [
        dict(heatmaps=None),
        dict(heatmaps=np.zeros((5, 3))),
        dict(gt=None, torso=None, heatmaps_flip=None),
        dict(torso=None),
        dict(gt=np.zeros((5, 3, 3))),
        dict(heatmaps_flip=np.zeros((5, 3, 12, 16))),
    ],
)
def test_other_archives_are_refused(change, tmp_path, rng):
    write_archive(tmp_path / 'other.npz', rng, **change)
    with pytest.raises(DumpError, match=r'other.npz must hold heatmaps \(I,'):
        read_archive(tmp_path / 'other.npz', None, None)


def test_bad_options_are_refused(tmp_path, rng):
    path = tmp_path / 'some.npz'
    write_archive(path, rng)
    for flip in ([1, 2, 0], [0, 1], [0, 0, 2], [0, 1, 3]):
        with pytest.raises(DumpError, match='--flip-indices must be, for'):
            read_archive(path, None, flip)
    with pytest.raises(DumpError, match='--input-size: heatmap_size'):
        read_archive(path, (100, 64), None)
    (tmp_path / 'text.npz').write_text('no archive')
    with pytest.raises(DumpError, match='text.npz is no npz archive'):
        read_archive(tmp_path / 'text.npz', None, None)
    with pytest.raises(DumpError, match='is no heatmap dump'):
        HeatmapDump(tmp_path)


@pytest.mark.parametrize(
    'name, options, message',
    [
        ('some.npz', ['--size', 'box'], '--size is for a dump that is a fo'),
        ('some.npz', ['--radius', '0'], '--radius must be positive, got 0.0'),
        (
            '.',
            ['--input-size', '64', '64'],
            '--input-size is for a dump that is an npz file',
        ),
    ],
)
def test_options_that_do_not_fit(name, options, message, tmp_path, capsys):
    (tmp_path / 'some.npz').touch()
    with pytest.raises(SystemExit) as leave:
        main([str(tmp_path / name), '--out=out', *options])
    assert leave.value.code == 2
    assert message in capsys.readouterr().err
