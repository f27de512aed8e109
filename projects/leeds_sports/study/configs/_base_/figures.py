# The quickstart's network and figures, whose labels are exact, at 64x48.
_base_ = [
    '../../../../quickstart/configs/td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py'
]
codec = dict(input_size=(48, 64), sigma=1.0)

train_cfg = dict(max_epochs=6)
test_evaluator = dict(type='TorsoPCK', _delete_=True)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
