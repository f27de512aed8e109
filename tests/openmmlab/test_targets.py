"""Targets from the training device equal those of GenerateTarget.

Whole trainings, in one and in two processes: tools/test_distributed_runs.py.
"""

import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.registry import DATASETS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample
from tiny_run import write_config, write_data

from dark_codec import BatchGenerateTarget, apply_codec

SWITCH = '\ntargets_on_device = True\n'
RSN = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_rsn18_8xb32-210e_coco-256x192.py'
)
HRNET = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
)
CODEC = dict(type='DARKCodec', input_size=(64, 64), sigma=1.0)


@pytest.fixture(autouse=True)
def not_completed(monkeypatch):
    """Configs as MMEngine reads them, before apply_codec."""
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp('targets') / 'data')


@pytest.fixture
def tiny(data, tmp_path):
    """The small run's config as it is, and with targets on the device."""

    def tiny(extra=''):
        configs = []
        for name, switch in (('workers', ''), ('device', SWITCH)):
            file = tmp_path / f'{name}.py'
            write_config(file, data, extra=extra + switch)
            configs.append(Config.fromfile(file))
        return configs

    return tiny


def build(cfg):
    """A network and its training samples, as a runner makes them."""
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    np.random.seed(0)
    return model, [dataset[i] for i in range(len(dataset))]


def loss(model, samples):
    data = model.data_preprocessor(pseudo_collate(samples), training=True)
    return model.parse_losses(model(**data, mode='loss'))[0]


def both_losses(plain, switched):
    """With GenerateTarget and without, both of a network in training mode."""
    found = []
    for cfg, in_workers in ((plain, True), (switched, False)):
        model, samples = build(apply_codec(cfg))
        has_fields = ['gt_fields' in s['data_samples'] for s in samples]
        assert has_fields == [in_workers] * len(samples)
        found.append(loss(model, samples).item())
    return found


@pytest.mark.parametrize(
    'settings',
    [
        dict(alignment='half_pixel'),
        dict(alignment='align_corners', encoder='BiasedEncoder'),
    ],
    ids=str,
)
def test_same_loss(tiny, settings):
    plain, switched = tiny()
    for cfg in (plain, switched):
        cfg.codec.update(settings)
    in_workers, on_device = both_losses(plain, switched)
    assert on_device == pytest.approx(in_workers, rel=1e-6)
    # it depends on what is compared here
    other = tiny()[1]
    other.codec.update(settings, sigma=1.5)
    model, samples = build(apply_codec(other))
    assert loss(model, samples).item() != pytest.approx(in_workers, rel=1e-3)


def test_same_loss_with_levels(data, tmp_path):
    """RSN: a sigma for each unit, and a loss on each of its heatmaps."""
    configs = []
    for name, switch in (('workers', ''), ('device', SWITCH)):
        file = tmp_path / f'{name}.py'
        file.write_text(
            f'_base_ = [{RSN!r}]\n'
            "codec = dict(_delete_=True, type='DARKCodec')" + switch
        )
        cfg = Config.fromfile(file)
        dataset = cfg.train_dataloader.dataset
        dataset.update(
            data_root=str(data), ann_file='people.json', indices=[0, 1]
        )
        dataset.data_prefix = dict(img='images/')
        # what is drawn at random must be the same
        random = ('RandomFlip', 'RandomHalfBody', 'RandomBBoxTransform')
        dataset.pipeline = [
            t for t in dataset.pipeline if t['type'] not in random
        ]
        configs.append(cfg)
    in_workers, on_device = both_losses(*configs)
    assert on_device == pytest.approx(in_workers, rel=1e-6)
    (augment,) = configs[1].model.data_preprocessor.batch_augments
    sigmas = [level['sigma'] for level in augment['encoder']]
    assert sigmas == pytest.approx([2.0, 1.7, 1.4, 1.1])


def test_dataset_keypoint_weights(tiny):
    """COCO gives up to 1.5 to wrists and ankles."""
    unweighted = both_losses(*tiny())
    configs = tiny()
    for cfg in configs:
        target = cfg.train_dataloader.dataset.pipeline[3]
        target.use_dataset_keypoint_weights = True
    in_workers, on_device = both_losses(*configs)
    assert on_device == pytest.approx(in_workers, rel=1e-6)
    assert on_device > 1.05 * unweighted[1]


@pytest.mark.parametrize('levels', [None, 2])
def test_targets_are_the_transforms_own(levels):
    """Every number and shape, degenerate keypoints included."""
    encoder = CODEC
    if levels:
        encoder = [dict(CODEC, sigma=1.0 + i) for i in range(levels)]
    args = dict(encoder=encoder, multilevel=bool(levels))
    points = np.random.default_rng(3).uniform(-30, 94, (6, 1, 17, 2))
    points[0, 0, 0] = np.nan
    visible = np.tile(np.array([1, 0, 2, 1], np.float32), (6, 1, 5))[..., :17]
    packed, expected = [], []
    for i in range(6):
        results = dict(
            img=np.zeros((64, 64, 3), np.uint8),
            transformed_keypoints=points[i].astype(np.float32),
            keypoints_visible=visible[i],
            dataset_keypoint_weights=np.ones(17, np.float32),
        )
        pack = TRANSFORMS.build(
            dict(type='PackPoseInputs', pack_transformed=True)
        )
        target = TRANSFORMS.build(dict(args, type='GenerateTarget'))
        expected.append(pack(target(dict(results)))['data_samples'])
        packed.append(pack(dict(results))['data_samples'])
    inputs = torch.zeros(6, 3, 64, 64)
    same, found = BatchGenerateTarget(**args)(inputs, packed)
    assert same is inputs
    for sample, other in zip(found, expected):
        pairs = [(sample.gt_fields, other.gt_fields)]
        if levels:
            assert sample.gt_fields.nlevel == levels
            pairs = [
                (sample.gt_fields[i], other.gt_fields[i])
                for i in range(levels)
            ]
        for a, b in pairs:
            assert type(a) is type(b)
            torch.testing.assert_close(
                a.heatmaps, b.heatmaps, rtol=0, atol=3e-7
            )
        torch.testing.assert_close(
            sample.gt_instance_labels.keypoint_weights,
            other.gt_instance_labels.keypoint_weights,
            rtol=0,
            atol=0,
        )
    weights = torch.stack(
        [s.gt_instance_labels.keypoint_weights for s in found]
    )
    assert weights.unique().tolist() == [0, 1, 2]


def test_second_number_of_visibilities_is_left_out():
    """Where datasets are combined, it is a weight of other heads."""
    sample = labelled(visible=np.ones((1, 17, 2)) * (1, 0))
    augment = BatchGenerateTarget(CODEC)
    _, (sample,) = augment(torch.zeros(1, 3, 64, 64), [sample])
    weights = sample.gt_instance_labels.keypoint_weights
    assert weights.shape == (1, 17)
    assert (weights == 1).all()


def labelled(visible=None):
    """A sample as the data loader gives it."""
    sample = PoseDataSample()
    sample.gt_instances = InstanceData(
        transformed_keypoints=np.full((1, 17, 2), 30.3, np.float32),
        keypoints_visible=np.ones((1, 17)) if visible is None else visible,
    )
    sample.gt_instance_labels = InstanceData()
    return sample


def test_autocast_leaves_the_targets_in_float32():
    inputs = torch.zeros(1, 3, 64, 64)
    augment = BatchGenerateTarget(CODEC)
    _, (plain,) = augment(inputs, [labelled()])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        _, (cast,) = augment(inputs.bfloat16(), [labelled()])
    assert cast.gt_fields.heatmaps.dtype == torch.float32
    assert torch.equal(cast.gt_fields.heatmaps, plain.gt_fields.heatmaps)


def autocast_has_float16():
    try:
        with torch.autocast('cpu', dtype=torch.float16):
            return True
    except RuntimeError:  # torch 2.0: bfloat16 only
        return False


@pytest.mark.skipif(
    not autocast_has_float16(), reason='no float16 in autocast on the CPU'
)
def test_training_step_with_mixed_precision(tiny):
    """MMEngine calls the data preprocessor inside of autocast.

    Its AmpOptimWrapper does so, which wants a GPU.
    """
    losses = []
    for cfg in tiny():
        model, samples = build(apply_codec(cfg))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        # not bfloat16: numpy, which MMPose's accuracy is computed by, has none
        with torch.autocast('cpu', dtype=torch.float16):
            logged = model.train_step(
                pseudo_collate(samples), OptimWrapper(optimizer)
            )
        losses.append(logged['loss'].item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)


def test_checkpoints_and_copies_know_nothing_of_it(tiny):
    plain, switched = (MODELS.build(apply_codec(c).model) for c in tiny())
    assert plain.state_dict().keys() == switched.state_dict().keys()
    copied = copy.deepcopy(switched).data_preprocessor.batch_augments[0]
    assert type(copied) is BatchGenerateTarget


def test_prediction_is_unaffected(tiny):
    found = []
    for cfg in tiny():
        cfg = apply_codec(cfg)
        model, _ = build(cfg)
        dataset = DATASETS.build(cfg.val_dataloader.dataset)
        batch = pseudo_collate([dataset[i] for i in range(3)])
        with torch.no_grad():
            predicted = model.eval().val_step(batch)
        assert not any('gt_fields' in sample for sample in predicted)
        found.append([s.pred_instances.keypoints for s in predicted])
    np.testing.assert_array_equal(*found)


# What the switch changes in a config


@pytest.fixture
def load(tmp_path):
    def load(lines='', base=HRNET):
        file = tmp_path / 'config.py'
        file.write_text(
            f"_base_ = [{base!r}]\ncodec = dict(type='DARKCodec')\n"
            f'targets_on_device = True\n{lines}'
        )
        return Config.fromfile(file)

    return load


def test_switch(load):
    cfg = apply_codec(load())
    (augment,) = cfg.model.data_preprocessor.batch_augments
    assert augment.type == 'BatchGenerateTarget'
    assert augment.encoder == cfg.model.head.decoder
    pack = cfg.train_dataloader.dataset.pipeline[-1]
    assert pack.type == 'PackPoseInputs'
    assert pack.pack_transformed is True
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert 'pack_transformed' not in loader.dataset.pipeline[-1]
    once = copy.deepcopy(cfg.to_dict())
    assert apply_codec(cfg).to_dict() == once


@pytest.mark.parametrize('off', [False, None])
def test_switched_off_again(load, off):
    """As a line over a saved config does, or an option."""
    cfg = load()
    before = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
    apply_codec(cfg)
    cfg.targets_on_device = off
    apply_codec(cfg)
    assert not cfg.model.data_preprocessor.get('batch_augments')
    pipeline = cfg.train_dataloader.dataset.pipeline
    assert [t.type for t in pipeline] == [t.type for t in before]
    assert pipeline[-2].encoder == cfg.model.head.decoder == cfg.codec
    cfg.targets_on_device = True
    (augment,) = apply_codec(cfg).model.data_preprocessor.batch_augments
    assert augment.encoder == cfg.model.head.decoder


@pytest.mark.parametrize('switch', ['no', 'True', 0, 1])
def test_a_switch_that_is_no_boolean(load, switch):
    cfg = load()
    cfg.targets_on_device = switch
    with pytest.raises(
        ValueError, match=f'targets_on_device must be .* got {switch!r}'
    ):
        apply_codec(cfg)


def test_codec_reaches_the_augment_later_too(load):
    cfg = apply_codec(load())
    cfg.codec.alignment = 'half_pixel'
    (augment,) = apply_codec(cfg).model.data_preprocessor.batch_augments
    assert augment.encoder.alignment == 'half_pixel'


def test_other_augments_are_kept_and_hooks_switched(load):
    cfg = load()
    other = dict(type='BatchSyncRandomResize', random_size_range=(64, 64))
    cfg.model.data_preprocessor.batch_augments = [other]
    stage2 = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
    cfg.custom_hooks = [
        dict(type='PipelineSwitchHook', switch_pipeline=stage2)
    ]
    apply_codec(cfg)
    names = [a.type for a in cfg.model.data_preprocessor.batch_augments]
    assert names == ['BatchSyncRandomResize', 'BatchGenerateTarget']
    stage2 = cfg.custom_hooks[0].switch_pipeline
    assert 'GenerateTarget' not in [t.type for t in stage2]
    assert stage2[-1].pack_transformed is True


def test_meta_keys_for_dataset_weights(load):
    cfg = load()
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline[-2].use_dataset_keypoint_weights = True
    pipeline[-1].meta_keys = ('img_path',)
    apply_codec(cfg)
    assert cfg.train_dataloader.dataset.pipeline[-1].meta_keys == (
        'img_path',
        'dataset_keypoint_weights',
    )


def no_target(cfg):
    cfg.train_dataloader.dataset.pipeline.pop(-2)


def no_pack(cfg):
    cfg.train_dataloader.dataset.pipeline.pop()


def follower(cfg):
    pipeline = cfg.train_dataloader.dataset.pipeline
    pipeline.insert(-1, dict(type='RandomFlip'))


def no_preprocessor(cfg):
    cfg.model.data_preprocessor = dict(type='ImgDataPreprocessor')


def another_codec(cfg):
    cfg.codec.type = 'MSRAHeatmap'


def two_kinds(cfg):
    stage2 = copy.deepcopy(cfg.train_dataloader.dataset.pipeline)
    stage2[-2].use_dataset_keypoint_weights = True
    cfg.custom_hooks = [
        dict(type='PipelineSwitchHook', switch_pipeline=stage2)
    ]


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (no_target, 'no training pipeline has a GenerateTarget'),
        (no_pack, 'no training pipeline has a PackPoseInputs'),
        (follower, r"\['RandomFlip'\] follow GenerateTarget"),
        (no_preprocessor, 'batch_augments.*got ImgDataPreprocessor'),
        (another_codec, r"needs codec=dict\(type='DARKCodec'\).*MSRA"),
        (two_kinds, 'same GenerateTarget in all training pipelines'),
    ],
)
def test_refused_configs(load, change, message):
    cfg = load()
    change(cfg)
    with pytest.raises(ValueError, match=message):
        apply_codec(cfg)


def test_explicit_augment_must_agree(load):
    cfg = apply_codec(load())
    cfg.pop('codec')
    cfg.pop('targets_on_device')
    before = copy.deepcopy(cfg.to_dict())
    assert apply_codec(cfg).to_dict() == before
    cfg.model.data_preprocessor.batch_augments[0].encoder.sigma = 3
    with pytest.raises(ValueError, match='batch_augments.0.encoder = .*3'):
        apply_codec(cfg)


# What the augment refuses


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (dict(encoder=[CODEC]), 'list of encoders with multilevel=True'),
        (dict(encoder=CODEC, multilevel=True), 'multilevel=True and enc'),
        (
            dict(
                encoder=dict(
                    type='MSRAHeatmap',
                    input_size=(64, 64),
                    heatmap_size=(16, 16),
                    sigma=1,
                )
            ),
            'DARKCodec only.*MSRAHeatmap',
        ),
        (
            dict(
                encoder=[CODEC, dict(CODEC, input_size=(96, 128))],
                multilevel=True,
            ),
            r'one input_size.*\(64, 64\), \(96, 128\)',
        ),
    ],
)
def test_refused_arguments(args, message):
    with pytest.raises(ValueError, match=message):
        BatchGenerateTarget(**args)


def test_refused_batches():
    augment = BatchGenerateTarget(CODEC)
    with pytest.raises(ValueError, match=r'C, 64, 64.*3, 128, 96'):
        augment(torch.zeros(1, 3, 128, 96), [labelled()])
    sample = labelled()
    del sample.gt_instances.transformed_keypoints
    with pytest.raises(ValueError, match='pack_transformed=True'):
        augment(torch.zeros(1, 3, 64, 64), [sample])
    augment = BatchGenerateTarget(CODEC, use_dataset_keypoint_weights=True)
    with pytest.raises(ValueError, match='meta_keys of PackPoseInputs'):
        augment(torch.zeros(1, 3, 64, 64), [labelled()])
