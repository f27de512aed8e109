"""tools/deployment/export_onnx.py and docs/deploy.md, as a user works.

A network that has begun to learn real photographs sees them again; without
the data it stays random. What decoders do inside a graph is tested in
tests/deployment/test_onnx_decoders.py.
"""

import json
import re
import shlex
import shutil
import sys

import numpy as np
import onnx
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import OptimWrapper
from mmpose.apis import inference_topdown, init_model
from mmpose.registry import DATASETS
from onnxruntime import InferenceSession
from tiny_run import TOOLS, call, write_config

from dark_codec import DARKCodec, apply_codec
from dark_codec.cli import run_tool
from dark_codec.deployment import (
    ExportedDecoder,
    MismatchError,
    check_onnx,
    export_onnx,
)
from dark_codec.deployment.estimator import ExportedEstimator

ROOT = TOOLS.parent
PAGE = (ROOT / 'docs' / 'deploy.md').read_text()
SAMPLES = (
    ROOT / 'projects/mmpose_samples/configs'
    '/td-hm_res18-slim_dark-1xb12-15e_coco-samples-128x96.py'
)
COMMANDS = re.findall(r'```bash\n(python .*)\n```', PAGE)
TOOL = 'deployment/export_onnx.py'
HRNET = (
    'body_2d_keypoint/topdown_heatmap/coco'
    '/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
)


def arguments_of(command, config):
    """Those of one of the page's commands, for this config."""
    script, *arguments = shlex.split(command)[1:]
    assert script == f'tools/{TOOL}'
    return [config if word == 'CONFIG' else word for word in arguments]


def config_of(data_root='.'):
    cfg = apply_codec(Config.fromfile(SAMPLES))
    for loader in (cfg.train_dataloader.dataset, cfg.test_dataloader):
        loader.dataset.data_root = f'{data_root}/mmpose_samples/coco/'
    return cfg


def load(folder, flip_test):
    """The model that is exported."""
    cfg = config_of()
    cfg.model.test_cfg.flip_test = flip_test
    return init_model(cfg, str(folder / 'CHECKPOINT'), device='cpu')


def batch_of(dataset):
    """12 people, as MMPose's pipeline hands them to a model."""
    people = DATASETS.build(dataset)
    return pseudo_collate([people[i] for i in range(12)])


def learn(model, batch):
    """Until there are peaks: on a flat map, rounding moves the keypoints."""
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=2e-3))
    model.train()
    for _ in range(40):
        model.train_step(batch, wrapper)


@pytest.fixture(scope='module')
def folder(tmp_path_factory, request):
    """A checkpoint, and what the page's first command makes of it."""
    folder = tmp_path_factory.mktemp('export')
    torch.manual_seed(0)
    model = init_model(config_of(), device='cpu')
    try:
        cfg = config_of(request.getfixturevalue('data_root'))
        learn(model, batch_of(cfg.train_dataloader.dataset.dataset))
    except pytest.skip.Exception:
        pass  # the tests that need photographs skip by themselves
    weights = dict(state_dict=model.state_dict(), meta={})
    torch.save(weights, folder / 'CHECKPOINT')
    result = call(TOOL, *arguments_of(COMMANDS[0], SAMPLES), cwd=folder)
    assert result.returncode == 0, result.stderr
    assert 'Wrote model.onnx' in result.stdout
    return folder


@pytest.fixture(scope='module')
def photographs(data_root):
    return batch_of(config_of(data_root).test_dataloader.dataset)


def labelled(batch):
    """Which keypoints the network has learnt, (12, 17)."""
    truth = [sample.gt_instances for sample in batch['data_samples']]
    return np.concatenate([t.keypoints_visible for t in truth]) > 0


def predicted(model, batch):
    """MMPose's keypoints in input px, and their scores."""
    with torch.no_grad():
        samples = model.test_step(batch)
    points = []
    for sample in samples:
        meta, found = sample.metainfo, sample.pred_instances
        offset = meta['input_center'] - meta['input_scale'] / 2
        scale = np.array(meta['input_size']) / meta['input_scale']
        points.append((found.keypoints - offset) * scale)
    scores = [sample.pred_instances.keypoint_scores for sample in samples]
    return np.concatenate(points), np.concatenate(scores)


def test_the_flip_test_is_mmposes(folder, photographs):
    session = InferenceSession(folder / 'model.onnx')
    crops = torch.stack(photographs['inputs']).numpy()
    assert crops.shape == (12, 3, 128, 96) and crops.dtype == np.uint8
    expected, confidence = predicted(load(folder, True), photographs)
    learnt = labelled(photographs)
    assert learnt.sum() > 100
    for count in (1, 12):
        keypoints, scores = session.run(None, dict(image=crops[:count]))
        distance = np.abs(keypoints - expected[:count]).max(-1)
        assert distance[learnt[:count]].max() < 1e-3
        np.testing.assert_allclose(scores, confidence[:count], 1e-4, 1e-5)


def test_normalised_input_and_heatmaps(folder, photographs, monkeypatch):
    run(
        monkeypatch,
        folder,
        *(SAMPLES, 'CHECKPOINT', '--out=plain.onnx', '--heatmaps'),
        '--decoder=ArgmaxDecoder',
    )
    model = load(folder, False)
    model.head.decoder = DARKCodec(
        input_size=(96, 128), decoder='ArgmaxDecoder'
    )
    expected, confidence = predicted(model, photographs)
    image = model.data_preprocessor(photographs)['inputs']
    with torch.no_grad():
        maps = model(image, None, mode='tensor').numpy()
    session = InferenceSession(folder / 'plain.onnx')
    keypoints, scores, heatmaps = session.run(None, dict(image=image.numpy()))
    distance = np.abs(keypoints - expected).max(-1)
    assert distance[labelled(photographs)].max() < 1e-3
    np.testing.assert_allclose(scores, confidence, 1e-4, 1e-5)
    np.testing.assert_allclose(heatmaps, maps, atol=1e-4 * np.abs(maps).max())


def test_the_graph_describes_itself(folder):
    model = onnx.load(folder / 'model.onnx')
    (opset,) = (i.version for i in model.opset_import if i.domain == '')
    facts = {p.key: p.value for p in model.metadata_props}
    facts.pop('dark_codec')
    facts = {key: json.loads(value) for key, value in facts.items()}
    assert facts['opset'] == opset
    assert facts['decoder'] == 'TaylorDecoder'
    assert facts['codec']['alignment'] == 'asymmetric'
    assert facts['codec']['sigma'] == 1
    assert facts['input_size'] == [96, 128]
    assert facts['heatmap_size'] == [24, 32]
    names = facts['keypoint_names']
    assert len(names) == 17 and names[:2] == ['nose', 'left_eye']
    assert facts['flip_test'] and facts['uint8']
    assert facts['mean'] == pytest.approx([123.675, 116.28, 103.53])
    assert facts['std'] == pytest.approx([58.395, 57.12, 57.375])
    assert facts['swaps_red_and_blue'] is True
    for key in facts:
        assert f'`{key}`' in PAGE


def test_the_page_runs(folder, data_root, monkeypatch):
    """The picture's person, found by MMPose and by the page's ten lines."""
    coco = data_root / 'mmpose_samples' / 'coco'
    person = json.loads((coco / 'test_coco.json').read_text())['annotations'][
        0
    ]
    photograph = coco / f'{person["image_id"]:012}.jpg'
    shutil.copy(photograph, folder / 'people.jpg')
    monkeypatch.chdir(folder)
    (snippet,) = re.findall(r'```python\n(.*?)```', PAGE, flags=re.S)
    box = re.search(r'box = np.array\(.*\)', snippet)[0]
    found = {}
    exec(snippet.replace(box, f'box = np.array({person["bbox"]})'), found)
    (expected,) = inference_topdown(
        load(folder, True),
        str(photograph),
        np.array([person['bbox']]),
        bbox_format='xywh',
    )
    np.testing.assert_allclose(
        found['keypoints'], expected.pred_instances.keypoints, atol=0.05
    )


def run(monkeypatch, cwd, *arguments):
    """The tool in this process: starting another takes longer than it."""
    monkeypatch.chdir(cwd)
    monkeypatch.setattr(sys, 'argv', ['export_onnx.py', *map(str, arguments)])
    from tools.deployment import export_onnx as tool

    run_tool(tool.main)


def test_a_decoder_for_an_existing_model(tmp_path, monkeypatch, rng):
    """One of MMPose's own configs, which knows nothing of DARK."""
    import mmpose

    config = f'{mmpose.__path__[0]}/.mim/configs/{HRNET}'
    run(
        monkeypatch,
        tmp_path,
        *arguments_of(COMMANDS[1], config),
        *('--decoder=QuarterShiftDecoder', '--out=new/decoder.onnx'),
        *('--cfg-options', 'codec.type=DARKCodec'),
    )
    session = InferenceSession(tmp_path / 'new' / 'decoder.onnx')
    codec = DARKCodec(decoder='QuarterShiftDecoder')
    truth = rng.uniform((8, 8), (184, 248), (2, 1, 17, 2))
    heatmaps = codec.batch_encode(
        torch.from_numpy(truth), torch.ones(2, 1, 17)
    )[0].numpy()
    keypoints, _ = session.run(None, dict(heatmaps=heatmaps))
    expected = np.concatenate(
        codec.batch_decode(torch.from_numpy(heatmaps))[0]
    )
    np.testing.assert_allclose(keypoints, expected, atol=1e-3)
    np.testing.assert_allclose(keypoints, truth[:, 0], atol=1.5)
    facts = session.get_modelmeta().custom_metadata_map
    assert len(json.loads(facts['keypoint_names'])) == 17
    assert [path.name for path in tmp_path.rglob('*.*')] == ['decoder.onnx']


def test_a_wrong_network_is_noticed(folder):
    """Here the file is right, and the model another."""
    graph = onnx.load(folder / 'model.onnx')
    inner = graph.graph.value_info
    names = [value.name for value in inner]
    graph.graph.output.append(inner.pop(names.index('heatmaps')))
    model = load(folder, True)
    flip_indices = model.dataset_meta['flip_indices']
    module = ExportedEstimator(model, flip_indices, uint8=True)
    assert check_onnx(graph, module)['heatmaps'] < 1e-4
    unflipped = ExportedEstimator(model, None, uint8=True)
    with pytest.raises(MismatchError, match='heatmaps differ by'):
        check_onnx(graph, unflipped)
    few = ExportedEstimator(model, flip_indices[:5], uint8=True)
    with pytest.raises(ValueError, match='5 entries, .* predicts 17'):
        few(few.example(1))
    model.test_cfg.shift_heatmap = False
    with pytest.raises(MismatchError, match='heatmaps differ by'):
        check_onnx(graph, module)


def assert_refused(capsys, *words):
    message = capsys.readouterr().err
    for word in words:
        assert word in message


def test_a_mismatch_leaves_no_file(tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path / 'tiny.py', tmp_path)
    from dark_codec.cli import export

    def export_another(module, metadata):
        codec = DARKCodec((64, 64), decoder='ArgmaxDecoder')
        return export_onnx(ExportedDecoder(codec), metadata)

    monkeypatch.setattr(export, 'export_onnx', export_another)
    with pytest.raises(SystemExit):
        run(
            monkeypatch,
            tmp_path,
            *(config, '--decoder-only', '--out=decoder.onnx'),
        )
    assert_refused(capsys, 'nothing was written: keypoints differ by')
    assert list(tmp_path.iterdir()) == [config]


REFUSALS = {
    'a checkpoint is needed': [],
    'the checkpoint no.pth does not exist': ['no.pth'],
    '--decoder-only has no network: leave out --flip': [
        *('--decoder-only', '--flip')
    ],
    'the name must end in .onnx': ['CHECKPOINT', '--out=model.pt'],
    "known ones: ['ArgmaxDecoder'": ['CHECKPOINT', '--decoder=Argmax'],
    'add --flip': [
        *('CHECKPOINT', '--cfg-options', 'codec.correct_flip_shift=True')
    ],
    'size mismatch for head.final_layer': [
        *('CHECKPOINT', '--cfg-options', 'model.head.out_channels=5')
    ],
}


@pytest.mark.parametrize('message', REFUSALS)
def test_refusals(message, folder, monkeypatch, capsys):
    before = sorted(folder.iterdir())
    arguments = [SAMPLES, *REFUSALS[message]]
    if '--out=model.pt' not in arguments:
        arguments.append('--out=other.onnx')
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, folder, *arguments)
    assert ended.value.code == 2
    assert_refused(capsys, message)
    assert sorted(folder.iterdir()) == before


def test_another_codec_is_refused(tmp_path, monkeypatch, capsys):
    config = tmp_path / 'tiny.py'
    write_config(config, tmp_path, codec='MSRAHeatmap')
    with pytest.raises(SystemExit):
        run(monkeypatch, tmp_path, config, '--decoder-only', '--out=a.onnx')
    assert_refused(capsys, 'decodes by MSRAHeatmap', 'codec.type=DARKCodec')


def test_old_torch_and_missing_packages(folder, monkeypatch, capsys):
    arguments = [SAMPLES, 'CHECKPOINT', '--out=other.onnx']
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(torch, '__version__', '2.1.2+cpu')
        run(patch, folder, *arguments)
    assert_refused(capsys, 'torch 2.7 or newer, this is 2.1.2+cpu')
    from tools.deployment import export_onnx as tool

    monkeypatch.setattr(tool, 'PACKAGES', ('onnx', 'no_such_package'))
    with pytest.raises(SystemExit):
        run(monkeypatch, folder, *arguments)
    assert_refused(capsys, 'missing: pip install no_such_package')
