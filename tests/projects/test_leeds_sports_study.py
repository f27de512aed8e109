"""The study of projects/leeds_sports: configs, trainings, tables, page."""

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_run
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from dark_codec import apply_codec
from dark_codec.analysis.report import fill
from projects.leeds_sports.study import __main__ as study
from projects.leeds_sports.study import runs, scores
from projects.leeds_sports.study.comparisons import TABLES, Row, Table
from projects.leeds_sports.study.evaluation import (
    CORRECTED,
    Decoded,
    decode_all,
    load,
    save,
)
from projects.leeds_sports.study.tables import compare, comparison_table
from projects.leeds_sports.study.when import draw_encoding, draw_kernels
from projects.prediction import predict
from tools.analysis_tools import dump_heatmaps

ROOT = Path(__file__).parents[2]

STUDY = ROOT / 'projects' / 'leeds_sports' / 'study'
FILES = sorted(path.stem for path in (STUDY / 'configs').glob('*.py'))
ENCODERS = {
    'unbiased': None,
    'biased': dict(type='BiasedEncoder'),
    'biased-floor': dict(type='BiasedEncoder', quantise='floor'),
}


def expected_codec(name):
    """What the config's name promises."""
    what, size = name.split('_')[2], name.split('-')[-1]
    codec, _ = what.split('-1xb')
    alignment = 'half_pixel'
    for other in ('align_corners', 'asymmetric'):
        if codec.endswith(other.replace('_', '-')):
            alignment = other
            codec = codec.removesuffix('-' + other.replace('_', '-'))
    height, width = map(int, size.split('x'))
    expected = dict(
        type='DARKCodec',
        input_size=(width, height),
        alignment=alignment,
        sigma=1.0,
    )
    if codec.endswith('-stride16'):
        codec = codec.removesuffix('-stride16')
        expected['heatmap_size'] = (width // 16, height // 16)
    if ENCODERS[codec] is not None:
        expected['encoder'] = ENCODERS[codec]
    return expected


@pytest.mark.parametrize('name', FILES)
def test_a_config_is_its_family_with_another_codec(name, monkeypatch):
    # as they are written
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')
    cfg = Config.fromfile(STUDY / 'configs' / f'{name}.py').to_dict()
    family = 'lsp-stride16' if 'stride16' in name else 'lsp'
    family += f'-{name.split("-")[-1]}-10e' if '-10e_' in name else ''
    base = Config.fromfile(STUDY / 'configs' / '_base_' / f'{family}.py')
    base = base.to_dict()
    assert cfg.pop('codec') == expected_codec(name)
    base.pop('codec')
    assert cfg == base
    assert f'-1xb{cfg["train_dataloader"]["batch_size"]}-' in name
    assert f'-{cfg["train_cfg"]["max_epochs"]}e_' in name
    # MMEngine ends it where the training ends
    assert 'end' not in cfg['param_scheduler'][1]


@pytest.mark.parametrize(
    ('codec', 'size', 'stride'),
    [
        ('biased', '64x48', 4),
        ('biased', '96x72', 4),
        ('biased', '128x96', 4),
        ('biased-stride16', '128x96', 16),
    ],
)
def test_networks_give_the_heatmaps_of_their_codec(codec, size, stride):
    pytest.importorskip('efficientnet_lite_pytorch')
    cfg = Config.fromfile(STUDY / 'configs' / f'{runs.short(codec, size)}.py')
    apply_codec(cfg)
    height, width = map(int, size.split('x'))
    with torch.device('meta'):
        model = MODELS.build(cfg.model).eval()
        inputs = torch.zeros(1, 3, height, width)
    heatmaps = model.head(model.extract_feat(inputs))
    assert heatmaps.shape == (1, 14, height // stride, width // stride)


def test_every_config_is_trained_and_every_row_too():
    assert {run.config for run in runs.RUNS} == set(FILES)
    rows = [row for table in TABLES.values() for row in table.rows]
    assert {row.config for row in rows} == set(FILES)
    assert len(set(runs.RUNS)) == len(runs.RUNS)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A run of two epochs of four iterations."""
    data = tiny_run.write_data(tmp_path / 'data')
    monkeypatch.setattr(runs, 'CONFIGS', tmp_path)
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    tiny_run.write_config(tmp_path / 'tiny.py', data)
    return runs.Run('tiny', seed=3)


def test_a_training_goes_on_where_it_was_interrupted(tiny, tmp_path, capfd):
    work_dir = tmp_path / 'work'
    study.train(tiny, work_dir)
    assert study.is_trained(tiny, work_dir)
    assert 'seed: 3' in capfd.readouterr().out
    # as an interruption after the first epoch leaves it
    folder = tiny.folder(work_dir)
    (folder / 'epoch_2.pth').unlink()
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_1.pth'))
    assert not study.is_trained(tiny, work_dir)
    study.train(tiny, work_dir)
    assert 'resumed epoch: 1' in capfd.readouterr().out
    assert study.is_trained(tiny, work_dir)


def test_a_training_that_fails_is_named(tiny, tmp_path):
    with (tmp_path / 'tiny.py').open('a') as file:
        file.write("optim_wrapper = dict(optimizer=dict(type='NoSuch'))\n")
    with pytest.raises(SystemExit, match='tiny, seed 3: exit'):
        study.train(tiny, tmp_path / 'work')


# each lies a quarter of a pixel right of, and above a pixel's centre
LABEL = np.full((2, 2, 2), (5.25, 6.75), np.float32)


def decoded(distances, repeated):
    """Two images of two keypoints, one of which does not count.

    Of the rounding of the labels, the part `repeated` is in the predictions.
    """
    counted = np.array([[True, True], [True, False]])
    offset = np.full((2, 2, 2), (-0.25 * repeated, 0.25 * repeated))
    return Decoded(
        counted,
        {name: np.array(v, np.float32) for name, v in distances.items()},
        {name: offset.astype(np.float32) for name in distances},
        LABEL,
    )


TABLE = Table(
    [Row('first', 'a', 'argmax'), Row('second', 'b', 'DARK', 'first')],
    extra='offset',
)


def by_hand(config):
    """Network b has two seeds."""
    if config == 'a':
        return [decoded({'argmax': [[0.04, 0.15], [0.19, 0.0]]}, 1)]
    return [
        decoded({'DARK': [[0.04, 0.06], [0.08, 9.0]]}, 0),
        decoded({'DARK': [[0.08, 0.04], [0.02, 9.0]]}, 0.5),
    ]


def test_numbers_by_hand():
    numbers = compare(TABLE, by_hand, draws=200)
    first, second = numbers['first'], numbers['second']
    assert first['seeds']['PCK@0.05'] == pytest.approx([33.333])
    assert second['seeds']['PCK@0.05'] == pytest.approx([33.333, 66.667])
    assert second['seeds']['error'] == pytest.approx([6, 4.667])
    values = {name: triple[0] for name, triple in first['values'].items()}
    # three keypoints count, and both networks find them
    assert values == pytest.approx(
        {'PCK@0.2': 100, 'PCK@0.1': 33.333, 'PCK@0.05': 33.333}
        | {'error': 12.667, 'rounding': 100}
    )
    values = {name: triple[0] for name, triple in second['values'].items()}
    assert values == pytest.approx(
        {'PCK@0.2': 100, 'PCK@0.1': 100, 'PCK@0.05': 50}
        | {'error': 5.333, 'rounding': 25}
    )
    less = second['less']['PCK@0.1']
    assert less[0] == pytest.approx(66.667)
    # a resample has only the first image, or only the second
    assert less[1:] == pytest.approx([50, 100])
    assert 'less' not in first
    assert first['offset'] == [-0.25, 0.25]
    assert second['offset'] == [-0.062, 0.062]
    assert first['scatter'] == [0, 0]
    # half of its errors lie at 0, the others at an eighth of a pixel
    assert second['scatter'] == [0.093, 0.093]


def test_rounding_of_floor():
    """Half a pixel that floor takes from all labels is not rounding."""
    name = runs.short('biased-floor', '64x48')
    table = Table([Row('floor', name, 'DARK')], extra='rounding')
    one = decoded({'DARK': [[0.01, 0.01], [0.01, 0.01]]}, 1)
    # floor moves a label at 5.25 by -0.25 and one at 6.75 by -0.75
    offset = np.full((2, 2, 2), (-0.25, -0.75), np.float32)
    floored = one._replace(offset={'DARK': offset})
    numbers = compare(table, lambda config: [floored], draws=50)
    assert numbers['floor']['values']['rounding'][0] == pytest.approx(100)
    assert comparison_table(table, numbers).endswith('| 100 [100, 100] |')


@pytest.mark.parametrize(
    ('uncertainty', 'percent'), [(0.1, 44), (0.2, 13), (0.3, 2), (0.5, 0)]
)
def test_what_uncertainty_leaves_of_rounding(uncertainty, percent, rng):
    """The report's numbers, by simulating the best of all networks.

    It knows where the labels lie up to the uncertainty, and predicts the
    mean of the rounded ones.
    """
    known = rng.uniform(0, 1, 200_000)
    label = known + rng.normal(0, uncertainty, known.shape)
    pixels = np.arange(-4, 5)
    edges = (pixels + 0.5 - known[:, None]) / uncertainty
    below = torch.special.ndtr(torch.from_numpy(edges)).numpy()
    predicted = pixels[0] + (1 - below).sum(1)
    rounding = np.floor(label + 0.5) - label
    slope = ((predicted - label) * rounding).sum() / (rounding**2).sum()
    # an unbiased network predicts `known`, which has nothing of the rounding
    nothing = ((known - label) * rounding).sum() / (rounding**2).sum()
    assert 100 * (slope - nothing) == pytest.approx(percent, abs=1)


def test_markdown_by_hand():
    lines = comparison_table(
        TABLE, compare(TABLE, by_hand, draws=200)
    ).splitlines()
    assert lines[2].split(' | ')[1:5] == ['100.0', '33.3', '33.3', '12.67']
    assert lines[2].endswith('|  |  |  | 33.3 | -0.25, +0.25 |')
    assert lines[3].startswith(
        '| second | 100.0 | 100.0 | 50.0 | 5.33 | +66.7 [+50.0, +100.0] |'
    )


@pytest.fixture(scope='module')
def prediction(tmp_path_factory):
    """What a tiny network with random weights predicts."""
    folder = tmp_path_factory.mktemp('prediction')
    tiny_run.write_data(folder / 'data')
    config = tiny_run.write_config(
        folder / 'tiny.py',
        folder / 'data',
        extra="model['test_cfg'] = dict(flip_test=True)\n",
    )
    cfg = apply_codec(Config.fromfile(config))
    cfg.work_dir = str(folder)
    return predict(cfg)


def test_the_flip_shift_is_corrected(prediction):
    """By half an input pixel to the left: an eighth of a heatmap's."""
    decoded = decode_all(prediction)
    moved = decoded.offset[CORRECTED] - decoded.offset['DARK']
    expected = np.broadcast_to([-0.125, 0], moved.shape)
    np.testing.assert_allclose(moved, expected, atol=1e-4)


def test_saved_and_read_again(tmp_path):
    once = by_hand('b')[0]
    save(tmp_path / 'decoded.npz', once)
    again = load(tmp_path / 'decoded.npz')
    np.testing.assert_array_equal(again.counted, once.counted)
    np.testing.assert_array_equal(again.label, once.label)
    for part in ('distance', 'offset'):
        before, after = getattr(once, part), getattr(again, part)
        assert list(after) == list(before) == ['DARK']
        np.testing.assert_array_equal(after['DARK'], before['DARK'])


def test_the_page_shows_the_committed_numbers():
    numbers = json.loads((STUDY / 'results' / 'tables.json').read_text())
    page = (STUDY / 'README.md').read_text()
    assert fill(page, study.shown_tables(page, numbers)) == page
    for name, rows in numbers.items():
        assert list(rows) == [row.label for row in TABLES[name].rows]
        for row in TABLES[name].rows:
            trained = [run for run in runs.RUNS if run.config == row.config]
            for values in rows[row.label]['seeds'].values():
                assert len(values) == len(trained)


def test_the_figures_are_drawn_from_the_committed_numbers():
    tables, when = (
        json.loads((STUDY / 'results' / f'{name}.json').read_text())
        for name in ('tables', 'when')
    )
    assert len(draw_kernels(when['noise']).axes) == 2
    _, gains = draw_encoding(tables).axes
    # one point for each pair of networks
    drawn = [bars.lines[0].get_ydata()[0] for bars in gains.containers]
    row = tables['3d']['unbiased, Taylor without modulation']
    assert len(drawn) == 6 and row['less']['PCK@0.1'][0] in drawn


def test_nothing_trained_is_said(tmp_path):
    with pytest.raises(SystemExit, match='no network is trained in'):
        study.main(['--no-train', '--work-dir', str(tmp_path)])


def test_a_trained_network_renews_its_noise_only(tmp_path, monkeypatch):
    """Tables and figures that need other networks stay as they are."""
    data = tiny_run.write_data(tmp_path / 'data')
    extra = "model['test_cfg'] = dict(flip_test=True)\n"
    name = runs.converged('unbiased', '64x48')
    tiny_run.write_config(tmp_path / f'{name}.py', data, extra=extra)
    monkeypatch.setattr(runs, 'CONFIGS', tmp_path)
    run = runs.Run(name, 0)
    folder = run.folder(tmp_path)
    folder.mkdir(parents=True)
    tiny_run.save_weights(run.path, folder / 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text('epoch_2.pth')
    monkeypatch.setattr(study, 'RUNS', [run])
    study.main(
        ['--no-train', '--work-dir', str(tmp_path), '--out', str(tmp_path)]
    )
    before, after = (
        {
            name: json.loads((out / 'results' / f'{name}.json').read_text())
            for name in ('tables', 'when')
        }
        for out in (STUDY, tmp_path)
    )
    assert after['tables'] == before['tables']
    assert (
        after['when']['noise']['128x96'] == before['when']['noise']['128x96']
    )
    assert after['when']['noise']['64x48'] != before['when']['noise']['64x48']
    assert (tmp_path / 'README.md').read_text() == (
        STUDY / 'README.md'
    ).read_text()


def cells(table):
    """Of the rows of a table, by the first one."""
    rows = [
        line.strip('| ').split(' | ')
        for line in table.splitlines()
        if line.startswith('| ')
    ]
    return {row[0]: row[1:] for row in rows}


def test_scores_of_a_dump_as_it_is_and_distorted(tmp_path, capsys):
    data = tiny_run.write_data(tmp_path / 'data')
    config = tiny_run.write_config(tmp_path / 'tiny.py', data)
    tiny_run.save_weights(config, tmp_path / 'weights.pth')
    dump = str(tmp_path / 'dump')
    dump_heatmaps.main(
        [
            *(str(config), str(tmp_path / 'weights.pth'), '--full'),
            *('--out', dump, '--work-dir', str(tmp_path)),
        ]
    )
    capsys.readouterr()
    image = tmp_path / 'scores.png'
    scores.main([dump, '--image', str(image), '--draws', '10'])
    table = capsys.readouterr().out
    assert image.stat().st_size > 1e4
    scores.main([dump, '--distorted'])
    distorted = cells(capsys.readouterr().out)
    as_predicted, lower, *_ = (distorted[name] for name in scores.DISTORTIONS)
    for error in as_predicted[:2]:
        assert f'| {error} ' in table
    assert lower[:2] != as_predicted[:2]
