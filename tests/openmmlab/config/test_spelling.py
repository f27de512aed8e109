"""What asks for DARK and is misspelt: refused, with what was meant."""

import copy
import functools
import re

import pytest
from mmengine.config import Config
from mmengine.hub import get_config
from mmpose.codecs import MSRAHeatmap

from dark_codec import apply_codec

HRNET = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
)
MSRA = dict(
    type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2
)
OURS = dict(imports=['dark_codec'], allow_failed_imports=False)


@functools.cache
def _base():
    return get_config(HRNET).to_dict()


def base(**changes):
    """MMPose's config as a dict, with other keys at the top."""
    return {**copy.deepcopy(_base()), **changes}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            dict(codec=dict(MSRA, type='DarkCodec')),
            "codec.type='DarkCodec' is no registered codec; "
            "did you mean 'DARKCodec'?",
        ),
        (
            dict(codec=dict(MSRA, type='DARKHeatmap')),
            "'DARKHeatmap' is no .* mean 'DARKCodec'.*Known: .*'UDPHeatmap'",
        ),
        (dict(codec=dict(type='DRAKCodec')), "mean 'DARKCodec'"),
        (dict(codec=dict(type='mmdet.DARKCodec')), "'mmdet.DARKCodec' is no"),
        (
            dict(codec='DARKCodec'),
            r"must be a dict .*codec=dict\(type='DARKCodec'\), got codec='D",
        ),
        (
            dict(Codec=dict(type='DARKCodec')),
            "Codec={'type': 'DARKCodec'}: nothing uses .* is codec, as in",
        ),
        (dict(codecs=dict(type='DarkCodec')), 'codecs=.*nothing uses'),
        (dict(dark=dict(type='DARKCodec')), 'dark=.*nothing uses'),
        (
            dict(codec=dict(MSRA, typ='DARKCodec')),
            "names DARKCodec, but its type is 'MSRAHeatmap'",
        ),
        (
            dict(codec=[dict(type='DARKCodec'), dict(type='DarkCodec')]),
            "codec.type='DarkCodec'",
        ),
        # settings of ours, without our type
        (
            dict(
                custom_imports=OURS, codec=dict(MSRA, alignment='half_pixel')
            ),
            'codec has alignment as only a DARKCodec .* is MSRAHeatmap: write',
        ),
        (
            dict(custom_imports=OURS, codec=dict(decoder='ArgmaxDecoder')),
            'codec has decoder .* its type is None',
        ),
        # over a DARK base, what it asks for would be lost
        (
            dict(
                codec=dict(type='DARKCodec'),
                Codec=dict(type='DARKCodec', alignment='half_pixel'),
            ),
            'Codec=.*half_pixel.*nothing uses',
        ),
        (
            dict(codec=dict(type='DARKCodec'), target_on_device=True),
            'target_on_device=True.*mean targets_on_device',
        ),
        # with our import, every codec must be known
        (
            dict(custom_imports=OURS, codec=dict(MSRA, type='MRSAHeatmap')),
            "'MRSAHeatmap'.*mean 'MSRAHeatmap'",
        ),
        (
            dict(custom_imports=OURS, codec=dict(type='Zebra')),
            "'Zebra' is no registered codec",
        ),
        (dict(custom_imports=OURS, codec='MSRAHeatmap'), 'must be a dict'),
    ],
)
def test_misspellings_are_refused_when_read(changes, message, monkeypatch):
    with pytest.raises(ValueError, match=message) as refused:
        Config(base(**changes))
    assert '\n' not in str(refused.value)
    # as well as where a tool asks
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')
    with pytest.raises(ValueError, match=re.escape(str(refused.value))):
        apply_codec(Config(base(**changes)))


def test_options_of_the_command_line():
    cfg = Config(base(codec=dict(type='DARKCodec')))
    for options, message in [
        ({'codec.type': 'DarkCodec'}, "mean 'DARKCodec'"),
        ({'codec': 'DARKCodec'}, 'must be a dict'),
        ({'codec.decoder': 'TaylerDecoder'}, "mean 'TaylorDecoder'"),
        ({'codec.encoder': 'Biased'}, "mean 'BiasedEncoder'"),
        (
            {
                'codec.decoder.modulation': 'Gaussian',
                'codec.decoder.type': 'TaylorDecoder',
            },
            "mean 'GaussianModulation'",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            copy.deepcopy(cfg).merge_from_dict(options)


@pytest.mark.parametrize(
    'changes',
    [
        # nothing of ours: not our business
        dict(codec=dict(type='Zebra')),
        dict(codec='h264'),
        dict(codec=None),
        dict(train_codec=MSRA, Codec=MSRA),
        dict(backbone=dict(type='CSPDarknet')),
        # ours, without a codec of ours
        dict(custom_imports=OURS),
        dict(custom_imports=OURS, codec=dict(MSRA, type='mmpose.UDPHeatmap')),
        dict(custom_imports=OURS, codec=dict(MSRA, type=MSRAHeatmap)),
        dict(custom_imports=OURS, codec=None),
        dict(custom_imports=dict(imports='dark_codec')),
    ],
)
def test_what_is_meant_is_left_alone(changes):
    cfg = Config(base(**changes))
    assert cfg._cfg_dict == Config(dict(x=base(**changes))).x


def explicit(codec, **changes):
    """A config that says itself where the codec is used."""
    whole = base(**changes)
    whole.pop('codec')
    whole['model']['head']['decoder'] = codec
    for transform in whole['train_dataloader']['dataset']['pipeline']:
        if transform['type'] == 'GenerateTarget':
            transform['encoder'] = codec
    return whole


def test_a_variable_of_any_name_that_is_used():
    dark = dict(MSRA, type='DARKCodec')
    for key in ('Codec', 'dark', 'my_codec'):
        whole = {**explicit(dark), key: dark}
        assert Config(whole)._cfg_dict == Config(dict(x=whole)).x
    with pytest.raises(ValueError, match='Codec=.*nothing uses'):
        Config({**explicit(dark), 'Codec': dict(dark, sigma=3)})


def test_misspelt_where_it_is_used():
    for kind in ('DarkCodec', 'DARKHeatmap'):
        with pytest.raises(
            ValueError, match=f"model.head.decoder.type='{kind}'.*DARKCodec"
        ):
            Config(explicit(dict(MSRA, type=kind), custom_imports=OURS))


# a top-level codec and others


def with_head(codec, **changes):
    whole = base(**changes)
    whole['model']['head']['decoder'] = codec
    return whole


def with_encoder(codec, **changes):
    whole = explicit(codec, **changes)
    whole['model']['head']['decoder'] = MSRA
    return whole


@pytest.mark.parametrize('place', [with_head, with_encoder])
@pytest.mark.parametrize(
    'settings',
    [
        dict(sigma=3),
        dict(alignment='half_pixel'),
        dict(decoder='ArgmaxDecoder'),
        dict(encoder=dict(type='BiasedEncoder')),
        dict(decoder=dict(type='TaylorDecoder', modulation=None)),
    ],
)
def test_another_dark_codec_in_one_place(place, settings):
    codec = dict(type='DARKCodec', sigma=2)
    other = dict(MSRA, type='DARKCodec', **{'sigma': 2, **settings})
    whole = {**place(other), 'codec': codec}
    name = 'decoder' if place is with_head else 'encoder'
    with pytest.raises(
        ValueError, match=rf'{name} is .*{list(settings)[0]}.*but codec is'
    ):
        Config(whole)


@pytest.mark.parametrize('place', [with_head, with_encoder])
def test_the_same_dark_codec_in_one_place(place):
    same = dict(
        type='DARKCodec',
        input_size=[192, 256],
        sigma=2.0,
        decoder=dict(type='TaylorDecoder'),
    )
    cfg = Config({**place(same), 'codec': dict(type='DARKCodec')})
    expected = Config(base(codec=dict(type='DARKCodec')))
    assert cfg.model.head.decoder.type == 'DARKCodec'
    encoders = [
        transform.encoder
        for config in (cfg, expected)
        for transform in config.train_dataloader.dataset.pipeline
        if transform.type == 'GenerateTarget'
    ]
    assert encoders[0] == cfg.model.head.decoder
    if place is with_encoder:
        assert encoders[0] == encoders[1]


@pytest.mark.parametrize('place', [with_head, with_encoder])
def test_two_kinds_of_codecs_are_not_replaced(place):
    """One of them was set on purpose."""
    whole = place(dict(MSRA, type='UDPHeatmap'))
    with pytest.raises(
        ValueError, match='two kinds: .*decoder is .*but.*encoder is .*Heatmap'
    ):
        Config({**whole, 'codec': dict(type='DARKCodec')})


def test_a_base_that_is_dark_everywhere_takes_another_codec():
    """As a saved config with a line over it, or with --cfg-options."""
    saved = Config(base(codec=dict(type='DARKCodec')))
    for change in (dict(alignment='half_pixel'), dict(sigma=3.0)):
        whole = saved.to_dict()
        whole['codec'].update(change)
        cfg = Config(whole)
        for key, value in change.items():
            assert cfg.model.head.decoder[key] == value
            assert cfg.train_pipeline[-2].encoder[key] == value


def test_an_option_for_one_place_is_refused():
    cfg = Config(base(codec=dict(type='DARKCodec')))
    with pytest.raises(
        ValueError, match=r"model\.head\.decoder is .*'sigma': 3.* set it in"
    ):
        cfg.merge_from_dict({'model.head.decoder.sigma': 3})
    cfg = Config(base(codec=dict(type='DARKCodec')))
    with pytest.raises(ValueError, match='decoder has use_udp as only a DARK'):
        cfg.merge_from_dict({'model.head.decoder.type': 'MSRAHeatmap'})
