"""Every config of the repository, against the numbers of the paper."""

import copy
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from mmengine.config import Config
from mmengine.hub import get_config
from mmpose.registry import DATASETS, METRICS, MODELS, TRANSFORMS
from torch import nn

from dark_codec import DARKCodec, apply_codec

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
TOPDOWN = 'body_2d_keypoint/topdown_heatmap'
FILES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
NAME = re.compile(
    r'td-hm_(?P<backbone>[^_]+)_(?P<codec>.+)-8xb(?P<batch>\d+)-'
    r'(?P<epochs>\d+)e_(?P<data>coco|mpii)-(?P<size>\d+x\d+)(_test-dev)?\.py'
)


class Recipe(NamedTuple):
    """A row of DarkPose's training settings, in DarkPose's terms."""

    epochs: int
    milestones: tuple[int, int]
    lr: float
    rotation: float
    scale: float
    half_body: bool
    batch: int


# DarkPose's files experiments/**/*.yaml
RECIPES = {
    'coco hrnet-w32': Recipe(210, (170, 200), 1e-3, 45, 0.35, True, 64),
    'coco hrnet-w48': Recipe(210, (170, 200), 1e-3, 45, 0.35, True, 32),
    'coco res': Recipe(140, (90, 120), 1e-3, 40, 0.3, False, 64),
    'coco hourglass-': Recipe(140, (90, 120), 2.5e-4, 40, 0.3, False, 32),
    'mpii hrnet': Recipe(210, (170, 200), 1e-3, 30, 0.25, False, 32),
    'mpii res': Recipe(140, (90, 120), 1e-3, 30, 0.25, False, 32),
}
SIGMAS = {
    '128x96': 1,
    '256x192': 2,
    '384x288': 3,
    '256x256': 2,
    '384x384': 3,
}
MATRIX = [
    *(
        f'coco {backbone} {size}'
        for backbone in (
            'hrnet-w32',
            'hrnet-w48',
            'res50',
            'res101',
            'res152',
        )
        for size in ('128x96', '256x192', '384x288')
    ),
    'coco hourglass-4stack 128x96',
    'coco hourglass-8stack 128x96',
    'coco hourglass52 256x256',
    'coco hourglass52 384x384',
    *(
        f'mpii {backbone} 256x256'
        for backbone in (
            'hrnet-w32',
            'hrnet-w48',
            'res50',
            'res101',
            'res152',
        )
    ),
]
# by the name's middle part: encoder, decoder, whether it modulates
ABLATION = {
    'biased-argmax': ('BiasedEncoder', 'ArgmaxDecoder', None),
    'biased-shift': ('BiasedEncoder', 'QuarterShiftDecoder', None),
    'biased-taylor': ('BiasedEncoder', 'TaylorDecoder', True),
    'biased-taylor-unmodulated': ('BiasedEncoder', 'TaylorDecoder', False),
    'unbiased-shift': ('UnbiasedEncoder', 'QuarterShiftDecoder', None),
    'unbiased-taylor': ('UnbiasedEncoder', 'TaylorDecoder', True),
}
DARK = ('UnbiasedEncoder', 'TaylorDecoder', True)


def load(file):
    return apply_codec(Config.fromfile(CONFIGS / file))


def described(file):
    """What the file's name says."""
    match = NAME.fullmatch(Path(file).name)
    assert match, f'{file} is not named as MMPose names its own'
    return match.groupdict()


def recipe_of(name):
    key = f'{name["data"]} {name["backbone"]}'
    (recipe,) = (r for start, r in RECIPES.items() if key.startswith(start))
    return recipe


def only(pipeline, kind):
    found = [transform for transform in pipeline if transform['type'] == kind]
    assert len(found) <= 1
    return found[0] if found else None


def without_scopes(node):
    """Without what MMEngine adds to a config of another package."""
    if isinstance(node, dict):
        return {
            key: without_scopes(value)
            for key, value in node.items()
            if key != '_scope_'
        }
    if isinstance(node, list):
        return [without_scopes(value) for value in node]
    return node


def on_meta(cfg):
    """The model, without memory for its parameters."""
    with torch.device('meta'):
        return MODELS.build(cfg.model).eval()


def test_the_matrix_is_complete():
    found = []
    for file in FILES:
        name = described(file)
        if name['codec'] == 'dark' and not file.endswith('_test-dev.py'):
            assert file.startswith(f'{TOPDOWN}/{name["data"]}/')
            found.append('{data} {backbone} {size}'.format(**name))
    assert sorted(found) == sorted(MATRIX)


def test_the_ablation_is_complete():
    found = [
        (described(file)['codec'], described(file)['size'])
        for file in FILES
        if file.startswith('ablation/')
    ]
    expected = [(row, '128x96') for row in ABLATION]
    for size in ('256x192', '384x288'):
        expected += [('biased-shift', size), ('unbiased-taylor', size)]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize('file', FILES)
def test_the_file_is_a_delta(file):
    lines = (CONFIGS / file).read_text().splitlines()
    assert lines[0].startswith(('_base_', '#'))
    assert len(lines) <= 40


@pytest.mark.parametrize('file', FILES)
def test_codec_and_sizes(file):
    name, cfg = described(file), load(file)
    height, width = (int(n) for n in name['size'].split('x'))
    model = on_meta(cfg)
    codec = model.head.decoder
    assert type(codec) is DARKCodec
    assert codec.input_size == (width, height)
    assert codec.heatmap_size == (width // 4, height // 4)
    assert codec.sigma == SIGMAS[name['size']]
    # MMPose's weights are of this alignment
    assert codec.alignment == 'asymmetric'
    assert cfg.model.test_cfg.flip_test and cfg.model.test_cfg.shift_heatmap
    encoder, decoder, modulates = ABLATION.get(name['codec'], DARK)
    assert type(codec.encoder).__name__ == encoder
    assert type(codec.decoder).__name__ == decoder
    if modulates is not None:
        modulation = codec.decoder.modulation
        assert (modulation is not None) == modulates
    if modulates:
        # Eq. 11, and Eq. 10 with the kernel of the training targets
        assert modulation.rescale == 'minmax'
        kernel = modulation.kernel
        middle = len(kernel) // 2
        assert middle == 3 * codec.sigma
        np.testing.assert_allclose(
            kernel[middle] / kernel[-1], np.exp(middle**2 / codec.sigma**2 / 2)
        )
    if encoder == 'BiasedEncoder':
        assert codec.encoder.quantise == 'round'
    for loop in ('train', 'val', 'test'):
        pipeline = cfg[f'{loop}_dataloader'].dataset.pipeline
        warp = only(pipeline, 'TopdownAffine')
        assert tuple(warp.input_size) == codec.input_size
        target = only(pipeline, 'GenerateTarget')
        assert (target is not None) == (loop == 'train')
        if target:
            assert target.encoder == cfg.model.head.decoder
    # what the network gives
    picture = torch.empty(1, 3, height, width, device='meta')
    heatmaps = model._forward(picture)
    stacked = isinstance(heatmaps, list)
    for stage in heatmaps if stacked else [heatmaps]:
        keypoints = {'coco': 17, 'mpii': 16}[name['data']]
        assert stage.shape == (1, keypoints, height // 4, width // 4)
    stacks = re.fullmatch(r'hourglass-(\d)stack', name['backbone'])
    assert (len(heatmaps) if stacked else 1) == int(stacks[1] if stacks else 1)


@pytest.mark.parametrize(
    'file', [file for file in FILES if 'hourglass52' not in file]
)
def test_recipe(file):
    """Of training, as far as DarkPose's settings go."""
    name, cfg = described(file), load(file)
    recipe = recipe_of(name)
    assert cfg.train_cfg.max_epochs == int(name['epochs']) == recipe.epochs
    assert cfg.optim_wrapper.optimizer.type == 'Adam'
    assert cfg.optim_wrapper.optimizer.lr == recipe.lr
    (steps,) = cfg.param_scheduler  # no warm-up
    assert tuple(steps.milestones) == recipe.milestones
    assert steps.end == recipe.epochs
    assert steps.get('gamma', 0.1) == 0.1 and steps.get('by_epoch', True)
    loader = cfg.train_dataloader
    assert loader.batch_size == int(name['batch']) == recipe.batch
    assert cfg.auto_scale_lr.base_batch_size == 8 * recipe.batch
    assert not cfg.auto_scale_lr.get('enable', False)
    pipeline = loader.dataset.pipeline
    assert only(pipeline, 'RandomFlip').get('prob', 0.5) == 0.5
    box = TRANSFORMS.build(only(pipeline, 'RandomBBoxTransform'))
    # DarkPose clips its normal distribution at twice rot_factor
    assert box.rotate_factor == 2 * recipe.rotation
    assert box.rotate_prob == 0.6
    np.testing.assert_allclose(
        box.scale_factor, (1 - recipe.scale, 1 + recipe.scale)
    )
    assert box.scale_prob == 1
    half_body = only(pipeline, 'RandomHalfBody')
    assert (half_body is not None) == recipe.half_body
    if half_body:
        half_body = TRANSFORMS.build(half_body)
        assert half_body.prob == 0.3
        # DarkPose: more than 8
        assert half_body.min_total_keypoints == 8 + 1
    assert box.shift_prob == 0


@pytest.mark.parametrize(
    'file', [file for file in FILES if 'hourglass52' in file]
)
def test_recipe_of_mmposes_own_network(file):
    """All but the codec is MMPose's."""
    ours = load(file)
    theirs = get_config(
        f'mmpose::{TOPDOWN}/coco/{Path(file).name.replace("_dark-", "_")}'
    )
    for key in (
        'train_cfg',
        'optim_wrapper',
        'param_scheduler',
        'auto_scale_lr',
        'val_dataloader',
        'val_evaluator',
    ):
        assert without_scopes(ours[key]) == theirs[key]
    assert (ours.train_cfg.max_epochs, ours.optim_wrapper.optimizer.lr) == (
        210,
        5e-4,
    )
    for cfg in (ours, theirs):
        only(cfg.train_dataloader.dataset.pipeline, 'GenerateTarget').clear()
    assert without_scopes(ours.train_dataloader) == theirs.train_dataloader


@pytest.mark.parametrize('file', FILES)
def test_data(file):
    """Pictures, labels and detections are those of the same base."""
    name, cfg = described(file), load(file)
    train, val = (
        cfg[f'{loop}_dataloader'].dataset for loop in ('train', 'val')
    )
    if name['data'] == 'mpii':
        assert train.ann_file == 'annotations/mpii_train.json'
        assert val.ann_file == 'annotations/mpii_val.json'
        assert cfg.val_evaluator.type == 'MpiiPCKAccuracy'
        return
    assert train.ann_file == 'annotations/person_keypoints_train2017.json'
    assert val.ann_file == 'annotations/person_keypoints_val2017.json'
    assert val.bbox_file == (
        'data/coco/person_detection_results/'
        'COCO_val2017_detections_AP_H_56_person.json'
    )
    assert not cfg.val_evaluator.get('format_only')
    assert cfg.val_evaluator.ann_file == f'data/coco/{val.ann_file}'


MMPOSE_DARK = [
    *(
        f'coco/td-hm_{backbone}_dark-8xb{batch}-210e_coco-{size}.py'
        for backbone, batch in (
            ('hrnet-w32', 64),
            ('hrnet-w48', 32),
            ('res50', 64),
            ('res101', 64),
            ('res152', 32),
        )
        for size in ('256x192', '384x288')
    ),
    'mpii/td-hm_hrnet-w32_dark-8xb64-210e_mpii-256x256.py',
    'mpii/td-hm_hrnet-w48_dark-8xb64-210e_mpii-256x256.py',
]


@pytest.mark.parametrize('theirs', MMPOSE_DARK)
def test_mmposes_checkpoints_fit(theirs):
    """The same parameters, for the same preprocessing, of the same sizes."""
    name = described(theirs)
    (ours,) = (
        file
        for file in FILES
        if Path(file).parent.name == name['data']
        and Path(file).name.startswith(f'td-hm_{name["backbone"]}_dark-')
        and file.endswith(f'-{name["size"]}.py')
    )
    their_cfg = get_config(f'mmpose::{TOPDOWN}/{theirs}')
    our_cfg = load(ours)
    their_model, our_model = on_meta(their_cfg), on_meta(our_cfg)
    shapes = [
        {key: value.shape for key, value in model.state_dict().items()}
        for model in (their_model, our_model)
    ]
    assert shapes[0] == shapes[1] and shapes[0]
    our_model.load_state_dict(
        their_model.state_dict(), strict=True, assign=True
    )
    for key in ('backbone', 'data_preprocessor'):
        assert their_cfg.model[key] == our_cfg.model[key]
    their_codec = their_cfg.model.head.decoder
    for key in ('input_size', 'heatmap_size', 'sigma'):
        expected = their_codec[key]
        expected = tuple(expected) if key != 'sigma' else expected
        assert getattr(our_model.head.decoder, key) == expected


def test_test_dev_submission(tmp_path):
    """The config needs no labels, and writes what COCO's server reads."""
    (file,) = (file for file in FILES if file.endswith('_test-dev.py'))
    cfg = load(file)
    dataset, evaluator = cfg.test_dataloader.dataset, cfg.test_evaluator
    assert dataset.ann_file == 'annotations/image_info_test-dev2017.json'
    assert evaluator.ann_file == f'data/coco/{dataset.ann_file}'
    assert 'test-dev2017_detections_AP_H_609' in dataset.bbox_file
    assert dataset.data_prefix.img == 'test2017/'
    info = dict(
        images=[dict(id=7, file_name='7.jpg', width=64, height=48)],
        categories=[dict(id=1, name='person')],
    )
    detections = [
        dict(image_id=7, category_id=kind, bbox=[4, 4, 20, 40], score=0.9)
        for kind in (1, 3)
    ]
    (tmp_path / 'annotations').mkdir()
    (tmp_path / dataset.ann_file).write_text(json.dumps(info))
    (tmp_path / 'boxes.json').write_text(json.dumps(detections))
    dataset.data_root = str(tmp_path)
    dataset.bbox_file = str(tmp_path / 'boxes.json')
    evaluator.ann_file = str(tmp_path / dataset.ann_file)
    evaluator.outfile_prefix = str(tmp_path / 'new' / 'results')
    dataset = DATASETS.build(dataset)
    assert len(dataset) == 1  # the person
    assert dataset.get_data_info(0)['img_path'].endswith('test2017/7.jpg')
    metric = METRICS.build(evaluator)
    metric.dataset_meta = dataset.metainfo
    prediction = dict(
        keypoints=np.full((1, 17, 2), 12.5),
        keypoint_scores=np.full((1, 17), 0.8),
        bbox_scores=np.array([0.9]),
    )
    boxes = dict(bbox_scales=np.array([[20.0, 40.0]]))
    sample = dict(
        id=0, img_id=7, pred_instances=prediction, gt_instances=boxes
    )
    metric.process({}, [sample])
    assert metric.evaluate(size=1) == {}
    written = tmp_path / 'new' / 'results.keypoints.json'
    (person,) = json.loads(written.read_text())
    assert person['image_id'] == 7 and person['category_id'] == 1
    assert len(person['keypoints']) == 3 * 17
    assert person['score'] == pytest.approx(0.8 * 0.9)


# the pages and metafiles


PAGES = sorted(CONFIGS.rglob('*.md'))
METAFILES = sorted(CONFIGS.rglob('*.yml'))


def test_each_config_has_a_place_in_a_page_and_in_a_metafile():
    assert [p.with_suffix('') for p in PAGES] == [
        p.with_suffix('') for p in METAFILES
    ]
    for page, metafile in zip(PAGES, METAFILES, strict=True):
        linked = re.findall(r'\]\((td-hm[^)]+\.py)\)', page.read_text())
        models = yaml.safe_load(metafile.read_text())['Models']
        folder = page.parent.relative_to(ROOT)
        assert sorted({str(folder / name) for name in linked}) == sorted(
            model['Config'] for model in models
        )
    models = [
        model
        for metafile in METAFILES
        for model in yaml.safe_load(metafile.read_text())['Models']
    ]
    for model in models:
        assert (ROOT / model['Config']).is_file()
        assert model['Name'] == Path(model['Config']).stem
        assert 'Results' not in model  # nothing has been trained
    assert sorted(model['Config'] for model in models) == sorted(
        f'configs/{file}' for file in FILES
    )


# AP of the paper, of MMPose: baseline and DARK each
PUBLISHED = {
    'hourglass-4stack 128x96': '66.2 | 69.6 | - | -',
    'hourglass-8stack 128x96': '67.6 | 70.8 | - | -',
    'res50 128x96': '59.3 | 62.6 | - | -',
    'res50 256x192': '- | - | 71.8 | 72.4',
    'res50 384x288': '- | - | 73.1 | 73.5',
    'res101 128x96': '58.8 | 63.2 | - | -',
    'res101 256x192': '- | - | 72.8 | 73.3',
    'res101 384x288': '- | - | 74.9 | 74.9',
    'res152 128x96': '60.7 | 63.1 | - | -',
    'res152 256x192': '- | - | 73.6 | 74.3',
    'res152 384x288': '- | - | 75.0 | 75.5',
    'hrnet-w32 128x96': '66.9 | 70.7 | - | -',
    'hrnet-w32 256x192': '74.4 | 75.6 | 74.9 | 75.7',
    'hrnet-w32 384x288': '75.8 | 76.6 | 76.1 | 76.6',
    'hrnet-w48 128x96': '68.0 | 71.9 | - | -',
    'hrnet-w48 256x192': '- | - | 75.6 | 76.4',
    'hrnet-w48 384x288': '76.3 | 76.8 | 76.7 | 77.2',
}
# the paper's tables 1 to 4: AP, AP50, AP75, APM, APL, AR
ABLATION_SCORES = {
    'biased-argmax 128x96': '61.2 | 88.1 | 72.3 | 59.0 | 66.3 | 68.7',
    'biased-shift 128x96': '66.9 | 88.7 | 76.3 | 64.6 | 72.3 | 73.7',
    'biased-taylor 128x96': '68.4 | 88.6 | 77.4 | 66.0 | 74.0 | 74.9',
    'biased-taylor-unmodulated 128x96': (
        '68.1 | 88.5 | 77.1 | 65.8 | 73.7 | 74.8'
    ),
    'unbiased-shift 128x96': '68.0 | 88.9 | 77.0 | 65.4 | 73.7 | 74.5',
    'unbiased-taylor 128x96': '70.7 | 88.9 | 78.4 | 67.9 | 76.6 | 76.7',
    'biased-shift 256x192': '74.4 | 90.5 | 81.9 | 70.8 | 81.0 | 79.8',
    'unbiased-taylor 256x192': '75.6 | 90.5 | 82.1 | 71.8 | 82.8 | 80.8',
    'biased-shift 384x288': '75.8 | 90.6 | 82.5 | 72.0 | 82.7 | 80.9',
    'unbiased-taylor 384x288': '76.6 | 90.7 | 82.8 | 72.7 | 83.9 | 81.5',
}


def rows(folder, backbone, codec, size):
    """Lines of tables that link the config."""
    pattern = re.compile(
        rf'\(td-hm_{backbone}_{codec}-8xb\d+-\d+e_(coco|mpii)-{size}\.py\)'
    )
    pages = (CONFIGS / folder).glob('*.md')
    lines = (line for page in pages for line in page.read_text().splitlines())
    return [line for line in lines if pattern.search(line)]


def test_published_numbers_are_copied_rightly():
    for key, scores in PUBLISHED.items():
        backbone, size = key.split()
        (row,) = rows(f'{TOPDOWN}/coco', backbone, 'dark', size)
        assert f'| {scores} |' in row, key
    for key, scores in ABLATION_SCORES.items():
        found = rows('ablation', 'hrnet-w32', *key.split())
        assert found
        assert all(f'| {scores} |' in row for row in found), key
    (row,) = rows(f'{TOPDOWN}/mpii', 'hrnet-w32', 'dark', '256x256')
    # PCKh@0.5 and PCKh@0.1; MMPose's PCKh@0.5 is its metafiles'
    assert '| 90.3 | 90.6 | 37.7 | 42.0 | 90.0 | 90.4 | 33.4 | 35.4 |' in row
    for page in PAGES:
        assert 'published' in page.read_text()


# tools/analysis_tools/get_flops.py


@pytest.fixture
def get_flops(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools'))
    monkeypatch.syspath_prepend(str(ROOT / 'tools/analysis_tools'))
    import get_flops

    return get_flops


def counted(model, picture, convolutions_only=False):
    """What MMEngine calls FLOPs, added up module by module."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):
            total += inputs[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif convolutions_only:
            pass
        elif isinstance(module, nn.BatchNorm2d):
            total += 2 * output.numel()
        elif isinstance(module, nn.Upsample):
            total += output.numel()

    for module in model.modules():
        module.register_forward_hook(count)
    model._forward(picture)
    return total


def test_flops_are_counted_rightly(get_flops):
    file = f'{TOPDOWN}/coco/td-hm_res50_dark-8xb64-140e_coco-128x96.py'
    for shape in (None, (64, 32)):
        cfg = Config.fromfile(CONFIGS / file)
        found = get_flops.measure(copy.deepcopy(cfg), shape)
        assert (found.height, found.width) == (shape or (128, 96))
        model = on_meta(apply_codec(cfg))
        size = (1, 3, found.height, found.width)
        assert found.flops == counted(model, torch.empty(size, device='meta'))
        assert found.params == sum(p.numel() for p in model.parameters())


def test_the_pages_flops_are_the_models(get_flops):
    """All rows, by the count that the test above compares with the tool's."""
    for file in FILES:
        name = described(file)
        if name['codec'] != 'dark' or file.endswith('_test-dev.py'):
            continue
        height, width = (int(n) for n in name['size'].split('x'))
        model = on_meta(load(file))
        picture = torch.empty(1, 3, height, width, device='meta')
        flops = f'{counted(model, picture) / 1e9:.1f}'
        params = sum(p.numel() for p in model.parameters())
        key = (name['backbone'], 'dark', name['size'])
        (row,) = rows(f'{TOPDOWN}/{name["data"]}', *key)
        assert f'| {flops} | {params / 1e6:.1f} |' in row, file
        if name['backbone'] == 'hrnet-w32' and name['data'] == 'coco':
            key = ('hrnet-w32', 'unbiased-taylor', name['size'])
            *_, row = rows('ablation', *key)
            assert row.startswith(f'| {name["size"]} | {flops} |'), file


@pytest.mark.parametrize(
    ('size', 'stated'), [('128x96', 1.8), ('256x192', 7.1), ('384x288', 16.0)]
)
def test_the_papers_flops(size, stated):
    """Of HRNet-W32: convolutions, counted in units of 2 ** 30."""
    file = f'{TOPDOWN}/coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-{size}.py'
    height, width = (int(n) for n in size.split('x'))
    picture = torch.empty(1, 3, height, width, device='meta')
    flops = counted(on_meta(load(file)), picture, convolutions_only=True)
    assert round(flops / 2**30, 1) == stated


def test_flops_from_the_command_line(get_flops, monkeypatch, capsys):
    file = f'{TOPDOWN}/coco/td-hm_res50_dark-8xb64-140e_coco-128x96.py'
    arguments = [str(CONFIGS / file), '--input-shape', '64']
    monkeypatch.setattr(sys, 'argv', ['get_flops.py', *arguments])
    get_flops.main()
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        rf'\| {Path(file).stem} \| 64x64 \| 0\.\d \| 34\.0 \|', printed[-1]
    )
