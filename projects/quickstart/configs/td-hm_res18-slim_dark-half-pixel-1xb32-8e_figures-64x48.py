# The quickstart: heatmaps of 12x16 px, each four input px wide. Most of the
# error that is left is due to how a keypoint is read from its heatmap.
_base_ = ['td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py']

# The rule (height / 32) would give 0.5: pixels do not sample so narrow a
# Gaussian.
codec = dict(input_size=(48, 64), sigma=1.0)

train_cfg = dict(max_epochs=8, val_interval=2)
test_dataloader = dict(dataset=dict(num_samples=2000))
