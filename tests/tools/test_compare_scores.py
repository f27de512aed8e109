"""Scores of a dump compared: ``compare_decoders.py --scores``."""

import json

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tiny_run import save_weights, write_config, write_data

from dark_codec import ExpectedOKS, TaylorDecoder, apply_codec
from dark_codec.analysis.calibration import calibration_error
from dark_codec.analysis.resampling import rank_people
from dark_codec.cli import UserError
from dark_codec.dumps.reader import HeatmapDump
from tools.analysis_tools import compare_decoders, dump_heatmaps

PEOPLE = 8


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A dump whose labels lie near what its network predicts."""
    folder = tmp_path_factory.mktemp('scores')
    data = write_data(folder / 'data', PEOPLE)
    config = write_config(folder / 'tiny.py', data)
    save_weights(config, folder / 'weights.pth')
    dump = ['tiny.py', 'weights.pth', '--full']
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dump_heatmaps.main([*dump, '--out=first'])
        relabel(folder)
        dump_heatmaps.main([*dump, '--out=dump'])
        yield folder


def relabel(folder):
    rng = np.random.default_rng(0)
    init_default_scope('mmpose')
    (shard,) = HeatmapDump(folder / 'first').shards
    found = TaylorDecoder(sigma=1.0)(shard.heatmaps()).points.numpy()
    path = folder / 'data/people.json'
    coco = json.loads(path.read_text())
    for person, sample, points in zip(
        coco['annotations'], shard.samples, found
    ):
        scale, centre = sample['input_scale'], sample['input_center']
        # heatmap px to image px, nearly
        points = points / 16 * scale + centre - 0.5 * scale
        points += rng.normal(0, 1, (17, 2)) * rng.choice([1, 4, 20], (17, 1))
        labelled = np.column_stack([points, np.full(17, 2)])
        person.update(
            keypoints=labelled.ravel().tolist(), num_keypoints=17, area=90**2
        )
    path.write_text(json.dumps(coco))


def report(folder, *arguments):
    options = ['dump', '--scores', '--draws=20', *arguments]
    compare_decoders.main([*options, '--out=report'])
    return json.loads((folder / 'report/scores.json').read_text())


def test_scores_are_compared(folder, capsys):
    """AP is that of the test, ECE that of OKS computed here."""
    found = report(folder)
    assert list(found['decoders']) == ['dark', 'fit']
    assert found['measure'] == 'OKS'
    rows = found['decoders']['dark']['rows']
    (shard,) = HeatmapDump('dump').shards
    decoded = TaylorDecoder(sigma=1.0, covariance=True)(shard.heatmaps())
    distance = decoded.points.numpy() - shard.truth_on_heatmap()
    area = 90**2 / np.array([s['input_scale'].prod() for s in shard.samples])
    tolerance = 2 * 16 * np.array(found['sigmas']) * np.sqrt(area)[:, None]
    oks = np.exp(-0.5 * (distance**2).sum(2) / tolerance**2).ravel()
    scores = {
        'height': decoded.scores,
        'expected OKS': ExpectedOKS('coco')(decoded, (16, 16), 1.0),
    }
    for name, score in scores.items():
        error = calibration_error(score.numpy().ravel(), oks)
        assert rows[name]['error']['value'] == pytest.approx(error, abs=1e-5)
        assert sum(rows[name]['curve']['number']) == 17 * PEOPLE
        assert rows[name]['by_keypoint']['nose']['number'] == PEOPLE
        cfg = Config.fromfile('tiny.py')
        cfg.update(work_dir='test', load_from='weights.pth')
        kind = 'HeatmapHeight' if name == 'height' else 'ExpectedOKS'
        cfg.codec.update(type='DARKCodec', scores=kind)
        tested = Runner.from_cfg(apply_codec(cfg)).test()
        ap = rows[name]['ap']['value']
        assert ap == pytest.approx(tested['coco/AP'], abs=1e-9)
    assert rows['height']['error_difference']['value'] == 0
    text = (folder / 'report/scores.md').read_text()
    assert '| `dark`: expected OKS |' in text and '| nose | 8 |' in text
    assert (folder / 'report/reliability.png').stat().st_size > 1000
    assert '`dark`: by ECE' in capsys.readouterr().out


def test_spread_is_fitted_on_one_half(folder):
    fit = report(folder, '--decoders', 'dark')['decoders']['dark']['fit']
    assert 0 <= fit['spread'] <= 1
    assert fit['error']['low'] <= fit['error']['high']
    assert fit['ap_difference'] is not None


def test_pck(folder):
    found = report(folder, '--pck=0.2', '--decoders', 'fit')
    assert found['measure'] == 'PCK@0.2'
    assert len(set(found['sigmas'])) == 1
    row = found['decoders']['fit']['rows']['expected OKS']
    assert row['ap'] is None
    # the tolerance of the fixed area is that of the median person
    (shard,) = HeatmapDump('dump').shards
    sides = [
        np.ptp(s['gt_instances']['bboxes'][0].reshape(2, 2), 0).max()
        / s['input_scale'][0]
        for s in shard.samples
    ]
    tolerance = ExpectedOKS(found['sigmas']).tolerance((16, 16))[0]
    expected = 0.2 * 16 * np.median(sides) / 2**0.5
    assert tolerance.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--decoders', 'argmax'], 'argmax: scores=ExpectedOKS needs'),
        (['--decoders', 'drak'], "unknown decoder 'drak'"),
    ],
)
def test_refusals(folder, arguments, message):
    with pytest.raises(UserError, match=message) as error:
        report(folder, *arguments)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'arguments', [['--pck=0.2'], ['--scores', '--draws=0']]
)
def test_options_that_do_not_go_together(arguments, capsys):
    with pytest.raises(SystemExit):
        compare_decoders.main(['dump', '--out=o', *arguments])
    assert '--scores' in capsys.readouterr().err


def test_people_are_ranked_as_coco_does():
    """A perfect ranking of 4 people, two of one image; then the reverse."""
    oks = np.array([[0.99], [0.99], [0.3], [0.3]])
    labelled = np.ones((4, 1), bool)
    image = np.array([7, 7, 8, 9])
    best, worst = (
        rank_people(oks, labelled, scores, image)
        for scores in (oks, 1.1 - oks)
    )
    drawn = np.arange(3)
    # half of the people found, before and after as many wrong ones
    assert best(drawn)[0] == pytest.approx(51 / 101)
    assert worst(drawn)[0] == pytest.approx(51 / 101 / 2, abs=1e-6)
    assert best.image_ids == [7, 8, 9]
