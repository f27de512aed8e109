# The quickstart's network and figures, whose labels are exact, at 64x48.
_base_ = [
    '../../../../quickstart/configs/td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py'
]
codec = dict(input_size=(48, 64), sigma=1.0)

epochs = 6
train_cfg = dict(max_epochs=epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=100, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        end=epochs,
        eta_min_ratio=0.01,
        convert_to_iter_based=True,
    ),
]
test_evaluator = dict(type='TorsoPCK', _delete_=True)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
