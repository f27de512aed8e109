"""A codec's settings: one normal form of whatever spells it."""

import json

import numpy as np
import pytest

from dark_codec import ArgmaxDecoder, DARKCodec, TaylorDecoder
from dark_codec.registry import DECODERS

TAYLOR = dict(
    type='TaylorDecoder',
    modulation=dict(
        type='GaussianModulation',
        sigma=2.0,
        kernel_size=None,
        rescale='minmax',
    ),
    sigma=2.0,
    covariance=False,
)


def built(settings):
    return DARKCodec(**{k: v for k, v in settings.items() if k != 'type'})


def test_all_is_filled_in():
    assert DARKCodec().settings == dict(
        type='DARKCodec',
        input_size=(192, 256),
        heatmap_size=(48, 64),
        sigma=2.0,
        encoder=dict(type='UnbiasedEncoder'),
        decoder=TAYLOR,
        alignment='asymmetric',
        use_udp=False,
        correct_flip_shift=False,
        scores=dict(type='HeatmapHeight'),
    )


@pytest.mark.parametrize(
    'spelling',
    [
        dict(input_size=[192, 256], sigma=2),
        dict(sigma=np.float64(2), encoder=dict(type='UnbiasedEncoder')),
        dict(decoder=TaylorDecoder),
        dict(decoder=dict(type='mmpose.TaylorDecoder', sigma=None)),
        dict(decoder=dict(type='TaylorDecoder', sigma=2)),
        dict(
            decoder=dict(
                type='TaylorDecoder',
                modulation=dict(type='GaussianModulation', rescale='minmax'),
            )
        ),
    ],
)
def test_other_spellings_of_the_same(spelling):
    assert DARKCodec(**spelling).settings == DARKCodec().settings


@pytest.mark.parametrize(
    'other',
    [
        dict(sigma=1.5),
        dict(alignment='half_pixel'),
        dict(use_udp=True),
        dict(correct_flip_shift=True),
        dict(encoder=dict(type='BiasedEncoder', quantise='floor')),
        dict(decoder='GaussianFitDecoder'),
        dict(decoder=dict(type='TaylorDecoder', modulation=None)),
        dict(
            decoder=dict(
                type='TaylorDecoder',
                modulation=dict(type='GaussianModulation', kernel_size=11),
            )
        ),
    ],
)
def test_through_json_and_back(other):
    settings = DARKCodec(**other).settings
    assert settings != DARKCodec().settings
    assert built(json.loads(json.dumps(settings))).settings == settings


POWER = np.float32(0.5)


class Sloped(ArgmaxDecoder):
    """Not registered; its arguments are arrays and numpy's numbers."""

    def __init__(self, weights, power=POWER):
        super().__init__()
        self.weights = weights


def test_a_decoder_of_the_users():
    weights = np.array([1.0, 2.0])
    settings = DARKCodec(decoder=dict(type=Sloped, weights=weights)).settings
    assert settings['decoder'] == dict(
        type=f'{__name__}.Sloped', weights=(1.0, 2.0), power=0.5
    )
    again = built(json.loads(json.dumps(settings)))
    assert type(again.decoder) is Sloped
    assert again.settings == settings


def test_a_registered_name_stays():
    DECODERS.register_module(name='sloped', module=Sloped)
    try:
        codec = DARKCodec(decoder=dict(type='sloped', weights=1))
        assert codec.settings['decoder']['type'] == 'sloped'
    finally:
        del DECODERS.module_dict['sloped']


KERNEL = dict(type='GaussianModulation', kernel_size=11, sigma=2)


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        (dict(input_size=(True, 256)), 'input_size.*integers.*True'),
        (dict(sigma=True), 'sigma must be a positive number.*True'),
        (dict(sigma='2'), "sigma must be a positive number.*'2'"),
        (dict(use_udp='no'), "use_udp must be True or False, got 'no'"),
        (dict(correct_flip_shift='no'), "correct_flip_shift .*'no'"),
        (dict(correct_flip_shift=0), 'correct_flip_shift .* got 0'),
        (
            dict(decoder=dict(type='TaylorDecoder', sigma='2')),
            "TaylorDecoder's sigma.*'2'",
        ),
        (
            dict(decoder=dict(type='GaussianFitDecoder', sigma=True)),
            "GaussianFitDecoder's sigma.*True",
        ),
        (
            dict(decoder=dict(type='TaylorDecoder', covariance='no')),
            "covariance must be True or False, got 'no'",
        ),
        (
            dict(decoder=dict(type='TaylorDecoder', modulation=KERNEL)),
            'either sigma or kernel_size, got sigma=2 and kernel_size=11',
        ),
        (
            dict(
                decoder=dict(
                    type='TaylorDecoder',
                    modulation=dict(
                        type='GaussianModulation', kernel_size=True
                    ),
                )
            ),
            'kernel_size must be .*True',
        ),
    ],
)
def test_what_is_refused(argument, message):
    with pytest.raises(ValueError, match=message):
        DARKCodec(**argument)


@pytest.mark.parametrize('kind', [None, 3])
def test_a_part_without_a_type(kind):
    with pytest.raises(TypeError, match=f"with 'type', got .*{kind}"):
        DARKCodec(decoder=dict(type=kind))
