"""Annotations and checkpoints that no run can use are named in one line."""

import json

import pytest
from mmengine.config import Config
from mmengine.hub import get_config
from tiny_run import refusal, save_weights, write_config, write_data

from dark_codec.cli import describe_bad_metainfo


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    """Data, a config and weights that fit."""
    folder = tmp_path_factory.mktemp('good')
    data = write_data(folder / 'data', num_images=2)
    config = write_config(folder / 'tiny.py', data)
    save_weights(config, folder / 'good.pth')
    return folder


def people(change):
    """Change each person."""

    def changed(content):
        for person in content['annotations']:
            change(person)
        return content

    return changed


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        (lambda content: '', 'people.json is no json file'),
        (lambda content: {}, 'has no images and no annotations'),
        (lambda content: {**content, 'annotations': []}, 'no annotations'),
        (
            people(lambda person: person.pop('keypoints')),
            'none of its 2 annotations can be used; each needs a bbox',
        ),
        (
            people(lambda person: person.update(bbox=[5, 10, 0, 0])),
            'none of its 2 annotations can be used; each needs a bbox',
        ),
        (
            people(lambda person: person.update(keypoints=[0] * 51)),
            'none of its 2 annotations can be used; each needs a bbox',
        ),
        (
            people(lambda p: p.update(keypoints=p['keypoints'][:39])),
            'model.head.out_channels = 17, but the people in',
        ),
    ],
)
def test_annotations(good, tmp_path, change, problem):
    content = change(json.loads((good / 'data/people.json').read_text()))
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / 'people.json').write_text(text)
    for tool, *weights in ('train',), ('test', good / 'good.pth'):
        message = refusal(
            tool,
            good / 'tiny.py',
            *weights,
            f'--work-dir={tmp_path}',
            '--cfg-options',
            f'{tool}_dataloader.dataset.ann_file={tmp_path}/people.json',
        )
        assert problem in message
        assert f'{tmp_path}/people.json' in message
        assert '\n' not in message


def test_keypoints_that_the_metainfo_does_not_know(good, tmp_path):
    """13 in file and head, but the config leaves COCO's 17."""
    content = json.loads((good / 'data/people.json').read_text())
    for person in content['annotations']:
        person['keypoints'] = person['keypoints'][:39]
    (tmp_path / 'people.json').write_text(json.dumps(content))
    message = refusal(
        'train',
        good / 'tiny.py',
        f'--work-dir={tmp_path}',
        '--cfg-options',
        'model.head.out_channels=13',
        f'train_dataloader.dataset.ann_file={tmp_path}/people.json',
    )
    assert 'people.json have 13 keypoints, but the metainfo of' in message
    assert 'CocoDataset has 17; give metainfo=' in message


@pytest.mark.parametrize(
    ('name', 'problem'),
    [
        ('notes.txt', 'cannot be read: ValueError: no file of PyTorch begins'),
        ('folder', 'is a folder, name a file'),
        ('empty.pth', 'cannot be read: EOFError'),
        ('half.pth', 'cannot be read: '),
    ],
)
def test_checkpoints(good, tmp_path, monkeypatch, name, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'notes.txt').write_text('epoch 3 was the best\n')
    (tmp_path / 'empty.pth').touch()
    (tmp_path / 'folder').mkdir()
    weights = (good / 'good.pth').read_bytes()
    (tmp_path / 'half.pth').write_bytes(weights[: len(weights) // 2])
    for tool, *arguments in (
        ('test', name),
        ('train', f'--resume={name}'),
        ('train', '--cfg-options', f'load_from={name}'),
    ):
        message = refusal(tool, good / 'tiny.py', *arguments)
        assert message.startswith(f'the checkpoint {name} {problem}')


def test_offsets_have_channels_too():
    """UDP's combined heatmaps: three channels per keypoint."""
    coco = get_config('mmpose::_base_/datasets/coco.py').dataset_info
    head = dict(out_channels=51, decoder=dict(type='UDPHeatmap'))
    dataset = dict(type='CocoDataset', metainfo=coco)
    whole = dict(model=dict(head=head), train_dataloader=dict(dataset=dataset))
    assert 'out_channels = 51, but' in describe_bad_metainfo(
        Config(whole), ['train']
    )
    head['decoder']['heatmap_type'] = 'combined'
    assert describe_bad_metainfo(Config(whole), ['train']) == ''
