# A slim ResNet-18 on synthetic figures, with nothing to download. The module
# that draws them is imported from the checkout's root: PYTHONPATH=. there.
_base_ = ['mmpose::_base_/default_runtime.py']
custom_imports = dict(
    imports=[
        'dark_codec',
        'projects.channels_last',
        'projects.quickstart.figures',
    ],
    allow_failed_imports=False,
)

codec = dict(type='DARKCodec', input_size=(96, 128), alignment='half_pixel')
# what MMPose's inferencer asks for
dataset_type = 'FiguresDataset'
data_mode = 'topdown'

train_cfg = dict(max_epochs=12, val_interval=1)
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.01))
# The cosine ends where the training does: MMEngine sets its `end`.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        convert_to_iter_based=True,
    ),
]

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='PoseDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='ResNet',
        depth=18,
        stem_channels=16,
        base_channels=16,
        out_indices=(0, 1, 2, 3),
    ),
    # All four resolutions, stacked at stride 4: learns faster from scratch
    # than deconvolutions of the last one.
    neck=dict(type='FeatureMapProcessor', concat=True),
    head=dict(
        type='HeatmapHead',
        in_channels=16 + 32 + 64 + 128,
        out_channels=17,
        deconv_out_channels=None,
        conv_out_channels=(48, 48),
        conv_kernel_sizes=(1, 3),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        shift_prob=0.0,
        scale_factor=(0.8, 1.25),
        rotate_factor=30.0,
        rotate_prob=0.5,
    ),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        num_samples=4000,
        seed=0,
        pipeline=train_pipeline,
    ),
)
# The first of the figures that are tested at the end: nothing is chosen by
# these numbers, they only draw the curve.
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        num_samples=400,
        seed=1,
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = dict(
    val_dataloader, dataset=dict(val_dataloader['dataset'], num_samples=1000)
)
val_evaluator = dict(type='CocoMetric')
test_evaluator = val_evaluator

default_hooks = dict(
    logger=dict(interval=25),
    # an epoch is what an interruption loses
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=2),
)
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='ChannelsLastHook', priority='VERY_HIGH'),
]
randomness = dict(seed=0)
