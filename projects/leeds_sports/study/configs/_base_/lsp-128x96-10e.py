# The converged networks at 128x96: the project's own network and schedule, an
# hour of one core.
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
codec = dict(sigma=1.0)
optim_wrapper = dict(optimizer=dict(fused=True))
custom_hooks = [
    dict(type='SyncBuffersHook'),
    dict(type='ChannelsLastHook', priority='VERY_HIGH'),
]
