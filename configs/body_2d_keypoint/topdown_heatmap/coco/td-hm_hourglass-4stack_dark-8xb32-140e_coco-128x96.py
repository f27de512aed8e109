_base_ = ['td-hm_res50_dark-8xb64-140e_coco-128x96.py']
optim_wrapper = dict(optimizer=dict(lr=2.5e-4))
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=256)
model = dict(
    backbone=dict(
        _delete_=True,
        type='HourglassNet',
        num_stacks=4,
        # the default, 5, would halve the 32x24 map to less than a pixel
        downsample_times=3,
        # DarkPose's NUM_FEATURES and NUM_BLOCKS
        stage_channels=(256, 256, 256, 256),
        stage_blocks=(1, 1, 1, 1),
    ),
    head=dict(
        type='CPMHead',
        in_channels=256,
        num_stages=4,
        deconv_out_channels=None,
    ),
)
