# Leeds Sports Pose at 128x96: trains on LSP 1-1000 and LSP Extended, tests on
# LSP 1001-2000.
#
# data/lsp, data/lspet: the datasets, as their authors distribute them;
# data/leeds_sports: what projects.leeds_sports.lsp2coco writes.
custom_imports = dict(
    imports=['dark_codec', 'projects.leeds_sports'],
    allow_failed_imports=False,
)
codec = dict(type='DARKCodec', input_size=(96, 128), alignment='half_pixel')
dataset_type = 'LSPDataset'
data_mode = 'topdown'
data_root = 'data/'

# The boxes have a margin of a tenth on each side already; more would only cost
# resolution.
padding = 1.0

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=padding),
    dict(type='RandomFlip', direction='horizontal'),
    dict(
        type='RandomBBoxTransform',
        shift_factor=0.1,
        shift_prob=1.0,
        scale_factor=(0.75, 1.25),
        rotate_factor=60,
    ),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='LoadImage'),
    dict(type='GetBBoxCenterScale', padding=padding),
    dict(type='TopdownAffine', input_size=codec['input_size']),
    dict(type='PackPoseInputs'),
]

lsp_train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='leeds_sports/lsp_train.json',
    data_prefix=dict(img='lsp/'),
    pipeline=train_pipeline,
)
lspet_train = dict(
    type=dataset_type,
    data_root=data_root,
    ann_file='leeds_sports/lspet_train.json',
    data_prefix=dict(img='lspet/'),
    pipeline=train_pipeline,
)
# LSP counts three times: its labels are better than those of LSP Extended,
# and the test is on photographs like these.
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            dict(type='RepeatDataset', dataset=lsp_train, times=3),
            lspet_train,
        ],
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='leeds_sports/lsp_test.json',
        data_prefix=dict(img='lsp/'),
        test_mode=True,
        pipeline=val_pipeline,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='TorsoPCK')
test_evaluator = val_evaluator
