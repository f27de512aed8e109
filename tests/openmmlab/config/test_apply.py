import copy
import logging
import re

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS

from dark_codec import DARKCodec, apply_codec

TOPDOWN = 'mmpose::body_2d_keypoint/topdown_heatmap/'
HRNET = TOPDOWN + 'coco/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
DARK = TOPDOWN + 'coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192.py'
UDP = TOPDOWN + 'coco/td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192.py'
COMBINED = (
    TOPDOWN + 'coco/td-hm_hrnet-w32_udp-regress-8xb64-210e_coco-256x192.py'
)
RSN = TOPDOWN + 'coco/td-hm_rsn18_8xb32-210e_coco-256x192.py'
VISIBILITY = (
    TOPDOWN + 'coco/td-hm-vis_res50_8xb64-210e_coco-aic-256x192-merge.py'
)
MSPN = TOPDOWN + 'coco/td-hm_2xmspn50_8xb32-210e_coco-256x192.py'

TWO_LINES = """
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
codec = dict(type='DARKCodec')
"""


@pytest.fixture(autouse=True)
def not_completed(monkeypatch):
    """Configs as MMEngine reads them, before apply_codec."""
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')


@pytest.fixture
def load(tmp_path):
    """Load a config file of these lines over a base."""

    def load(base, lines=TWO_LINES):
        file = tmp_path / 'config.py'
        file.write_text(f'_base_ = [{base!r}]\n{lines}')
        return Config.fromfile(file)

    return load


def transforms(cfg, kind):
    """All transforms of a type that the run will use, and how they occur."""
    found = []
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        for transform in cfg[loader].dataset.pipeline:
            if transform['type'] == kind:
                found.append(transform)
    return found


def as_dict(cfg):
    return copy.deepcopy(cfg.to_dict())


def leaves(node, path=''):
    """Every value of a config by its path, to see what changed."""
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return {path: node}
    found = {}
    for key, value in items:
        found.update(leaves(value, f'{path}.{key}'))
    return found


def assert_dark_everywhere(cfg, **expected):
    """The head and the pipelines use one codec, which has these settings."""
    head = MODELS.build(cfg.model.head)
    (target,) = transforms(cfg, 'GenerateTarget')
    encoder = TRANSFORMS.build(target).encoder
    for codec in (head.decoder, encoder, KEYPOINT_CODECS.build(cfg.codec)):
        assert type(codec) is DARKCodec
        for key, value in expected.items():
            assert getattr(codec, key) == value
    warps = transforms(cfg, 'TopdownAffine')
    assert len(warps) == 3
    for warp in warps:
        assert tuple(warp['input_size']) == head.decoder.input_size
    return head.decoder


def test_two_lines(load):
    cfg = load(HRNET)
    before = leaves(as_dict(cfg))
    assert apply_codec(cfg) is cfg
    codec = assert_dark_everywhere(
        cfg,
        input_size=(192, 256),
        heatmap_size=(48, 64),
        sigma=2.0,
        alignment='asymmetric',
        use_udp=False,
    )
    assert type(codec.decoder).__name__ == 'TaylorDecoder'
    assert type(codec.encoder).__name__ == 'UnbiasedEncoder'
    assert cfg.model.test_cfg.shift_heatmap is True
    # nothing else has changed
    after = leaves(as_dict(cfg))
    for path in before.keys() | after.keys():
        if before.get(path) != after.get(path):
            assert path.startswith('.codec') or any(
                place in path for place in ('.decoder', '.encoder')
            )


def test_targets_and_predictions_are_darks(load):
    """The pipeline's own output, decoded by the head that was built."""
    cfg = apply_codec(load(HRNET))
    (target,) = transforms(cfg, 'GenerateTarget')
    keypoints = np.array([[[80.3, 100.6], [120.9, 60.2]]], np.float32)
    results = TRANSFORMS.build(target)(
        dict(
            transformed_keypoints=keypoints,
            keypoints=keypoints,
            keypoints_visible=np.ones((1, 2), np.float32),
            dataset_keypoint_weights=np.ones(2, np.float32),
        )
    )
    head = MODELS.build(cfg.model.head)
    decoded, _ = head.decoder.decode(results['heatmaps'])
    np.testing.assert_allclose(decoded, keypoints, atol=4e-3)


def test_settings_are_kept(load):
    cfg = apply_codec(
        load(
            HRNET,
            "codec = dict(type='DARKCodec', sigma=1.5, encoder=dict("
            "type='BiasedEncoder', quantise='floor'), decoder=dict("
            "type='TaylorDecoder', modulation=dict("
            "type='GaussianModulation', kernel_size=11, rescale='max')))",
        )
    )
    codec = assert_dark_everywhere(cfg, sigma=1.5)
    assert codec.encoder.quantise == 'floor'
    assert codec.decoder.modulation.rescale == 'max'
    assert len(codec.decoder.modulation.kernel) == 11


@pytest.mark.parametrize(
    'base',
    [
        'coco/td-hm_hourglass52_8xb32-210e_coco-256x256.py',
        'coco/td-hm_cpm_8xb64-210e_coco-256x192.py',
        'coco/td-hm_res50_8xb64-210e_coco-384x288.py',
        'mpii/td-hm_res50_8xb64-210e_mpii-256x256.py',
        'crowdpose/td-hm_hrnet-w32_8xb64-210e_crowdpose-256x192.py',
    ],
)
def test_other_gaussian_bases(load, base):
    cfg = load(TOPDOWN + base)
    replaced = as_dict(cfg)['model']['head']['decoder']
    cfg = apply_codec(cfg)
    assert_dark_everywhere(
        cfg,
        input_size=tuple(replaced['input_size']),
        heatmap_size=tuple(replaced['heatmap_size']),
        sigma=replaced['sigma'],
    )


@pytest.mark.parametrize('base', [DARK, UDP])
def test_keys_of_the_replaced_codec_are_dropped(load, base):
    cfg = load(base)
    cfg.merge_from_dict(
        {
            'codec.blur_kernel_size': 11,
            'model.head.decoder.blur_kernel_size': 11,
        }
    )
    assert_dark_everywhere(apply_codec(cfg))
    for codec in (cfg.codec, cfg.model.head.decoder):
        assert not {'unbiased', 'blur_kernel_size'} & set(codec)


def test_udp_base(load):
    cfg = apply_codec(load(UDP))
    codec = assert_dark_everywhere(
        cfg, alignment='align_corners', use_udp=True, sigma=2.0
    )
    assert cfg.model.test_cfg.shift_heatmap is False
    # in the image, all is as with the codec of the base
    replaced = Config.fromfile(load(UDP).filename).model.head.decoder
    assert replaced.type == 'UDPHeatmap'
    keypoints = np.array([[[80.3, 100.6], [150.9, 60.2]]], np.float32)
    udp = KEYPOINT_CODECS.build(replaced)
    heatmaps = udp.encode(keypoints)['heatmaps']
    np.testing.assert_allclose(
        codec.decode(heatmaps)[0], udp.decode(heatmaps)[0], atol=0.02
    )


def test_udp_warp_with_another_alignment(load):
    cfg = load(UDP, "codec = dict(type='DARKCodec', alignment='half_pixel')")
    assert_dark_everywhere(
        apply_codec(cfg), alignment='half_pixel', use_udp=True
    )


@pytest.mark.parametrize('base', [RSN, MSPN])
def test_multi_level_base(load, base):
    """One sigma for each level, that of the kernel that it had."""
    kernels = [level.kernel_size for level in load(base, '').codec]
    cfg = load(base, "codec = dict(_delete_=True, type='DARKCodec')")
    cfg = apply_codec(cfg)
    (target,) = transforms(cfg, 'GenerateTarget')
    encoders = TRANSFORMS.build(target).encoder
    assert [type(encoder) for encoder in encoders] == [DARKCodec] * len(
        encoders
    )
    sigmas = [encoder.sigma for encoder in encoders]
    opencv = {15: 2.6, 11: 2.0, 9: 1.7, 7: 1.4, 5: 1.1}
    assert sigmas == pytest.approx([opencv[size] for size in kernels])
    assert len(set(sigmas)) == len(encoders) >= 4
    decoder = KEYPOINT_CODECS.build(cfg.model.head.decoder)
    assert type(decoder) is DARKCodec
    assert decoder.sigma == pytest.approx(1.1)
    assert decoder.heatmap_size == (48, 64)
    assert cfg.model.test_cfg.shift_heatmap is True
    assert leaves(as_dict(apply_codec(copy.deepcopy(cfg)))) == leaves(
        as_dict(cfg)
    )


@pytest.mark.parametrize('base', [RSN, MSPN])
def test_levels_keep_their_ratio_to_an_explicit_sigma(load, base):
    kernels = [level.kernel_size for level in load(base, '').codec]
    opencv = {15: 2.6, 11: 2.0, 9: 1.7, 7: 1.4, 5: 1.1}
    cfg = load(base, "codec = dict(_delete_=True, type='DARKCodec', sigma=2)")
    for sigma in (2.0, 1.5):
        cfg.codec.sigma = sigma
        cfg = apply_codec(apply_codec(cfg))
        assert cfg.model.head.decoder.sigma == sigma
        (target,) = transforms(cfg, 'GenerateTarget')
        sigmas = [level.sigma for level in TRANSFORMS.build(target).encoder]
        expected = [opencv[size] * sigma / 1.1 for size in kernels]
        assert sigmas == pytest.approx(expected)


def test_multi_level_base_with_levels_spelt_out(load):
    lines = (
        "codec = [dict(type='DARKCodec', sigma=s) "
        'for s in (2.5, 2.0, 1.5, {})]'
    )
    cfg = apply_codec(load(RSN, lines.format(1.0)))
    (target,) = transforms(cfg, 'GenerateTarget')
    sigmas = [encoder.sigma for encoder in TRANSFORMS.build(target).encoder]
    assert sigmas == [2.5, 2.0, 1.5, 1.0]
    assert cfg.model.head.decoder.sigma == 1.0
    with pytest.raises(ValueError, match='5 levels.*GenerateTarget has 4'):
        apply_codec(load(RSN, lines.format('1.0, 0.5')))
    mixed = (
        "codec = [dict(type='DARKCodec'), dict(type='MegviiHeatmap', "
        'input_size=(192, 256), heatmap_size=(48, 64), kernel_size=5)]'
    )
    with pytest.raises(ValueError, match='all levels.*MegviiHeatmap'):
        apply_codec(load(RSN, mixed))


def test_a_head_that_wraps_the_one_with_the_decoder(load):
    """VisPredictHead: two lines, and the places spelt out."""
    cfg = load(VISIBILITY)
    replaced = as_dict(cfg)['model']['head']
    apply_codec(cfg)
    assert set(cfg.model.head) == set(replaced)
    head = MODELS.build(cfg.model.head)
    (target,) = transforms(cfg, 'GenerateTarget')
    for codec in (
        head.pose_head.decoder,
        TRANSFORMS.build(target).encoder,
    ):
        assert type(codec) is DARKCodec
        assert (codec.sigma, codec.heatmap_size) == (2.0, (48, 64))
    before = as_dict(cfg)
    # without the top-level codec, the three places are checked
    cfg.pop('codec')
    apply_codec(cfg)
    del before['codec']
    assert as_dict(cfg) == before
    cfg.model.head.pose_cfg.decoder.sigma = 3
    with pytest.raises(ValueError, match=r'same in all.*pose_cfg\.decoder'):
        apply_codec(cfg)


@pytest.fixture
def messages():
    """What is logged, as pairs of level and text."""
    records = []
    handler = logging.Handler()
    handler.emit = lambda record: records.append(
        (record.levelname, record.getMessage())
    )
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


def said(messages, level):
    """What of ours was logged at a level."""
    return [
        text
        for found, text in messages
        if found == level and text.startswith('DARKCodec')
    ]


def test_one_line_for_people_and_details_for_who_looks(load, messages):
    cfg = apply_codec(load(DARK))
    assert said(messages, 'INFO') == [
        'DARKCodec: unbiased, Taylor (minmax), asymmetric, sigma 2, '
        '192x256 -> 48x64; replaces MSRAHeatmap in 3 places'
    ]
    details = said(messages, 'DEBUG')
    for place in (
        "dropped {'unbiased': True}, inherited from MSRAHeatmap",
        'model.head.decoder = ',
        'train_dataloader.dataset.pipeline.6.encoder = ',
    ):
        assert any(place in text for text in details)
    messages.clear()
    apply_codec(cfg)
    apply_codec(load(HRNET, ''))
    assert not said(messages, 'INFO') + said(messages, 'DEBUG')


def test_a_derived_key_alone_is_no_news(load, messages):
    cfg = apply_codec(load(HRNET))
    messages.clear()
    cfg.model.test_cfg.shift_heatmap = False
    cfg.codec.heatmap_size = [48, 64]
    cfg.codec.encoder = 'UnbiasedEncoder'
    apply_codec(cfg)
    assert cfg.model.test_cfg.shift_heatmap is True
    assert not said(messages, 'INFO')
    assert 'shift_heatmap = True' in ''.join(said(messages, 'DEBUG'))


SHIFT = 'model = dict(test_cfg=dict(shift_heatmap=False))'


@pytest.mark.parametrize(
    ('codec', 'warnings'),
    [
        ('', ['shift_heatmap=False does not fit.*set back to True']),
        # the alignment itself asks for it
        ("codec['alignment'] = 'half_pixel'", []),
    ],
)
def test_a_shift_that_is_set_back(load, messages, codec, warnings):
    """The base's flip test shifts, and a line over it does not."""
    cfg = apply_codec(load(HRNET, f'{TWO_LINES}{SHIFT}\n{codec}'))
    assert cfg.model.test_cfg.shift_heatmap is not bool(codec)
    found = said(messages, 'WARNING')
    assert len(found) == len(warnings)
    assert all(map(re.search, warnings, found))


@pytest.mark.parametrize(
    ('base', 'codec', 'line'),
    [
        (
            UDP,
            "encoder=dict(type='BiasedEncoder', quantise='floor'), "
            "decoder='QuarterShiftDecoder', sigma=1.5",
            'biased (floor), QuarterShift, align_corners, sigma 1.5, '
            '192x256 -> 48x64; replaces UDPHeatmap in 3 places',
        ),
        (
            HRNET,
            "decoder=dict(type='TaylorDecoder', modulation=None), "
            'correct_flip_shift=True',
            'unbiased, Taylor (unmodulated), asymmetric, sigma 2, '
            '192x256 -> 48x64, flip shift corrected; '
            'replaces MSRAHeatmap in 3 places',
        ),
        (
            RSN,
            "_delete_=True, decoder='GaussianFitDecoder'",
            'unbiased, GaussianFit, asymmetric, sigma 1.1, '
            '192x256 -> 48x64; replaces MegviiHeatmap in 3 places',
        ),
    ],
)
def test_what_the_line_says(load, messages, base, codec, line):
    apply_codec(load(base, f"codec = dict(type='DARKCodec', {codec})"))
    assert said(messages, 'INFO') == [f'DARKCodec: {line}']


@pytest.mark.parametrize(
    ('sizes', 'sigma'),
    [
        ('heatmap_size=(72, 96), sigma=3', 3.0),
        ('heatmap_size=None, sigma=None', 3.0),
        # the base's, which is meant for heatmaps of another size
        ('heatmap_size=None', 2.0),
    ],
)
def test_another_input_size(load, messages, sizes, sigma):
    cfg = load(
        HRNET,
        f"codec = dict(type='DARKCodec', input_size=(288, 384), {sizes})",
    )
    assert_dark_everywhere(
        apply_codec(cfg),
        input_size=(288, 384),
        heatmap_size=(72, 96),
        sigma=sigma,
    )
    warnings = [text for level, text in messages if level == 'WARNING']
    assert len(warnings) == (sigma == 2.0)
    assert all('sigma=2' in text and 'is 3' in text for text in warnings)


def test_input_and_heatmap_size_must_change_together(load):
    cfg = load(HRNET, "codec = dict(type='DARKCodec', input_size=(288, 384))")
    with pytest.raises(
        ValueError, match=r'stride of 6.*for 4, .*heatmap_size=\(72, 96\)'
    ):
        apply_codec(cfg)
    cfg = load(HRNET, "codec = dict(type='DARKCodec', heatmap_size=(96, 128))")
    with pytest.raises(
        ValueError, match=r'stride of 2.*for 4, .*heatmap_size=\(48, 64\)'
    ):
        apply_codec(cfg)
    cfg = load(HRNET, "codec = dict(type='DARKCodec', input_size=(256, 192))")
    with pytest.raises(ValueError, match=r'\(48, 64\) does not fit.*256, 192'):
        apply_codec(cfg)


def test_strides_that_differ(load):
    """AlexNet's: 192x256 -> 40x56."""
    alexnet = HRNET.replace('hrnet-w32', 'alexnet')
    cfg = apply_codec(load(alexnet, "codec = dict(type='DARKCodec')"))
    assert tuple(cfg.model.head.decoder.heatmap_size) == (40, 56)
    cfg = load(
        alexnet, "codec = dict(type='DARKCodec', heatmap_size=(40, 52))"
    )
    with pytest.raises(
        ValueError,
        match=r'stride of 4.8 x 4.92.*for 4.8 x 4.57.*heatmap_size=\(40, 56\)',
    ):
        apply_codec(cfg)


BODY = 'mmpose::body_2d_keypoint/'


@pytest.mark.parametrize(
    ('base', 'message'),
    [
        (COMBINED, "UDPHeatmap.*heatmap_type='combined'.*offsets"),
        (
            BODY + 'topdown_regression/coco/'
            'td-reg_res101_8xb64-210e_coco-256x192.py',
            'RegressionLabel.*RegressionHead.*Gaussian heatmap.*MSRAHeatmap',
        ),
        (
            BODY + 'simcc/coco/simcc_res50_8xb64-210e_coco-256x192.py',
            'SimCCLabel.*SimCCHead.*Gaussian heatmap',
        ),
        (
            BODY
            + 'integral_regression/coco/ipr_res50_8xb64-210e_coco-256x256.py',
            'cannot replace.*DSNTHead|cannot replace.*IntegralRegression',
        ),
        (
            BODY + 'dekr/coco/dekr_hrnet-w32_8xb10-140e_coco-512x512.py',
            'SPR.*DEKRHead.*Gaussian heatmap',
        ),
    ],
)
def test_models_without_gaussian_heatmaps_are_refused(load, base, message):
    cfg = load(base, "codec = dict(_delete_=True, type='DARKCodec')")
    before = as_dict(cfg)
    with pytest.raises(ValueError, match=message):
        apply_codec(cfg)
    assert as_dict(cfg) == before


def test_configs_without_the_places_are_refused():
    codec = dict(type='DARKCodec')
    msra = dict(
        type='MSRAHeatmap',
        input_size=(192, 256),
        heatmap_size=(48, 64),
        sigma=2,
    )
    with pytest.raises(ValueError, match=r'no model\.head'):
        apply_codec(Config(dict(codec=codec)))
    with pytest.raises(ValueError, match=r'no model\.head'):
        apply_codec(Config(dict(codec=codec, model=dict(type='X'))))
    with pytest.raises(ValueError, match=r'None, the decoder of model\.head'):
        apply_codec(Config(dict(codec=codec, model=dict(head=dict(type='X')))))
    model = dict(head=dict(type='HeatmapHead', decoder=msra))
    with pytest.raises(ValueError, match='no TopdownAffine'):
        apply_codec(Config(dict(codec=codec, model=model)))


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        ("type='DARKCodec', sigmas=2", r"\['sigmas'\].*known.*'sigma'"),
        ("type='DARKCodec', unbiased=True", r"\['unbiased'\].*'encoder'"),
        ("type='DARKCodec', blur_kernel_size=11", 'blur_kernel_size.*decoder'),
        ("type='DARKCodec', sigma=-1", 'sigma.*positive.*-1'),
        ("type='DARKCodec', decoder='Dark'", "decoder 'Dark'.*TaylorDecoder"),
        (
            "type='DARKCodec', decoder=dict(type='TaylorDecoder', mod=None)",
            'codec.*TaylorDecoder.*mod',
        ),
        ("type='DARKCodec', alignment='x'", "alignment.*half_pixel.*'x'"),
        ("type='DARKCodec', use_udp=True", 'use_udp=True.*TopdownAffine'),
    ],
)
def test_refused_codecs(load, lines, message):
    with pytest.raises(ValueError, match=message):
        apply_codec(load(HRNET, f'codec = dict({lines})'))


def test_refused_surroundings(load):
    cfg = load(HRNET)
    cfg.model.test_cfg.flip_mode = 'udp_combined'
    with pytest.raises(ValueError, match="flip_mode='udp_combined'.*'heatmap"):
        apply_codec(cfg)
    cfg = load(HRNET)
    cfg.val_dataloader.dataset.pipeline[2].use_udp = True
    with pytest.raises(ValueError, match='use_udp differs.*TopdownAffine'):
        apply_codec(cfg)


@pytest.mark.parametrize('base', [HRNET, DARK, UDP, COMBINED, RSN])
def test_configs_without_dark_are_left_alone(load, base):
    cfg = load(base, '')
    before = as_dict(cfg)
    assert apply_codec(cfg) is cfg
    assert as_dict(cfg) == before


def test_pipelines_of_hooks_and_wrapped_datasets(load):
    cfg = load(HRNET)
    stage2 = copy.deepcopy(cfg.train_pipeline)
    cfg.custom_hooks = [
        dict(type='PipelineSwitchHook', switch_pipeline=stage2)
    ]
    dataset = cfg.train_dataloader.dataset
    pipeline = dataset.pop('pipeline')
    cfg.train_dataloader.dataset = dict(
        type='CombinedDataset', datasets=[dataset], pipeline=pipeline
    )
    apply_codec(cfg)
    for stage in (
        cfg.custom_hooks[0].switch_pipeline,
        cfg.train_dataloader.dataset.pipeline,
        cfg.train_pipeline,
    ):
        (target,) = [t for t in stage if t.type == 'GenerateTarget']
        assert target.encoder == cfg.model.head.decoder
        assert target.encoder.type == 'DARKCodec'


EXPLICIT = """
dark = dict(type='DARKCodec', input_size=(192, 256), alignment={0!r})
model = dict(
    head=dict(decoder=dict(_delete_=True, **dark)),
    test_cfg=dict(shift_heatmap={1}))
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(192, 256)),
    dict(type='GenerateTarget', encoder=dict(
        type='DARKCodec', input_size=(192, 256), alignment={2!r})),
    dict(type='PackPoseInputs')]))
"""


@pytest.mark.parametrize(
    ('alignment', 'shift'),
    [('half_pixel', False), ('asymmetric', True), ('align_corners', False)],
)
def test_three_places_that_agree(load, alignment, shift):
    cfg = load(HRNET, EXPLICIT.format(alignment, shift, alignment))
    before = as_dict(cfg)
    apply_codec(cfg)
    assert as_dict(cfg) == before
    head = MODELS.build(cfg.model.head)
    (target,) = transforms(cfg, 'GenerateTarget')
    encoder = TRANSFORMS.build(target).encoder
    assert type(head.decoder) is type(encoder) is DARKCodec
    assert encoder.alignment == head.decoder.alignment == alignment


def test_three_places_that_disagree(load):
    with pytest.raises(
        ValueError, match='same in all places.*half_pixel.*align_corners'
    ):
        apply_codec(
            load(HRNET, EXPLICIT.format('half_pixel', False, 'align_corners'))
        )
    for alignment, shift in [('half_pixel', True), ('asymmetric', False)]:
        with pytest.raises(
            ValueError,
            match=f'shift_heatmap={shift}.*{alignment}.*{not shift}',
        ):
            apply_codec(
                load(HRNET, EXPLICIT.format(alignment, shift, alignment))
            )
    cfg = load(HRNET, '')
    cfg.model.head.decoder = dict(type='DARKCodec')
    with pytest.raises(
        ValueError, match=r'same in all places.*encoder = .*MSRAHeatmap'
    ):
        apply_codec(cfg)


def test_three_places_and_the_crops(load):
    """A codec that takes the crops for others is off by a pixel, silently."""
    lines = EXPLICIT.format('align_corners', False, 'align_corners')
    cfg = load(UDP, lines)
    with pytest.raises(
        ValueError, match='val_dataloader.*use_udp=True.*False'
    ):
        apply_codec(cfg)
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline[2].input_size = (384, 512)
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    with pytest.raises(
        ValueError, match=r'input_size=\(384, 512\).*input_size=\(192, 256\)'
    ):
        apply_codec(cfg)
    cfg = load(HRNET, EXPLICIT.format('half_pixel', False, 'half_pixel'))
    codec = dict(type='DARKCodec', input_size=(192, 256), sgma=2)
    cfg.model.head.decoder = codec
    cfg.train_dataloader.dataset.pipeline[3].encoder = codec
    with pytest.raises(ValueError, match='sgma'):
        apply_codec(cfg)


def test_twice_is_once(load):
    for base in (HRNET, UDP):
        once = apply_codec(load(base))
        twice = apply_codec(copy.deepcopy(once))
        assert as_dict(twice) == as_dict(once)


@pytest.mark.parametrize('kind', ['mmpose.DARKCodec', DARKCodec])
def test_other_ways_to_name_the_type(load, kind):
    cfg = load(HRNET)
    cfg.codec.type = kind
    assert_dark_everywhere(apply_codec(cfg), sigma=2.0)


def test_a_warp_that_is_not_used_does_not_count(load):
    cfg = load(HRNET)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        pipeline = copy.deepcopy(cfg[loader].dataset.pipeline)
        for transform in pipeline:
            if transform['type'] == 'TopdownAffine':
                transform['use_udp'] = True
        cfg[loader].dataset.pipeline = pipeline
    apply_codec(cfg)  # cfg.train_pipeline still has the other warp
    assert cfg.model.head.decoder.use_udp
