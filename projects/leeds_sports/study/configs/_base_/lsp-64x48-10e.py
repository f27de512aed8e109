# The converged networks at 64x48: those of the short budget, trained for ten
# epochs.
_base_ = ['lsp.py']
epochs = 10
train_cfg = dict(max_epochs=epochs)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, end=200, by_epoch=False),
    dict(
        type='CosineAnnealingLR',
        end=epochs,
        eta_min_ratio=0.01,
        convert_to_iter_based=True,
    ),
]
codec = dict(input_size=(48, 64))
