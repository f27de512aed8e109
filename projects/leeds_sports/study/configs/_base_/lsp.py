# The budget that every network of the study has, and a lighter network than
# the project's: without the features at stride 32, which 64x48 and 192x144
# are no multiples of.
_base_ = [
    '../../../configs/td-hm_efficientnet-lite0_dark-1xb32-10e_lsp-128x96.py'
]
custom_imports = dict(
    imports=[
        'dark_codec',
        'projects.leeds_sports',
        'projects.channels_last',
    ],
    allow_failed_imports=False,
)

train_cfg = dict(max_epochs=2)
train_dataloader = dict(batch_size=16)
optim_wrapper = dict(optimizer=dict(lr=1e-3, fused=True))

# sigma is 1 heatmap px at every size. The rule (height / 32) would give 0.5
# for 64x48 and 0.75 for 96x72: pixels do not sample so narrow a Gaussian.
codec = dict(sigma=1.0)

model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
    neck=dict(in_channels=(24, 40, 112), out_channels=64),
    head=dict(in_channels=64, conv_out_channels=(64,)),
)

default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='ChannelsLastHook', priority='VERY_HIGH'),
]
