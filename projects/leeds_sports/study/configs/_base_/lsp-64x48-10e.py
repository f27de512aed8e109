# The converged networks at 64x48: those of the short budget, trained for ten
# epochs.
_base_ = ['lsp.py']
train_cfg = dict(max_epochs=10)
codec = dict(input_size=(48, 64))
