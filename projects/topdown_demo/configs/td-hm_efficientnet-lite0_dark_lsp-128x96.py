# The Leeds Sports network, for the weights in ../weights.
_base_ = [
    '../../leeds_sports/configs/td-hm_efficientnet-lite0_dark-1xb32-10e_lsp-128x96.py'
]
model = dict(backbone=dict(pretrained=False))
