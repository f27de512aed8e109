_base_ = ['td-hm_res50_dark-8xb64-140e_coco-256x192.py']
model = dict(
    backbone=dict(
        depth=152, init_cfg=dict(checkpoint='torchvision://resnet152')
    )
)
