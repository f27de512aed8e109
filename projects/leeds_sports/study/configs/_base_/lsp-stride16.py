# Heatmaps of 8x6 pixels from an input of 128x96: a pixel is large beside the
# errors of the network, which is where rounding a label may show.
_base_ = ['lsp.py']
codec = dict(heatmap_size=(6, 8))
model = dict(backbone=dict(out_indices=(3,)), neck=dict(in_channels=(112,)))
