"""Checkpoints and folders that do not fit what a tool is to do with them."""

import copy
import os

import pytest
from mmengine.config import Config
from tiny_run import refusal, save_weights, write_config, write_data

from dark_codec.cli import UserError, check_folder
from dark_codec.openmmlab.config.literals import read_literals
from dark_codec.openmmlab.engine import codec_differences

DECODER = dict(type='DARKCodec', input_size=(64, 64))


def trained(decoder, **top):
    """A checkpoint as MMEngine saves one, without weights."""
    head = dict(type='HeatmapHead', decoder=decoder)
    cfg = Config(dict(model=dict(head=head), **top))
    return dict(meta=dict(cfg=cfg.pretty_text))


# codecs


@pytest.mark.parametrize(
    'there, here, difference',
    [
        ({}, dict(sigma=2.0), 'sigma: 0.5 there, 2.0 here'),
        (dict(sigma=2.0), {}, 'sigma: 2.0 there, 0.5 here'),
        (
            {},
            dict(alignment='half_pixel'),
            'alignment: asymmetric there, half_pixel here',
        ),
        (
            dict(encoder=dict(type='BiasedEncoder', quantise='floor')),
            {},
            "encoder: BiasedEncoder(quantise='floor') there, "
            'UnbiasedEncoder() here',
        ),
        (
            dict(encoder='BiasedEncoder'),
            dict(encoder=dict(type='BiasedEncoder', quantise='ceil')),
            "encoder: BiasedEncoder(quantise='round') there, "
            "BiasedEncoder(quantise='ceil') here",
        ),
        ({}, dict(use_udp=True), 'use_udp: False there, True here'),
        (
            {},
            dict(heatmap_size=(32, 32), sigma=0.5),
            'heatmap_size: (16, 16) there, (32, 32) here',
        ),
    ],
)
def test_one_difference(there, here, difference):
    checkpoint = trained({**DECODER, **there})
    assert codec_differences(checkpoint, {**DECODER, **here}) == [difference]


def test_several_differences():
    found = codec_differences(
        trained(DECODER), dict(type='DARKCodec', input_size=(96, 128))
    )
    assert found == [
        'input_size: (64, 64) there, (96, 128) here',
        'heatmap_size: (16, 16) there, (24, 32) here',
        'sigma: 0.5 there, 1.0 here',
    ]


@pytest.mark.parametrize(
    'same',
    [
        dict(heatmap_size=[16, 16], sigma=0.5),
        dict(sigma=None, encoder=dict(type='UnbiasedEncoder')),
        dict(decoder='ArgmaxDecoder', correct_flip_shift=True),
    ],
)
def test_what_comes_to_the_same_and_what_is_chosen_later(same):
    assert not codec_differences(trained({**DECODER, **same}), DECODER)
    assert not codec_differences(trained(DECODER), {**DECODER, **same})


def test_codecs_of_mmpose():
    sizes = dict(input_size=(64, 64), heatmap_size=(16, 16), sigma=0.5)
    udp = trained(dict(type='UDPHeatmap', **sizes))
    assert codec_differences(udp, DECODER) == [
        'alignment: align_corners there, asymmetric here'
    ]
    msra = trained(dict(type='MSRAHeatmap', **{**sizes, 'sigma': 2}))
    assert codec_differences(msra, DECODER) == ['sigma: 2.0 there, 0.5 here']
    simcc = trained(dict(type='SimCCLabel', input_size=(64, 64)))
    assert not codec_differences(simcc, DECODER)


def test_the_finest_level_and_wrapped_heads():
    levels = [{**DECODER, 'sigma': 2.0}, DECODER]
    assert not codec_differences(trained(levels), DECODER)
    head = dict(type='VisPredictHead', pose_cfg=dict(decoder=levels[0]))
    cfg = Config(dict(model=dict(head=head)))
    wrapped = dict(meta=dict(cfg=cfg.pretty_text))
    assert codec_differences(wrapped, DECODER) == [
        'sigma: 2.0 there, 0.5 here'
    ]


@pytest.mark.parametrize(
    'checkpoint',
    [
        {},
        dict(meta=None),
        dict(meta=dict(cfg='not = [python')),
        dict(meta=dict(cfg='model = dict(head=dict())')),
        dict(meta=dict(cfg='model = make_model()')),
        trained(dict(type='Unknown')),
        dict(
            meta=dict(
                cfg='model = dict(head=dict(decoder='
                "dict(type='DARKCodec', unknown=1)))"
            )
        ),
    ],
)
def test_a_checkpoint_that_does_not_tell(checkpoint):
    before = copy.deepcopy(checkpoint)
    assert codec_differences(checkpoint, DECODER) == []
    assert checkpoint == before


def test_the_config_of_a_checkpoint_is_not_run(tmp_path):
    victim = tmp_path / 'victim'
    text = f'a = open({str(victim)!r}, "w")\nimport os\nb = [dict(c=-1.5)]'
    values = read_literals(text)
    assert values['b'] == [dict(c=-1.5)]
    assert not victim.exists()


def test_a_config_of_mmpose_is_read_whole():
    import mmpose

    path = (
        f'{mmpose.__path__[0]}/.mim/configs/body_2d_keypoint/topdown_heatmap/'
        'coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
    )
    cfg = Config.fromfile(path)

    def as_lists(value):
        if isinstance(value, dict):
            return {key: as_lists(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [as_lists(item) for item in value]
        return value

    assert read_literals(cfg.pretty_text) == as_lists(cfg.to_dict())


# folders


@pytest.mark.parametrize('option', ['--work-dir', '--show-dir'])
@pytest.mark.parametrize('tool', ['train', 'test'])
def test_folders_below_a_file(tmp_path, monkeypatch, tool, option):
    monkeypatch.chdir(tmp_path)
    config = write_config(tmp_path / 'tiny.py', write_data(tmp_path / 'data'))
    save_weights(config, tmp_path / 'weights.pth')
    (tmp_path / 'file').touch()
    # a relative --show-dir is below the run's own folder
    path = 'file/below' if option == '--work-dir' else tmp_path / 'file/below'
    weights = ['weights.pth'] if tool == 'test' else []
    message = refusal(tool, 'tiny.py', *weights, f'{option}={path}')
    assert message.startswith(f'{option} ') and 'Not a directory' in message
    assert message.endswith("file/below'")


def test_a_folder_that_is_read_only(tmp_path, monkeypatch):
    """Permissions do not bind root, so the question is answered here."""
    check_folder('--work-dir', str(tmp_path / 'a' / 'b'))
    assert (tmp_path / 'a' / 'b').is_dir()
    monkeypatch.setattr(os, 'access', lambda path, mode: not mode & os.W_OK)
    with pytest.raises(UserError, match='--work-dir .*cannot be written'):
        check_folder('--work-dir', str(tmp_path))
