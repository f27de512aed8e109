"""Dumps of heatmaps: the tool, and what it writes."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, KEYPOINT_CODECS, MODELS
from tiny_run import (
    TOOLS,
    environment,
    free_port,
    save_weights,
    write_config,
    write_data,
)

from dark_codec import apply_codec
from dark_codec.cli import UserError
from dark_codec.dumps.format import DumpError, as_json
from dark_codec.dumps.patches import cut_patches, paste_patches
from dark_codec.dumps.reader import HeatmapDump
from dark_codec.dumps.run import dump_heatmaps, hash_config, plan_dump
from dark_codec.dumps.writer import check_folder
from dark_codec.functional import find_peaks
from dark_codec.openmmlab.decoding import codec_config, decode
from projects.benchmarks.__main__ import main as benchmark
from tools.analysis_tools.dump_heatmaps import main

TOOL = 'analysis_tools/dump_heatmaps.py'
FLIP = "model['test_cfg'] = dict(flip_test=True)\n"
KILL = """
custom_imports = dict(imports=['killed_training'])
custom_hooks = [dict(type='KillAtShard', name='shard_000002.npz')]
"""
PEOPLE, SHARD = 8, 2
LOCAL = [
    'ArgmaxDecoder',
    'QuarterShiftDecoder',
    dict(type='TaylorDecoder', modulation=None),
    dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', rescale='max'),
    ),
    dict(
        type='TaylorDecoder',
        modulation=dict(
            type='GaussianModulation', kernel_size=3, rescale='none'
        ),
    ),
    'GaussianFitDecoder',
]
WIDE = [
    'TaylorDecoder',
    dict(type='QuarterShiftDecoder', variant='second'),
    dict(type='GaussianFitDecoder', sigma=3.0),
    dict(
        type='TaylorDecoder',
        modulation=dict(
            type='GaussianModulation', kernel_size=17, rescale='max'
        ),
    ),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Dumps by the tool, in the current folder."""
    folder = tmp_path_factory.mktemp('a run')
    data = write_data(folder / 'data', PEOPLE)
    config = write_config(folder / 'tiny.py', data, extra=FLIP)
    write_config(folder / 'kill.py', data, extra=FLIP + KILL)
    simcc = config.read_text().replace(
        'decoder=codec,', "decoder=dict(type='SimCCLabel'),"
    )
    (folder / 'simcc.py').write_text(
        simcc.replace("type='DARKCodec'", "type='SimCCLabel'")
    )
    (folder / 'occupied').mkdir()
    (folder / 'occupied' / 'thesis.tex').write_text('')
    save_weights(config, folder / 'weights.pth')
    other = torch.load(folder / 'weights.pth', weights_only=False)
    torch.save(dict(other, meta=dict(epoch=1)), folder / 'other.pth')
    del other['state_dict']['head.final_layer.bias']
    torch.save(other, folder / 'less.pth')
    write_config(
        folder / 'wide.py', data, extra="model['backbone']['depth'] = 34\n"
    )
    save_weights(folder / 'wide.py', folder / 'wide.pth')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the processes: sums in the same order
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        dump('--full', '--out=full')
        dump('--full', '--out=half', '--dtype=float16')
        dump('--out=patch', '--dtype=float16')
        yield folder
    torch.set_num_threads(threads)


def dump(*options, config='tiny.py', weights='weights.pth'):
    main([config, weights, f'--shard-size={SHARD}', *options])


def started(folder, out, config='tiny.py', processes=1):
    """The tool in a process of its own, or in two."""
    options = ['--full', f'--shard-size={SHARD}', f'--out={out}']
    command = [TOOLS / TOOL, config, 'weights.pth', *options]
    if processes > 1:
        torchrun = ['-m', 'torch.distributed.run', '--nproc_per_node=2']
        torchrun += [f'--master_port={free_port()}']
        command = [*torchrun, *command, '--launcher=pytorch']
    # where the hook of kill.py lies
    path = f'{TOOLS.parent}:{TOOLS.parent / "tests"}'
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment(PYTHONPATH=path),
        capture_output=True,
        text=True,
        timeout=600,
    )


def shards(path):
    """Content of the shards by name."""
    return {file.name: file.read_bytes() for file in path.glob('*.npz')}


@pytest.mark.parametrize('name', ['full', 'half', 'patch'])
def test_the_tool_dumps_the_whole_test_set(folder, name):
    dump = HeatmapDump(folder / name)
    assert len(dump) == PEOPLE and len(dump.shards) == 4
    index = np.concatenate([shard.index for shard in dump.shards])
    np.testing.assert_array_equal(index, np.arange(PEOPLE))
    annotations = json.loads((folder / 'data/people.json').read_text())
    ids = [sample['id'] for s in dump.shards for sample in s.samples]
    assert ids == [person['id'] for person in annotations['annotations']]
    assert dump.config.codec.type == 'DARKCodec'


def test_labels_come_back_exactly(folder):
    shard = HeatmapDump(folder / 'full').shards[1]
    annotations = json.loads((folder / 'data/people.json').read_text())
    person = annotations['annotations'][SHARD]
    labelled = np.float32(person['keypoints']).reshape(17, 3)
    np.testing.assert_array_equal(shard.truth[0], labelled[:, :2])
    assert shard.labelled.all()
    # the crop of the box (5, 10, 90, 115), 1.25 times as large, 64 px wide
    scale = 1.25 * 105 / 64
    expected = ((labelled[:, :2] - [47.5, 62.5]) / scale + 32) / 4
    found = shard.truth_on_heatmap()[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_the_dataset_says_comes_back(folder):
    init_default_scope('mmpose')
    cfg = Config.fromfile(folder / 'tiny.py')
    expected = DATASETS.build(cfg.test_dataloader.dataset).metainfo
    found = HeatmapDump(folder / 'full').info.dataset_meta
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)
        elif name in ('flip_pairs', 'skeleton_links'):
            assert [tuple(pair) for pair in found[name]] == value
        else:
            assert found[name] == value


def test_the_files_need_no_code_of_ours(folder):
    """JSON without tags, arrays without pickles."""
    info = json.loads((folder / 'full/dump.json').read_text())
    assert info['codec']['heatmap_size'] == [16, 16]
    with np.load(folder / 'full/shard_000001.npz') as shard:
        samples = json.loads(shard['samples'].tobytes())
        assert shard['number'] == 1
        assert shard['gt_instances.keypoints'].shape == (SHARD, 1, 17, 2)
    assert len(samples) == SHARD
    assert samples[0]['ori_shape'] == [128, 96]


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(TypeError, match='got object'):
        as_json([object()])


def test_what_was_killed_goes_on_to_the_same_dump(folder):
    result = started(folder, 'killed', config='kill.py')
    assert result.returncode == -9, result.stderr
    result = started(folder, 'killed')
    assert result.returncode == 0, result.stderr
    assert 'killed is complete: 8 samples in 4 shards' in result.stdout
    # of 4 batches the first run had stored two
    assert 'Epoch(test) [2/2]' in result.stdout + result.stderr
    assert shards(folder / 'killed') == shards(folder / 'full')
    assert not list((folder / 'killed').glob('*.unfinished'))


def test_two_processes_dump_the_same(folder):
    result = started(folder, 'two', processes=2)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.count('two is complete') == 1
    assert shards(folder / 'two') == shards(folder / 'full')


def test_a_whole_dump_is_not_made_again(folder, capfd):
    (folder / 'full/config.py').unlink()
    with pytest.raises(DumpError, match=r'full/config\.py, the config of the'):
        assert HeatmapDump('full').config
    dump('--full', '--out=full')
    assert 'Epoch(test)' not in ''.join(capfd.readouterr())
    assert HeatmapDump('full').config.codec.type == 'DARKCodec'


@pytest.mark.parametrize(
    'options, files, expected',
    [
        (
            ['--full', '--out=full'],
            dict(weights='other.pth'),
            'holds another dump, which differs in checkpoint_hash',
        ),
        (['--out=full'], {}, r'differs in kind \(full there, patch now\)'),
        (['--out=tiny.py'], {}, '--out tiny.py'),
        (['--out=tiny.py/dump'], {}, '--out tiny.py/dump'),
        (
            ['--out=simcc'],
            dict(config='simcc.py'),
            "DARKCodec cannot replace 'SimCCLabel'",
        ),
        (
            ['--out=occupied'],
            {},
            'other files than a heatmap dump, such as thesis.tex',
        ),
        (['--out=new', '--cfg-options', 'a'], {}, 'key=value expected'),
        (
            ['--out=wide'],
            dict(weights='wide.pth'),
            r'the checkpoint wide\.pth does not fit the config: .*unexpected '
            r'key in source state_dict: backbone',
        ),
        (
            ['--out=less'],
            dict(weights='less.pth'),
            r'less\.pth does not fit .*missing keys .*head\.final_layer\.bias',
        ),
    ],
)
def test_refusals(folder, options, files, expected):
    with pytest.raises(UserError, match=expected) as error:
        dump(*options, **files)
    assert '\n' not in str(error.value)
    folder = folder / options[-1].removeprefix('--out=')
    assert folder.name in ('full', 'occupied') or not list(folder.glob('*'))


def test_the_benchmark_measures_what_it_wrote(folder, capsys):
    for _ in ('writes', 'measures'):
        benchmark(['dump', '--people=300', '--out=bench'])
    output = capsys.readouterr().out
    assert '300 people, 2 shards: 0.003 GB' in output
    assert re.search(r'decoding by argmax, dark-max, fit: \d', output)


# reading


def test_damage_is_noticed_and_named(folder, tmp_path):
    shutil.copytree(folder / 'patch', tmp_path / 'dump')
    path = tmp_path / 'dump' / 'shard_000001.npz'
    whole = path.read_bytes()
    place = len(whole) // 3
    flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    for damaged in (whole[:-100], whole[: len(whole) // 2], b'', flipped):
        path.write_bytes(damaged)
        with pytest.raises(DumpError, match='shard_000001.npz is damaged'):
            shard = HeatmapDump(tmp_path / 'dump').shards[1]
            for name in shard.names():
                shard.read(name)
    path.unlink()
    with pytest.raises(DumpError, match='1 of 4 shards are missing'):
        HeatmapDump(tmp_path / 'dump')


def test_damaged_and_foreign_shards_are_renewed(folder, tmp_path):
    """A copy of shard 0 as shard 1, one of another dump, a cut one."""
    shutil.copytree(folder / 'full', tmp_path / 'dump')
    paths = [tmp_path / f'dump/shard_00000{i}.npz' for i in range(4)]
    shutil.copy(paths[0], paths[1])
    with pytest.raises(DumpError, match='000001.npz is shard 0 under another'):
        HeatmapDump(tmp_path / 'dump')
    shutil.copy(folder / 'half/shard_000001.npz', paths[1])
    with pytest.raises(DumpError, match='000001.npz is of another dump: dump'):
        HeatmapDump(tmp_path / 'dump')
    paths[2].write_bytes(paths[2].read_bytes()[:-100])
    run_in_process(folder / 'tiny.py', folder / 'weights.pth', tmp_path)
    assert shards(tmp_path / 'dump') == shards(folder / 'full')


@pytest.mark.parametrize(
    'text, expected',
    [
        (None, 'is no heatmap dump'),
        ('{"format": "something"', 'is no heatmap dump'),
        (
            '{"format": "dark_codec heatmap dump", "version": 1}',
            r"format \('dark_codec heatmap dump', 1\), but .* dump again into",
        ),
    ],
)
def test_other_folders_are_refused(tmp_path, text, expected):
    if text is not None:
        (tmp_path / 'dump.json').write_text(text)
    with pytest.raises(DumpError, match=expected):
        HeatmapDump(tmp_path)


# patches


@pytest.mark.parametrize('decoder', [*LOCAL, *WIDE], ids=str)
def test_patches_decode_as_full_maps_or_are_refused(folder, decoder):
    full, patch = (HeatmapDump(folder / name) for name in ('half', 'patch'))
    codec = KEYPOINT_CODECS.build(dict(full.info.codec, decoder=decoder))
    full.check_decoder(codec.decoder)
    expected, found = (
        decode(codec, torch.cat([s.heatmaps() for s in dump.shards]), SHARD)
        for dump in (full, patch)
    )
    # the maps are more than noise to the decoders
    assert len(np.unique(expected[0][..., 0])) > PEOPLE
    if decoder in LOCAL:
        patch.check_decoder(codec.decoder)
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    else:
        with pytest.raises(DumpError, match='dump with --full'):
            patch.check_decoder(codec.decoder)
        assert not np.array_equal(found[0], expected[0])  # rightly


def test_patches_of_real_maps_at_any_place(real_heatmaps):
    maps = real_heatmaps[:40].astype(np.float16)
    # cut so that many peaks lie at a border or in a corner
    for cut in (maps, maps[..., 20:, 11:], maps[..., :19, :30]):
        size = cut.shape[3], cut.shape[2]
        patches, corners = cut_patches(cut, 8)
        pasted = torch.tensor(paste_patches(patches, corners, size))
        assert patches.dtype == np.float16
        sizes = dict(input_size=(4 * size[0], 4 * size[1]), heatmap_size=size)
        for decoder in LOCAL:
            codec = KEYPOINT_CODECS.build(
                dict(type='DARKCodec', sigma=2, decoder=decoder, **sizes)
            )
            found = decode(codec, pasted, 16)
            expected = decode(codec, torch.tensor(cut).float(), 16)
            np.testing.assert_array_equal(found[0], expected[0])
            np.testing.assert_array_equal(found[1], expected[1])


def test_patches_of_maps_without_a_peak():
    maps = np.zeros((1, 6, 24, 20), np.float32)
    maps[0, 1] = 0.5
    maps[0, 2] = -1
    maps[0, 2, 3, 4] = -0.5
    maps[0, 3, 20, 3] = np.nan
    maps[0, 4, 20, 3] = np.inf
    maps[0, 5, :18, :18] = 0.5  # constant where the patch is
    patches, corners = cut_patches(maps, 8)
    pasted = paste_patches(patches, corners, (20, 24))
    found, expected = (
        find_peaks(torch.from_numpy(some[0])) for some in (pasted, maps)
    )
    np.testing.assert_array_equal(found.valid, expected.valid)
    np.testing.assert_array_equal(found.score, expected.score)
    assert found.valid.tolist() == [False] * 5 + [True]
    assert (found.x[5], found.y[5]) == (0, 0)


# other models


def run_in_process(config, checkpoint, folder, shard_size=SHARD):
    """Dump full maps to `folder`/dump without a process of its own."""
    cfg = Config.fromfile(config)
    cfg.update(work_dir=str(folder), load_from=str(checkpoint))
    hashes = hash_config(cfg)
    apply_codec(cfg)
    info = plan_dump(cfg, hashes, 'full', 'float32', shard_size)
    dump_heatmaps(cfg, folder / 'dump', info)
    return HeatmapDump(folder / 'dump')


HEADS = {
    'HeatmapHead': '',
    'CPMHead': """
model['backbone'] = dict(
    type='HourglassNet', downsample_times=2, num_stacks=2,
    stage_channels=(256, 16, 16), stage_blocks=(1, 1, 1), feat_channel=16)
model['head'] = dict(
    type='CPMHead', in_channels=16, out_channels=17, num_stages=2,
    deconv_out_channels=None, final_layer=dict(kernel_size=1),
    loss=dict(type='KeypointMSELoss'), decoder=codec)
""",
    'VisPredictHead': """
model['head'] = dict(type='VisPredictHead', pose_cfg=model['head'])
""",
    'chosen keypoints': """
model['test_cfg']['output_keypoint_indices'] = [3, 9]
""",
}


def forward(model, images):
    """Maps of the last stage, (B, K, H, W)."""
    head = getattr(model.head, 'pose_head', model.head)
    maps = head(model.extract_feat(images))
    return maps[-1] if isinstance(maps, (list, tuple)) else maps


@pytest.mark.parametrize(
    'head, codec',
    [*((head, 'DARKCodec') for head in HEADS), ('HeatmapHead', 'MSRAHeatmap')],
)
def test_maps_and_flip_points_are_the_networks(folder, tmp_path, head, codec):
    config = write_config(
        tmp_path / 'tiny.py',
        folder / 'data',
        codec=codec,
        extra=FLIP
        + "model['test_cfg']['shift_heatmap'] = True\n"
        + HEADS[head],
    )
    save_weights(config, tmp_path / 'weights.pth')
    dump = run_in_process(config, tmp_path / 'weights.pth', tmp_path)
    assert dump.info.codec['alignment'] == 'asymmetric'
    assert dump.info.codec['sigma'] == 1
    cfg = apply_codec(Config.fromfile(config))
    assert codec_config(cfg) == dump.info.codec
    init_default_scope('mmpose')
    model = MODELS.build(cfg.model).eval()
    weights = torch.load(tmp_path / 'weights.pth', weights_only=False)
    model.load_state_dict(weights['state_dict'])
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    batch = pseudo_collate([dataset[i] for i in range(SHARD, 2 * SHARD)])
    images = model.data_preprocessor(batch)['inputs']
    with torch.no_grad():
        plain = forward(model, images)
        mirrored = forward(model, images.flip(-1))
    swap = dataset.metainfo['flip_indices']
    unflipped = mirrored.flip(-1)[:, swap]
    shifted = unflipped.clone()
    shifted[..., 1:] = unflipped[..., :-1]
    mean = (plain + shifted) / 2
    fit = KEYPOINT_CODECS.build(
        dict(dump.info.codec, decoder='GaussianFitDecoder')
    ).decoder
    shard, points = dump.shards[1], dump.shards[1].flip_points()
    chosen = [3, 9] if head == 'chosen keypoints' else slice(None)
    torch.testing.assert_close(shard.heatmaps(), mean[:, chosen])
    for found, scores, maps in zip(
        points[::2], points[1::2], (plain, unflipped)
    ):
        expected = fit(maps[:, chosen].contiguous())
        np.testing.assert_allclose(found, expected.points, atol=1e-3)
        np.testing.assert_allclose(scores, expected.scores, rtol=1e-4)
    assert np.abs(points.plain - points.unflipped).max() > 0.1


def test_without_flip_test_there_are_no_flip_points(folder, tmp_path):
    config = write_config(tmp_path / 'tiny.py', folder / 'data')
    dump = run_in_process(config, folder / 'weights.pth', tmp_path, 3)
    assert dump.info.shard_size == 4  # whole batches of 2
    assert [len(shard.index) for shard in dump.shards] == [4, 4]
    assert dump.shards[0].flip_points() is None


def test_changed_settings_are_named(folder):
    dump = HeatmapDump(folder / 'full')
    info = dump.info
    check_folder(dump.folder, replace(info, checkpoint='elsewhere.pth'))
    for change, expected in [
        (dict(shard_size=4), r'shard_size \(2 there, 4 now\)'),
        (dict(config_hash=dict(info.config_hash, model='x')), 'in model'),
        (dict(num_samples=9), 'num_samples'),
    ]:
        with pytest.raises(DumpError, match=expected):
            check_folder(dump.folder, replace(info, **change))
