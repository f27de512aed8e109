"""docs/own_dataset.md, done as it says, and the mistakes that it names."""

import copy
import json
import math
import re
import runpy
import shlex

import pytest
import torch
from mmengine.config import Config
from mmpose.datasets import CocoDataset
from samples import ROOT, succeed
from tiny_run import TOOLS, call, refusal

from dark_codec import apply_codec
from dark_codec.cli import describe_bad_metainfo

PAGE = (ROOT / 'docs' / 'own_dataset.md').read_text()
(CONFIG,) = re.findall(r'```python\n(.*?)```', PAGE, flags=re.S)
COMMANDS = [
    shlex.split(block)
    for block in re.findall(r'```bash\n(.*?)```', PAGE, flags=re.S)
]
CONVERTER = runpy.run_path(
    str(TOOLS / 'dataset_converters' / 'coco2metainfo.py')
)
DROPPED = ['left_eye', 'right_eye', 'left_ear', 'right_ear']
COCO = CocoDataset._load_metainfo()


def figures(folder):
    """Five figures to train and three to test; without eyes and ears.

    And without what the page says may be missing.
    """
    folder.mkdir(parents=True)
    succeed(
        call(
            '../projects/quickstart/figures2coco.py',
            '--num=8',
            f'--out={folder}',
            cwd=folder.parent,
        )
    )
    coco = json.loads((folder / 'figures.json').read_text())
    names = list(COCO['keypoint_name2id'])
    kept = [name for name in names if name not in DROPPED]
    # in another order than COCO's, and with a name of its own
    kept = [*kept[1:], kept[0]]
    for annotation in coco['annotations']:
        triples = [
            annotation['keypoints'][3 * i : 3 * i + 3]
            for i in map(names.index, kept)
        ]
        annotation['keypoints'] = sum(triples, [])
        del annotation['num_keypoints'], annotation['iscrowd']
    renamed = [name.replace('wrist', 'hand') for name in kept]
    links = [
        [1 + kept.index(names[end]) for end in link]
        for link in COCO['skeleton_links']
        if all(names[end] in kept for end in link)
    ]
    coco['categories'] = [
        dict(id=1, name='figure', keypoints=renamed, skeleton=links)
    ]
    for image in coco['images']:
        image['file_name'] = image['file_name'].removeprefix('images/')
    for name, ids in ('train', range(1, 6)), ('val', range(6, 9)):
        part = dict(
            coco,
            images=[i for i in coco['images'] if i['id'] in ids],
            annotations=[
                a for a in coco['annotations'] if a['image_id'] in ids
            ],
        )
        (folder / f'{name}.json').write_text(json.dumps(part))


def follow(folder, num_keypoints):
    """Do what the page says, with one epoch and no download."""
    text, count = re.subn(
        r'num_keypoints = \d+', f'num_keypoints = {num_keypoints}', CONFIG
    )
    assert count == 1
    (folder / 'my_config.py').write_text(text)
    printed = []
    for python, tool, *arguments in COMMANDS:
        assert python == 'python'
        arguments = [a.replace('epoch_100', 'epoch_1') for a in arguments]
        if 'my_config.py' in arguments:
            arguments += [
                '--cfg-options',
                'train_cfg.max_epochs=1',
                'model.backbone.init_cfg=None',
            ]
        tool = tool.removeprefix('tools/')
        printed.append(succeed(call(tool, *arguments, cwd=folder)))
    return printed


def check(folder, num_keypoints, num_objects):
    """A model with so many keypoints was trained, tested and drawn."""
    run = folder / 'work_dirs' / 'my_config'
    checkpoint = torch.load(run / 'epoch_1.pth', weights_only=True)
    weight = checkpoint['state_dict']['head.final_layer.weight']
    assert len(weight) == num_keypoints
    metrics = json.loads((folder / 'metrics.json').read_text())
    # -1 is what CocoMetric gives if it finds nothing to compare
    assert 0 <= metrics['coco/AP'] <= 1
    assert 0 <= metrics['PCK'] <= 1
    assert math.isfinite(metrics['EPE'])
    assert len(list(run.glob('*/pictures/*'))) == num_objects
    dumped = Config.fromfile(run / 'my_config.py')
    assert dumped.model.head.decoder.type == 'DARKCodec'


@pytest.fixture(scope='module')
def of_figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('own figures')
    figures(folder / 'data' / 'mine')
    return folder, follow(folder, 13)


def test_figures_with_another_skeleton(of_figures):
    folder, (said, *_) = of_figures
    assert said.strip() in PAGE.replace('\n', ' ')
    check(folder, num_keypoints=13, num_objects=3)
    metainfo = CocoDataset._load_metainfo(
        dict(from_file=str(folder / 'data/mine/mine.py'))
    )
    names = metainfo['keypoint_id2name']
    assert names[12] == 'nose'
    for index, other in enumerate(metainfo['flip_indices']):
        (side, part), (other_side, other_part) = (
            names[i].rpartition('_')[::2] for i in (index, other)
        )
        assert part == other_part
        assert {side, other_side} in ({'left', 'right'}, {''})


@pytest.mark.parametrize('name', ['coco', 'mpii', 'crowdpose', 'macaque'])
def test_flip_pairs_are_those_of_mmpose(name):
    file = f'configs/_base_/datasets/{name}.py'
    theirs = CocoDataset._load_metainfo(dict(from_file=file))
    names = list(theirs['keypoint_name2id'])
    mine = CONVERTER['make_metainfo']('mine', names, [])
    mine = CocoDataset._load_metainfo(mine)
    assert mine['flip_indices'] == theirs['flip_indices']


def test_square_crops(tmp_path):
    (line,) = re.findall(
        r'`(codec = dict\([^`]*256[^`]*)`', PAGE.replace('\n', ' ')
    )
    path = tmp_path / 'square.py'
    path.write_text(CONFIG.replace("codec = dict(type='DARKCodec')", line))
    cfg = apply_codec(Config.fromfile(path))
    assert cfg.model.head.decoder.heatmap_size == (64, 64)


# mistakes


def test_wrong_number_of_channels(of_figures, monkeypatch):
    monkeypatch.chdir(of_figures[0])
    options = '--cfg-options', 'model.head.out_channels=17'
    message = refusal('train', 'my_config.py', *options)
    assert (
        'model.head.out_channels = 17, but train_dataloader.dataset.metainfo '
        '= data/mine/mine.py has 13 keypoints' in message
    )


@pytest.fixture
def describe():
    """What the tools have to say on metainfo."""

    def describe(metainfo, channels=3):
        loader = dict(
            dataset=dict(
                type='RepeatDataset',
                dataset=dict(type='CocoDataset', metainfo=metainfo),
            )
        )
        cfg = Config(
            dict(
                model=dict(head=dict(out_channels=channels)),
                train_dataloader=loader,
            )
        )
        return describe_bad_metainfo(cfg, ('train', 'val'))

    return describe


def metainfo():
    names = ['left_a', 'right_a', 'b']
    return CONVERTER['make_metainfo']('mine', names, [[1, 2], [2, 3]])


def test_good_metainfo(describe):
    assert describe(metainfo()) == ''
    assert describe(None, 17) == ''
    coco = dict(from_file='configs/_base_/datasets/coco.py')
    assert describe(coco, 17) == ''


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda info: info.pop('sigmas'), 'it lacks sigmas'),
        (lambda info: info['sigmas'].pop(), '3 keypoints, but 2 sigmas'),
        (
            lambda info: info['joint_weights'].append(1.0),
            '3 keypoints, but 4 joint_weights',
        ),
        (
            lambda info: info['keypoint_info'][1].update(swap=''),
            'left_a swaps with right_a, but right_a with none',
        ),
        (
            lambda info: info['keypoint_info'][2].update(swap='c'),
            'b swaps with c, which is not among the keypoints',
        ),
        (
            lambda info: info['skeleton_info'][0].update(link=('b', 'd')),
            'a link ends at d',
        ),
        (
            lambda info: (
                info['keypoint_info'].pop(2)
                and [info[key].pop() for key in ('sigmas', 'joint_weights')]
                and info['skeleton_info'].clear()
            ),
            'out_channels = 3, but train_dataloader.dataset.dataset.metainfo '
            'has 2 keypoints',
        ),
    ],
)
def test_bad_metainfo(describe, change, message):
    info = metainfo()
    change(info)
    assert message in describe(info)


def test_metainfo_that_is_not_there(describe):
    assert 'nowhere/mine.py: there is no such file' in describe(
        dict(from_file='nowhere/mine.py')
    )


GOOD = dict(
    images=[dict(id=1, file_name='1.png', width=9, height=9)],
    annotations=[
        dict(
            id=7,
            image_id=1,
            category_id=1,
            bbox=[0, 0, 9, 9],
            area=81,
            keypoints=[1, 2, 2, 3, 4, 2],
        )
    ],
    categories=[
        dict(id=1, name='one', keypoints=['a', 'b'], skeleton=[[1, 2]])
    ],
)


def read(coco):
    names, _ = CONVERTER['read_keypoints'](coco)
    CONVERTER['check_entries'](coco, len(names))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda c: c.pop('categories'), 'it has no categories'),
        (lambda c: c.pop('annotations'), 'it has no annotations'),
        (
            lambda c: c['categories'][0].pop('keypoints'),
            "category 'one' has no keypoints",
        ),
        (
            lambda c: c['categories'].append(
                dict(id=2, name='two', keypoints=['c'])
            ),
            "'one' and 'two' have different keypoints",
        ),
        (
            lambda c: c['categories'][0].update(keypoints=['a', 'a']),
            r"twice: \['a'\]",
        ),
        (
            lambda c: c['categories'][0].update(skeleton=[[0, 1]]),
            r'skeleton has \[0, 1\]; a link is two numbers from 1 to 2',
        ),
        (
            lambda c: c['annotations'][0].pop('area'),
            'annotations: id 7 lacks area',
        ),
        (
            lambda c: c['annotations'][0].update(keypoints=[1, 2, 2]),
            'id 7 has 3 numbers in keypoints, not 6',
        ),
        (
            lambda c: c['annotations'][0].update(image_id=2),
            'belongs to image 2, which is not in images',
        ),
        (
            lambda c: c['images'][0].pop('width'),
            'images: id 1 lacks width',
        ),
    ],
)
def test_bad_json(change, message):
    read(GOOD)
    coco = copy.deepcopy(GOOD)
    change(coco)
    with pytest.raises(ValueError, match=message):
        read(coco)


@pytest.mark.parametrize(
    ('name', 'other'),
    [
        ('left_eye', 'right_eye'),
        ('front_right_paw', 'front_left_paw'),
        ('Left Eye', 'Right Eye'),
        ('RIGHT_EYE', 'LEFT_EYE'),
        ('bright_spot', 'bright_spot'),
    ],
)
def test_other_side(name, other):
    assert CONVERTER['other_side'](name) == other


def test_converter_warns_and_refuses(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    coco = copy.deepcopy(GOOD)
    coco['categories'][0]['keypoints'] = ['left_hand', 'b']
    (tmp_path / 'a.json').write_text(json.dumps(coco))
    CONVERTER['main'](['a.json', 'new/a.py'])
    said = capsys.readouterr().out
    assert 'no flip pair: left_hand without right_hand' in said
    (tmp_path / 'b.json').write_text('[]')
    for arguments, message in [
        (['a.json', 'new/a.py'], 'remove it'),
        (['b.json', 'b.py'], 'b.json: it is not an object'),
    ]:
        with pytest.raises(SystemExit, match='2'):
            CONVERTER['main'](arguments)
        assert message in capsys.readouterr().err
