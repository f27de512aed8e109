_base_ = ['td-hm_res50_dark-8xb32-140e_mpii-256x256.py']
model = dict(
    backbone=dict(
        depth=101, init_cfg=dict(checkpoint='torchvision://resnet101')
    )
)
