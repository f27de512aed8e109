"""Dumps decoded in several ways, against MMEngine's runner and COCOeval."""

import io
import json
import re
import shlex
import shutil
import time
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tiny_run import save_weights, start, write_config, write_data
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from dark_codec import ArgmaxDecoder, apply_codec
from dark_codec.analysis.comparison import (
    Score,
    build_codecs,
    decode_dump,
    intervals,
    score_decoding,
    time_codecs,
)
from dark_codec.analysis.comparison_report import recommendation
from dark_codec.analysis.decoders_by_name import SHORT
from dark_codec.analysis.recommendation import candidates, choose
from dark_codec.analysis.resampling import CocoResampler
from dark_codec.cli import UserError
from dark_codec.dumps.reader import HeatmapDump
from dark_codec.openmmlab.decoding import add_predictions
from dark_codec.registry import DECODERS as DECODERS_REGISTRY
from tools.analysis_tools import compare_decoders, dump_heatmaps

COMPARE = 'analysis_tools/compare_decoders.py'
ROOT = Path(__file__).parents[2]
DOCS = (ROOT / 'docs/heatmap_dumps.md').read_text()
PEOPLE = 12
# every kind of number that MMPose has for 2D keypoints, and ours
EXTRA = """
custom_imports = dict(
    imports=['dark_codec', 'projects.leeds_sports'],
    allow_failed_imports=False)
model['test_cfg'] = dict(flip_test=True)
test_evaluator = [
    dict(type='CocoMetric', ann_file=data_root + '/people.json'),
    dict(type='EPE'),
    dict(type='AUC'),
    dict(type='NME', norm_mode='keypoint_distance', keypoint_indices=[5, 12]),
    dict(type='PCKAccuracy', thr=0.05),
    dict(type='TorsoPCK', thrs=(0.2, 0.1)),
]
"""
# as a config has them
DECODERS = {
    'argmax': dict(type='ArgmaxDecoder'),
    'dark': dict(type='TaylorDecoder'),
    'fit:sigma=1.5': dict(type='GaussianFitDecoder', sigma=1.5),
}


def decoded(dump, **decoders):
    return decode_dump(dump, build_codecs(dump, decoders))


def relabel(folder, rng):
    """Make the annotations what the network predicts, nearly.

    So that all metrics have something to measure. Two people a picture.
    """
    dump = HeatmapDump(folder / 'first')
    path = folder / 'data/people.json'
    coco = json.loads(path.read_text())
    decoding = decoded(dump, dark='TaylorDecoder')['dark']
    score_decoding(dump, decoding)
    samples = [sample for shard in dump.shards for sample in shard.samples]
    for person, sample, points in zip(
        coco['annotations'], samples, decoding.points
    ):
        scale = sample['input_scale']
        centre = sample['input_center']
        points = points / 64 * scale + centre - 0.5 * scale
        off = rng.choice([0.5, 2, 6], (17, 1))
        points = points + rng.normal(0, 1, points.shape) * off
        visible = rng.choice([0, 1, 2], (17, 1), p=[0.1, 0.2, 0.7])
        visible[[5, 12]] = 2
        labelled = np.column_stack([points, visible])
        person['keypoints'] = labelled.ravel().tolist()
        person['num_keypoints'] = int((visible > 0).sum())
        # some medium, some large
        person['area'] = float(rng.uniform(80, 110) ** 2)
    path.write_text(json.dumps(coco))


def two_on_a_picture(path):
    """Twelve people on six pictures, none of them small."""
    coco = json.loads(path.read_text())
    for i, person in enumerate(coco['annotations']):
        person['image_id'] = 1 + i // 2
        person['bbox'][0] += 3 * (i % 2)
    del coco['images'][PEOPLE // 2 :]
    path.write_text(json.dumps(coco))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Dumps of a tiny network, in the current folder."""
    folder = tmp_path_factory.mktemp('a comparison')
    data = write_data(folder / 'data', PEOPLE)
    two_on_a_picture(data / 'people.json')
    config = write_config(folder / 'tiny.py', data, extra=EXTRA)
    save_weights(config, folder / 'weights.pth')
    dump = ['tiny.py', 'weights.pth', '--shard-size=4']
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dump_heatmaps.main([*dump, '--full', '--out=first'])
        relabel(folder, np.random.default_rng(1))
        dump_heatmaps.main([*dump, '--full', '--out=full'])
        half = [*dump, '--dtype=float16']
        dump_heatmaps.main([*half, '--full', '--out=half'])
        dump_heatmaps.main([*half, '--out=patch'])
        yield folder


@pytest.fixture(scope='module')
def report(folder):
    """The report on three decoders, as JSON."""
    arguments = ['full', '--decoders', *DECODERS, '--draws=20']
    compare_decoders.main([*arguments, '--out=report'])
    return read(folder / 'report')


def read(folder):
    return json.loads((folder / 'report.json').read_text())


def test_the_docs_run(folder, capsys):
    """The command with all options, and the example in Python."""
    command = re.search(
        r'compare_decoders\.py (DUMP --out REPORT \\\n.*)\n', DOCS
    )[1].replace('\\\n', '')
    arguments = shlex.split(command.replace('DUMP', 'patch'))
    compare_decoders.main([*arguments, '--draws=2'])
    written = {path.name for path in (folder / 'REPORT').iterdir()}
    assert written == {
        'report.md',
        'report.json',
        'differences.png',
        'sweep_sigma.png',
        'sweep_kernel_size.png',
    }
    (snippet,) = re.findall(r'```python\n(.*?)```', DOCS, re.DOTALL)
    capsys.readouterr()
    exec(snippet.replace("'DUMP'", "'full'"), {})
    assert capsys.readouterr().out.count('(4, 17, 2) (4, 17, 2)') == 3


def test_of_a_network_that_scores_by_expected_oks(folder, report):
    """Also decoders without covariances: all are scored by height."""
    options = ['--shard-size=4', '--cfg-options', 'codec.scores=ExpectedOKS']
    dump_heatmaps.main(
        ['tiny.py', 'weights.pth', *options, '--full', '--out=oks']
    )
    arguments = ['oks', '--decoders', *DECODERS, '--draws=20']
    compare_decoders.main([*arguments, '--out=of_oks'])
    for name, row in read(folder / 'of_oks')['decoders'].items():
        assert row['metrics'] == report['decoders'][name]['metrics']


def test_every_short_name_is_in_the_docs():
    rows = re.findall(r'^\| `([a-z0-9-]+)` \| `\w+Decoder`', DOCS, re.M)
    assert rows == list(SHORT)


def test_as_users_start_it(folder):
    """A log gets neither progress bars nor what metrics print."""
    result = start(
        COMPARE,
        *('full', '--out=of_log', '--decoders', 'argmax', 'dark'),
        '--draws=10',
        cwd=folder,
        PYTHONPATH=str(ROOT),  # of the config's metric
    )
    assert result.returncode == 0, result.stderr
    text = result.stdout + result.stderr
    assert not re.search(r'[\r\x1b━]|>>>|Loading and preparing', text)
    lines = result.stdout.splitlines()
    assert lines[0].startswith('# ')
    assert lines[-1] == f'More in {Path("of_log/report.md")} and report.json'
    table = [line for line in lines if line.startswith('|')]
    assert len(lines) - len(table) < 20, text


REFUSED = {
    'whole map': (
        ['patch', '--decoders', 'dark'],
        'dark: TaylorDecoder reads the whole map, but patch holds patches of '
        '5 px round the peaks: dump with --full, or take a decoder that '
        'reads less, such as dark-max ',
    ),
    'wide': (['patch', '--sweep-sigma', '2'], 'dump with --full'),
    'unknown': (['full', '--decoders', 'drak'], "unknown decoder 'drak'"),
    'setting': (['full', '--decoders', 'dark:a'], "expected, got 'a'"),
    'argument': (
        ['full', '--decoders', 'fit:width=2'],
        "unexpected keyword argument 'width'",
    ),
    'no dump': (['data'], 'data is no heatmap dump'),
    'no labels': (
        ['full', '--cfg-options', 'test_evaluator.0.ann_file=gone.json'],
        'gone.json',
    ),
    'no pair': (['full', '--cfg-options', 'a'], "key=value expected: 'a'"),
    'no config': (['without config'], 'the config of the dump, cannot be'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_refusals_come_before_any_work(folder, name):
    bare = folder / 'without config'
    shutil.copytree(folder / 'full', bare, dirs_exist_ok=True)
    (bare / 'config.py').unlink()
    arguments, message = REFUSED[name]
    with pytest.raises(UserError) as error:
        compare_decoders.main([*arguments, '--out=refused'])
    assert message in str(error.value)
    assert not (folder / 'refused').exists()


def test_output_that_cannot_be_written(folder):
    with pytest.raises(UserError, match=r'--out tiny\.py/report'):
        compare_decoders.main(['full', '--out=tiny.py/report'])


@pytest.mark.parametrize('decoder', DECODERS)
def test_a_full_dump_scores_as_the_test_to_the_last_digit(
    folder, report, decoder
):
    cfg = Config.fromfile(folder / 'tiny.py')
    cfg.update(
        work_dir=str(folder / 'test'), load_from='weights.pth', launcher='none'
    )
    cfg.codec.decoder = DECODERS[decoder]
    expected = Runner.from_cfg(apply_codec(cfg)).test()
    found = report['decoders'][decoder]
    assert found['metrics'] == expected
    assert len(expected) > 40
    # not zeros and ones
    for name in ('coco/AP', 'coco/AP (M)', 'AUC', 'PCK'):
        assert 0.05 < expected[name] < 0.95, name


def test_decoders_differ_where_the_truth_is_noisy(report):
    metrics = [row['metrics'] for row in report['decoders'].values()]
    for name in ('coco/AP', 'EPE', 'NME', 'torso/PCK@0.1'):
        assert len({found[name] for found in metrics}) > 1, name


def test_patches_score_as_full_maps(folder):
    """By their default decoders, of which none reads the whole map."""
    names = ['argmax', 'shift', 'taylor', 'dark-max', 'fit']
    options = ['--draws=0', '--out=default']
    compare_decoders.main(['patch', *options])
    found = read(folder / 'default')['decoders']
    assert list(found) == names
    compare_decoders.main(['half', *options, '--decoders', *names])
    for name, row in read(folder / 'default')['decoders'].items():
        assert found[name]['metrics'] == row['metrics']


def test_the_report_is_for_people_too(folder, report):
    text = (folder / 'report/report.md').read_text()
    row = report['decoders']['dark']
    ap = row['intervals']['coco/AP']
    for kind in ('value', 'difference'):
        numbers = [f'{ap[kind][key]:.4f}' for key in ('value', 'low', 'high')]
        assert '{} [{}, {}]'.format(*numbers) in text
    assert '![differences](differences.png)' in text
    assert (folder / 'report/differences.png').stat().st_size > 1000
    assert row['milliseconds_per_person'] > 0
    assert 'left_knee' not in text  # in the json only
    assert 'torso/PCK@0.1/left_knee' in row['metrics']


def test_numbers_that_coco_leaves_undefined_are_left_out(folder):
    """Without a large person, AP (L) is -1."""
    coco = json.loads((folder / 'data/people.json').read_text())
    for person in coco['annotations']:
        person['area'] = 80**2
    (folder / 'medium.json').write_text(json.dumps(coco))
    option = 'test_evaluator.0.ann_file=medium.json'
    arguments = ['full', '--out=medium', '--draws=5', '--decoders', 'dark']
    compare_decoders.main([*arguments, '--cfg-options', option])
    row = read(folder / 'medium')['decoders']['dark']
    assert row['metrics']['coco/AP (L)'] == -1  # as tools/test.py prints it
    assert row['intervals']['coco/AP (L)']['value']['value'] is None
    text = (folder / 'medium/report.md').read_text()
    assert 'coco/AP (M)' in text
    assert '(L)' not in text and '-1.0' not in text


@DECODERS_REGISTRY.register_module()
class SlowAtFirst(ArgmaxDecoder):
    """As a decoder that compiles its kernel in the first call."""

    calls = 0

    def decode_table(self, heatmaps):
        if not SlowAtFirst.calls:
            time.sleep(2)
        SlowAtFirst.calls += 1
        return super().decode_table(heatmaps)


def test_the_first_call_is_not_timed(folder):
    dump = HeatmapDump(folder / 'full')
    found = time_codecs(dump, build_codecs(dump, {'slow': 'SlowAtFirst'}))
    assert SlowAtFirst.calls > 2
    assert found['slow'] < 100


def test_sweeps(folder):
    swept = ['--sweep-kernel-size', '3', '7', '--sweep-sigma']
    decoders = ['--decoders', 'argmax', "{'type': 'ArgmaxDecoder'}"]
    compare_decoders.main(['full', *decoders, *swept, '--draws=2', '--out=s'])
    rows = read(folder / 's')['decoders']
    same = rows["{'type': 'ArgmaxDecoder'}"]
    assert same['metrics'] == rows['argmax']['metrics']
    assert same['intervals']['EPE']['difference']['high'] == 0
    by_kernel = rows['dark-max:modulation.kernel_size=7']
    assert by_kernel['decoder']['modulation']['kernel_size'] == 7
    assert rows['fit:sigma=0.5']['decoder']['sigma'] == 0.5
    epe = [row['metrics']['EPE'] for row in rows.values()]
    assert len(set(epe)) > 15  # 2 argmax, 2 kernels, 9 sigmas twice
    for name in ('sweep_sigma.png', 'sweep_kernel_size.png'):
        assert (folder / 's' / name).stat().st_size > 1000


# resampling


@pytest.fixture(scope='module')
def scores(folder):
    init_default_scope('mmpose')
    dump = HeatmapDump(folder / 'full')
    decodings = decoded(dump, a='ArgmaxDecoder', b='TaylorDecoder')
    return {
        name: score_decoding(dump, decoding)
        for name, decoding in decodings.items()
    }


def test_every_number_can_be_resampled(scores):
    score, found = scores['b'], {}
    for resampler in score.resamplers:
        assert resampler.images == PEOPLE / 2
        found |= dict(zip(resampler.names, resampler(np.arange(PEOPLE // 2))))
    assert list(found) == list(score.metrics)
    np.testing.assert_equal(found, score.metrics)


def test_resampled_metrics_are_those_of_a_dataset_so_made(folder, scores):
    """People of the drawn pictures only, as often as drawn."""
    dump = HeatmapDump(folder / 'full')
    points = decoded(dump, b='TaylorDecoder')['b']
    by_picture = {}
    for shard in dump.shards:
        samples = shard.samples
        add_predictions(
            samples, points.points[shard.index], points.scores[shard.index]
        )
        for sample in samples:
            by_picture.setdefault(sample['img_id'], []).append(sample)
    drawn = [0, 0, 3, 5, 5, 5]
    pictures = list(by_picture.values())
    samples = [sample for i in drawn for sample in pictures[i]]
    evaluator = Evaluator(dump.config.test_evaluator[1:])
    evaluator.dataset_meta = dump.info.dataset_meta
    evaluator.process(samples)
    expected = evaluator.evaluate(len(samples))
    found = {}
    for resampler in scores['b'].resamplers[1:]:
        found |= dict(zip(resampler.names, resampler(np.array(drawn))))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def coco_eval(rng, pictures=25):
    """Detections with and without a person, of distinct scores."""
    images, annotations, found = [], [], []
    for i in range(pictures):
        images.append(dict(id=i))
        for _ in range(rng.integers(0, 4)):
            points = rng.uniform(0, 300, (17, 2))
            side = rng.uniform(40, 150)
            common = dict(image_id=i, category_id=1)
            annotations.append(
                dict(
                    common,
                    id=len(annotations) + 1,
                    keypoints=np.c_[points, np.full(17, 2)].ravel().tolist(),
                    num_keypoints=17,
                    iscrowd=int(rng.random() < 0.1),
                    area=side**2,
                    bbox=[*points.min(0), *np.ptp(points, 0)],
                )
            )
            for _ in range(rng.integers(0, 3)):
                off = rng.choice([1, 5, 10, 40])
                near = points + rng.normal(0, off, (17, 2))
                keypoints = np.c_[near, np.ones(17)].ravel().tolist()
                score = float(rng.random())
                found.append(dict(common, keypoints=keypoints, score=score))
    coco = COCO()
    coco.dataset = dict(
        images=images,
        annotations=annotations,
        categories=[dict(id=1, name='person')],
    )
    coco.anno_file = ['none', 'none']
    with redirect_stdout(io.StringIO()):
        coco.createIndex()
        result = COCOeval(coco, coco.loadRes(found), 'keypoints')
        result.evaluate()
    return result


@pytest.mark.parametrize('seed', range(3))
def test_coco_numbers_of_drawn_images_are_those_of_coco(seed):
    rng = np.random.default_rng(seed)
    whole = coco_eval(rng)
    resample = CocoResampler(whole, [str(i) for i in range(10)])
    images = resample.images
    for drawn in (np.arange(images), rng.integers(0, images, images)):
        found = resample(drawn)
        # COCO's own code on a list in which images stand repeatedly
        table = np.array(whole.evalImgs, object).reshape(3, images)
        again = coco_eval(np.random.default_rng(seed))
        again.evalImgs = list(table[:, drawn].ravel())
        again.params.imgIds = again._paramsEval.imgIds = list(range(images))
        with redirect_stdout(io.StringIO()):
            again.accumulate()
            again.summarize()
        np.testing.assert_allclose(found, again.stats, atol=1e-12)
        assert 0.05 < found[0] < 0.9


def test_intervals_hold_the_value_and_pair_the_images(scores):
    found = intervals(scores, draws=40)
    for name, interval in found['b'].items():
        value, difference = interval
        if np.isnan(value.low):
            continue
        assert value.low <= value.high
        expected = scores['b'].metrics[name] - scores['a'].metrics[name]
        np.testing.assert_allclose(difference.value, expected, atol=1e-12)
        assert found['a'][name].difference == (0, 0, 0)
    value, difference = found['b']['EPE']
    assert value.low < value.value < value.high
    # what makes a picture hard makes it so for both: were they not paired,
    # the difference would be less certain than the value
    assert difference.high - difference.low < value.high - value.low


# the recommendation


def test_the_report_recommends(folder, report):
    text = (folder / 'report/report.md').read_text()
    known = candidates(HeatmapDump(folder / 'full').info)
    assert report['recommended'][0]['metric'] == 'coco/AP'
    for choice in report['recommended']:
        assert choice['best'] in known
        confirmed = choice['difference']['low'] > 0
        assert choice['decoder'] == (choice['best'] if confirmed else None)
        assert f'| {choice["metric"]} | ' in text


class Made:
    """A metric of 40 images: the mean of a number per image."""

    def __init__(self, name, numbers):
        self.names, self.numbers = [name], np.asarray(numbers, float)
        self.images = len(self.numbers)

    def __call__(self, images):
        return self.numbers[images].mean(keepdims=True)


def chosen(metric, **numbers):
    scores = {
        name: Score({}, [Made(metric, values)])
        for name, values in numbers.items()
    }
    return choose(scores, draws=200)


def test_what_is_confirmed_on_the_other_half_is_recommended(rng):
    first = rng.random(40)
    (choice,) = chosen('AP', first=first, better=first + 0.1)
    assert (choice.best, choice.decoder) == ('better', 'better')
    np.testing.assert_allclose(choice.difference, 0.1)
    (choice,) = chosen('EPE', first=first, better=first - 0.1)
    assert choice.decoder == 'better'
    assert '| EPE | `better` | `better` |' in recommendation([choice])


def test_what_may_be_chance_is_not_recommended(rng):
    first = rng.random(40)
    by_chance = first + rng.normal(0, 0.3, 40)
    by_chance[::2] += 0.2  # the half that it is chosen on
    (choice,) = chosen('AP', first=first, other=by_chance)
    assert choice.best == 'other' and choice.decoder is None
    assert choice.difference.low < 0 < choice.difference.high
    text = recommendation([choice])
    assert '| AP | not distinguishable from `dark-max` | `other` |' in text
    # nor what is worse where it was not chosen, nor the reference itself
    worse = first + np.where(np.arange(40) % 2, -0.1, 0.1)
    (choice,) = chosen('AP', first=first, other=worse)
    assert choice.decoder is None
    assert '| AP | none: not better than' in recommendation([choice])
    assert chosen('AP', first=first, other=first - 1)[0].decoder is None


@pytest.mark.parametrize('number', [0, np.nan])
def test_where_nothing_was_found_nothing_is_recommended(number):
    same = np.full(40, number)
    assert chosen('AP', first=same, other=same) == []
    assert 'None: by no metric' in recommendation([])


@pytest.mark.parametrize('number', range(6))
def test_the_choice_is_made_on_one_half_and_shown_on_the_other(scores, number):
    """By any metric; of NME and EPE the lowest is the best."""
    only = {
        name: score._replace(resamplers=[score.resamplers[number]])
        for name, score in scores.items()
    }
    choices = choose(only, draws=5)
    assert choices
    for choice in choices:
        halves = []
        for half in (slice(None, None, 2), slice(1, None, 2)):
            images = np.arange(PEOPLE // 2)[half]
            at = only['a'].resamplers[0].names.index(choice.metric)
            halves.append(
                {n: s.resamplers[0](images)[at] for n, s in only.items()}
            )
        better = min if choice.metric in ('NME', 'EPE') else max
        assert choice.best == better(halves[0], key=halves[0].get)
        shown = halves[1][choice.best]
        assert choice.value.value == pytest.approx(shown)
        less = shown - halves[1]['a']
        assert choice.difference.value == pytest.approx(less)


def test_nothing_to_choose_by(scores):
    none = {name: s._replace(resamplers=[]) for name, s in scores.items()}
    assert choose(none) == []
