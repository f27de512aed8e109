_base_ = ['td-hm_res18-slim_dark-1xb12-15e_coco-samples-128x96.py']

codec = dict(
    input_size=(128, 128), heatmap_size=(32, 32), alignment='half_pixel'
)
model = dict(head=dict(out_channels=16))

dataset_type = 'MpiiDataset'
samples = dict(
    type=dataset_type,
    data_root='{{$DARK_CODEC_DATA:data}}/mmpose_samples/mpii/',
    ann_file='test_mpii.json',
)
# 5 people
train_dataloader = dict(batch_size=5, dataset=dict(dataset=samples))
val_dataloader = dict(
    batch_size=5,
    # written by ../headboxes.py
    dataset=dict(samples, headbox_file='work_dirs/mpii_headboxes.mat'),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='MpiiPCKAccuracy')
test_evaluator = dict(_delete_=True, type='MpiiPCKAccuracy')

default_hooks = dict(checkpoint=dict(save_best='PCK'))
