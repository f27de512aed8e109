# EfficientNet-Lite0, its features of all resolutions merged at stride 4, on
# Leeds Sports: about half an hour on two CPU cores.
_base_ = [
    'mmpose::_base_/default_runtime.py',
    '_base_/lsp.py',
]
train_cfg = dict(max_epochs=10, val_interval=1)
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1.5e-3, weight_decay=0.01)
)
# The cosine ends where the training does: MMEngine sets its `end`.
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=200, by_epoch=False),
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
        mean=[127, 127, 127],
        std=[128, 128, 128],
        bgr_to_rgb=True,
    ),
    backbone=dict(type='EfficientNetLite0', out_indices=(1, 2, 3, 4)),
    neck=dict(
        type='MergeNeck', in_channels=(24, 40, 112, 320), out_channels=96
    ),
    head=dict(
        type='HeatmapHead',
        in_channels=96,
        out_channels=14,
        deconv_out_channels=None,
        conv_out_channels=(96,),
        conv_kernel_sizes=(3,),
        loss=dict(type='KeypointMSELoss', use_target_weight=True),
        decoder={{_base_.codec}},
    ),
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False),
)

# No best one is kept: there is no validation split to choose it on.
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=2))
