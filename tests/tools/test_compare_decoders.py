"""Dumps decoded in several ways, against tools/test.py and COCOeval."""

import io
import json
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from tiny_run import (
    call_all,
    ended,
    save_weights,
    write_config,
    write_data,
)
from xtcocotools.coco import COCO
from xtcocotools.cocoeval import COCOeval

from dark_codec.analysis.comparison import (
    decode_dump,
    intervals,
    score_decoding,
)
from dark_codec.analysis.decoders_by_name import SHORT
from dark_codec.analysis.recommendation import candidates, choose
from dark_codec.analysis.resampling import CocoResampler
from dark_codec.dumps.reader import HeatmapDump
from dark_codec.openmmlab.decoding import add_predictions

DUMP = 'analysis_tools/dump_heatmaps.py'
COMPARE = 'analysis_tools/compare_decoders.py'
DOCS = (Path(__file__).parents[2] / 'docs/heatmap_dumps.md').read_text()
PEOPLE = 12
# every kind of number that MMPose has for 2D keypoints, and ours
EXTRA = """
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
# what tools/test.py calls them
DECODERS = {
    'argmax': ['codec.decoder.type=ArgmaxDecoder'],
    'dark': ['codec.decoder.type=TaylorDecoder'],
    'fit:sigma=1.5': [
        'codec.decoder.type=GaussianFitDecoder',
        'codec.decoder.sigma=1.5',
    ],
}


def relabel(folder, rng):
    """Make the annotations what the network predicts, nearly.

    So that all metrics have something to measure. Two people a picture.
    """
    dump = HeatmapDump(folder / 'first')
    path = folder / 'data/people.json'
    coco = json.loads(path.read_text())
    decoding = decode_dump(dump, {'dark': 'TaylorDecoder'})['dark']
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
    """Twelve people on six pictures."""
    coco = json.loads(path.read_text())
    for i, person in enumerate(coco['annotations']):
        person['image_id'] = 1 + i // 2
        person['bbox'][0] += 3 * (i % 2)
    del coco['images'][PEOPLE // 2 :]
    path.write_text(json.dumps(coco))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Dumps, reports, and what tools/test.py says."""
    folder = tmp_path_factory.mktemp('a comparison')
    data = write_data(folder / 'data', PEOPLE)
    two_on_a_picture(data / 'people.json')
    config = write_config(folder / 'tiny.py', data, extra=EXTRA)
    save_weights(config, folder / 'weights.pth')
    dump = [DUMP, 'tiny.py', 'weights.pth', '--shard-size=4', '--full']
    init_default_scope('mmpose')
    call_all({'first': [*dump, '--out=first']}, folder)
    code, output = ended(folder, 'first')
    assert code == 0, output
    relabel(folder, np.random.default_rng(1))
    jobs = {'dump': [*dump, '--out=full']}
    jobs['half'] = [*dump, '--out=half', '--dtype=float16']
    jobs['patches'] = [*dump[:-1], '--out=patch', '--dtype=float16']
    for i, options in enumerate(DECODERS.values()):
        jobs[f'test {i}'] = [
            *('test.py', 'tiny.py', 'weights.pth', f'--out={i}.json'),
            *('--cfg-options', *options),
        ]
    compare = [COMPARE, 'full', '--decoders']
    jobs['report'] = [*compare, *DECODERS, '--draws=20', '--out=report']
    swept = ['--sweep-kernel-size', '3', '7', '--sweep-sigma']
    few = ['argmax', "{'type': 'ArgmaxDecoder'}", '--draws=2']
    jobs['sweep'] = [*compare, *few, '--out=sweep', *swept]
    for name in ('half', 'patch'):
        local = ['--draws=0', '--decoders', 'shift', 'dark-max', 'fit']
        jobs[f'of {name}'] = [COMPARE, name, f'--out=of_{name}', *local]
    jobs['default'] = [COMPARE, 'patch', '--out=default', '--draws=0']
    for name, (arguments, _) in REFUSED.items():
        jobs[name] = [COMPARE, *arguments, '--out=refused']
    jobs['docs'] = documented_comparison()
    call_all(jobs, folder)
    return folder


def documented_comparison():
    """The command with all options in the docs, on these dumps."""
    command = re.search(
        r'compare_decoders\.py (DUMP --out REPORT \\\n.*)\n', DOCS
    )[1].replace('\\\n', '')
    arguments = shlex.split(command.replace('DUMP', 'patch'))
    return [COMPARE, *arguments, '--draws=2']


@pytest.mark.parametrize('job', ['report', 'sweep', 'of patch'])
def test_a_log_gets_the_report_only(folder, job):
    """Neither bars nor what metrics print: the table and where it lies."""
    code, output = ended(folder, job)
    assert code == 0, output
    assert not re.search(r'[\r\x1b━]|>>>|Loading and preparing', output)
    lines = output.splitlines()
    assert lines[0].startswith('# ')
    assert lines[-1].startswith('More in ')
    table = [line for line in lines if line.startswith('|')]
    assert len(lines) - len(table) < 20, output


def test_the_docs_run(folder, monkeypatch, capsys):
    code, output = ended(folder, 'docs')
    assert code == 0, output
    names = {'report.md', 'report.json', 'differences.png'}
    sweeps = {'sweep_sigma.png', 'sweep_kernel_size.png'}
    written = {path.name for path in (folder / 'REPORT').iterdir()}
    assert written == names | sweeps
    (snippet,) = re.findall(r'```python\n(.*?)```', DOCS, re.DOTALL)
    monkeypatch.chdir(folder)
    exec(snippet.replace("'DUMP'", "'full'"), {})
    assert capsys.readouterr().out.count('(4, 17, 2) (4, 17, 2)') == 3


def test_every_short_name_is_in_the_docs():
    rows = re.findall(r'^\| `([a-z0-9-]+)` \| `\w+Decoder`', DOCS, re.M)
    assert rows == list(SHORT)


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
}


def report(folder, name):
    return json.loads((folder / name / 'report.json').read_text())


@pytest.mark.parametrize('decoder', DECODERS)
def test_a_full_dump_scores_as_the_test_to_the_last_digit(folder, decoder):
    number = list(DECODERS).index(decoder)
    code, output = ended(folder, f'test {number}')
    assert code == 0, output
    expected = json.loads((folder / f'{number}.json').read_text())
    code, output = ended(folder, 'report')
    assert code == 0, output
    found = report(folder, 'report')['decoders'][decoder]
    assert found['metrics'] == expected
    assert len(expected) > 40
    # not zeros and ones
    for name in ('coco/AP', 'coco/AP (M)', 'AUC', 'PCK'):
        assert 0.05 < expected[name] < 0.95, name


def test_decoders_differ_where_the_truth_is_noisy(folder):
    metrics = [
        row['metrics'] for row in report(folder, 'report')['decoders'].values()
    ]
    for name in ('coco/AP', 'EPE', 'NME', 'torso/PCK@0.1'):
        assert len({found[name] for found in metrics}) > 1, name


@pytest.mark.parametrize('name', REFUSED)
def test_what_cannot_be_is_refused(folder, name):
    code, output = ended(folder, name)
    assert code == 2, output
    assert REFUSED[name][1] in output
    assert 'Traceback' not in output
    assert not (folder / 'refused').exists()


def test_patches_score_as_full_maps(folder):
    for name in ('half', 'patch'):
        code, output = ended(folder, f'of {name}')
        assert code == 0, output
    half, patch = (report(folder, f'of_{x}') for x in ('half', 'patch'))
    for name, row in half['decoders'].items():
        assert patch['decoders'][name]['metrics'] == row['metrics']


def test_the_default_for_patches_needs_no_whole_map(folder):
    code, output = ended(folder, 'default')
    assert code == 0, output
    names = ['argmax', 'shift', 'taylor', 'dark-max', 'fit']
    assert list(report(folder, 'default')['decoders']) == names


def test_the_report_is_for_people_too(folder):
    text = (folder / 'report/report.md').read_text()
    row = report(folder, 'report')['decoders']['dark']
    ap = row['intervals']['coco/AP']
    for kind in ('value', 'difference'):
        numbers = [f'{ap[kind][key]:.4f}' for key in ('value', 'low', 'high')]
        assert '{} [{}, {}]'.format(*numbers) in text
    assert '![differences](differences.png)' in text
    assert (folder / 'report/differences.png').stat().st_size > 1000
    assert row['milliseconds_per_person'] > 0
    assert 'left_knee' not in text  # in the json only
    assert 'torso/PCK@0.1/left_knee' in row['metrics']


def test_sweeps(folder):
    code, output = ended(folder, 'sweep')
    assert code == 0, output
    rows = report(folder, 'sweep')['decoders']
    same = rows["{'type': 'ArgmaxDecoder'}"]
    assert same['metrics'] == rows['argmax']['metrics']
    assert same['intervals']['EPE']['difference']['high'] == 0
    by_kernel = rows['dark-max:modulation.kernel_size=7']
    assert by_kernel['decoder']['modulation']['kernel_size'] == 7
    assert rows['fit:sigma=0.5']['decoder']['sigma'] == 0.5
    epe = [row['metrics']['EPE'] for row in rows.values()]
    assert len(set(epe)) > 15  # 2 argmax, 2 kernels, 9 sigmas twice
    for name in ('sweep_sigma.png', 'sweep_kernel_size.png'):
        assert (folder / 'sweep' / name).stat().st_size > 1000


# resampling


@pytest.fixture(scope='module')
def scores(folder):
    init_default_scope('mmpose')
    dump = HeatmapDump(folder / 'full')
    decodings = decode_dump(dump, {'a': 'ArgmaxDecoder', 'b': 'TaylorDecoder'})
    return {
        name: score_decoding(dump, decoding)
        for name, decoding in decodings.items()
    }


def test_every_number_can_be_resampled(scores):
    score = scores['b']
    names = [name for r in score.resamplers for name in r.names]
    assert names == list(score.metrics)
    for resampler in score.resamplers:
        assert resampler.images == PEOPLE / 2
        found = resampler(np.arange(resampler.images))
        expected = [score.metrics[name] for name in resampler.names]
        np.testing.assert_array_equal(found, expected)


def test_resampled_metrics_are_those_of_a_dataset_so_made(folder, scores):
    """People of the drawn pictures only, as often as drawn."""
    dump = HeatmapDump(folder / 'full')
    points = decode_dump(dump, {'b': 'TaylorDecoder'})['b']
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


def test_the_report_recommends(folder):
    text = (folder / 'report/report.md').read_text()
    recommended = report(folder, 'report')['recommended']
    assert [choice['metric'] for choice in recommended] == [
        'coco/AP',
        'coco/AP .5',
        'coco/AP .75',
    ]
    known = candidates(HeatmapDump(folder / 'full').info)
    for choice in recommended:
        assert choice['decoder'] in known
        assert f'| {choice["metric"]} | `{choice["decoder"]}` |' in text


@pytest.mark.parametrize('place', range(6))
def test_the_choice_is_made_on_one_half_and_shown_on_the_other(scores, place):
    """By any metric; of NME and EPE the lowest is the best."""
    only = {
        name: score._replace(resamplers=[score.resamplers[place]])
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
        assert choice.decoder == better(halves[0], key=halves[0].get)
        shown = halves[1][choice.decoder]
        assert choice.value.value == pytest.approx(shown)
        less = shown - halves[1]['a']
        assert choice.difference.value == pytest.approx(less)


def test_nothing_to_choose_by(scores):
    none = {name: s._replace(resamplers=[]) for name, s in scores.items()}
    assert choose(none) == []
