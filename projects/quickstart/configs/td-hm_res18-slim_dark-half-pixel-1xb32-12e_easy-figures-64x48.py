# The quickstart: easy figures, and a heatmap of 12x16 pixels, each four input
# px wide. A network this small finds nearly every joint in two minutes, so
# that what is left of the error is how a joint is read from a heatmap.
_base_ = ['td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py']

# The rule (height / 32) would give 0.5: pixels do not sample so narrow a
# Gaussian.
codec = dict(input_size=(48, 64), sigma=1.0)

train_cfg = dict(val_interval=3)
train_dataloader = dict(dataset=dict(easy=True))
val_dataloader = dict(dataset=dict(easy=True))
test_dataloader = dict(dataset=dict(easy=True, num_samples=2000))
