"""Configs are completed whenever they are read, and no others are touched."""

import copy
import functools
import importlib
import json
import logging
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmpose.registry import KEYPOINT_CODECS

import dark_codec
from dark_codec import (
    ArgmaxDecoder,
    DARKCodec,
    GaussianFitDecoder,
    apply_codec,
)

HRNET = (
    'mmpose::body_2d_keypoint/topdown_heatmap/coco/'
    'td-hm_hrnet-w32_8xb64-210e_coco-256x192.py'
)
TWO_LINES = f"""
_base_ = [{HRNET!r}]
custom_imports = dict(imports=['dark_codec'], allow_failed_imports=False)
codec = dict(type='DARKCodec')
"""
HALF_PIXEL = {'codec.alignment': 'half_pixel', 'codec.sigma': 1.5}


@functools.cache
def _completed(folder):
    file = folder / 'two_lines.py'
    file.write_text(TWO_LINES)
    return Config.fromfile(file)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('two lines')


@pytest.fixture
def cfg(folder):
    """What reading the two lines gives."""
    return copy.deepcopy(_completed(folder))


@pytest.fixture
def lines():
    """Our lines of the log at INFO."""
    found = []
    handler = logging.Handler(logging.INFO)
    handler.emit = lambda record: found.append(record.getMessage())
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def codecs_of(cfg):
    """Those that the head, the training and the warps use, and codec."""
    (target,) = (
        transform
        for transform in cfg.train_dataloader.dataset.pipeline
        if transform.type == 'GenerateTarget'
    )
    assert target.encoder == cfg.model.head.decoder == cfg.codec
    codec = KEYPOINT_CODECS.build(cfg.model.head.decoder)
    assert isinstance(codec, DARKCodec)
    shift = cfg.model.test_cfg.shift_heatmap
    assert shift == (codec.alignment == 'asymmetric')
    for loop in ('train', 'val', 'test'):
        pipeline = cfg[f'{loop}_dataloader'].dataset.pipeline
        (warp,) = (t for t in pipeline if t.type == 'TopdownAffine')
        assert tuple(warp.input_size) == codec.input_size
    return codec


class Recorded(Runner):
    """Keeps what a runner would be built from."""

    def __init__(self, model, cfg, **kwargs):
        assert model == cfg['model']
        self.cfg = cfg
        self._hooks = []


def test_reading_completes(cfg):
    codec = codecs_of(cfg)
    assert (codec.input_size, codec.sigma) == ((192, 256), 2)


def test_it_is_what_apply_codec_does(cfg, folder, monkeypatch):
    monkeypatch.setenv('DARK_CODEC_COMPLETE', '0')
    plain = Config.fromfile(folder / 'two_lines.py')
    plain.merge_from_dict({})
    assert plain.model.head.decoder.type == 'MSRAHeatmap'
    plain.work_dir = 'x'
    runner = Recorded.from_cfg(plain)
    assert runner.cfg.model.head.decoder.type == 'MSRAHeatmap'
    plain.pop('work_dir')
    assert apply_codec(plain).to_dict() == cfg.to_dict()


def test_options(cfg, lines):
    cfg.merge_from_dict(HALF_PIXEL)
    codec = codecs_of(cfg)
    assert (codec.alignment, codec.sigma) == ('half_pixel', 1.5)
    (line,) = lines
    assert 'half_pixel, sigma 1.5' in line and 'replaces DARKCodec' in line
    # an option that has nothing to do with it
    cfg.merge_from_dict({'train_cfg.max_epochs': 1})
    assert len(lines) == 1
    # one that does not fit
    cfg.merge_from_dict({'model.test_cfg.shift_heatmap': True})
    assert cfg.model.test_cfg.shift_heatmap is False
    assert len(lines) == 2
    assert 'shift_heatmap=True does not fit' in lines[1]
    assert "'half_pixel': it is set back to False" in lines[1]


@pytest.mark.parametrize('kind', [Config, ConfigDict, dict])
def test_a_runner_completes_what_was_changed_by_hand(cfg, kind):
    cfg.work_dir = 'x'
    cfg.codec.update(alignment='half_pixel', sigma=1.5)
    before = cfg.to_dict()
    given = cfg if kind is Config else kind(cfg.to_dict())
    codec = codecs_of(Recorded.from_cfg(given).cfg)
    assert (codec.alignment, codec.sigma) == ('half_pixel', 1.5)
    assert cfg.to_dict() == before
    assert cfg.model.head.decoder.sigma == 2


def test_copies_and_saved_configs_are_the_same(cfg, folder, lines):
    cfg.dump(folder / 'saved.py')
    (folder / 'saved.json').write_text(json.dumps(cfg.to_dict()))
    copies = [
        Config(cfg._cfg_dict),
        Config(cfg.to_dict()),
        copy.copy(cfg),
        cfg.copy(),
        copy.deepcopy(cfg),
        pickle.loads(pickle.dumps(cfg)),
        Config.fromfile(folder / 'saved.py'),
        Config.fromstring((folder / 'saved.py').read_text(), '.py'),
    ]
    for other in copies:
        assert other.to_dict() == cfg.to_dict()
        apply_codec(other)
        other.merge_from_dict({})
        assert other.to_dict() == cfg.to_dict()
    from_json = Config.fromfile(folder / 'saved.json')
    assert json.loads(json.dumps(from_json.to_dict())) == json.loads(
        (folder / 'saved.json').read_text()
    )
    assert not lines


def test_a_saved_config_takes_options(cfg, folder):
    cfg.dump(folder / 'saved.py')
    saved = Config.fromfile(folder / 'saved.py')
    saved.merge_from_dict(HALF_PIXEL)
    cfg.merge_from_dict(HALF_PIXEL)
    assert codecs_of(saved).sigma == 1.5
    assert saved.to_dict() == cfg.to_dict()


def test_what_a_base_asks_for_is_overridden(cfg, folder):
    """A base is no config of its own: only the leaf counts."""
    cfg.dump(folder / 'saved.py')
    for base in ('two_lines.py', 'saved.py'):
        leaf = folder / 'leaf.py'
        leaf.write_text(
            f"_base_ = ['{base}']\ncodec = dict(alignment='half_pixel')\n"
        )
        assert codecs_of(Config.fromfile(leaf)).alignment == 'half_pixel'
        leaf.write_text(
            f"_base_ = ['{base}']\n"
            "codec = dict(type='DARKCodec', decoder='GaussianFitDecoder')\n"
        )
        codec = codecs_of(Config.fromfile(leaf))
        assert isinstance(codec.decoder, GaussianFitDecoder)


PIPELINE = """
train_pipeline = [
    dict(type='LoadImage'), dict(type='GetBBoxCenterScale'),
    dict(type='TopdownAffine', input_size=(192, 256)),
    dict(type='GenerateTarget', encoder={encoder}),
    dict(type='PackPoseInputs')]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
"""


def test_a_base_that_restates_its_pipeline(folder):
    """Its targets have its codec; another one of a leaf replaces it."""
    restated = PIPELINE.format(encoder='codec')
    (folder / 'restated.py').write_text(TWO_LINES + restated)
    change = "codec = dict(alignment='half_pixel')\n"
    (folder / 'leaf.py').write_text(f"_base_ = ['restated.py']\n{change}")
    (folder / 'twig.py').write_text("_base_ = ['leaf.py']\n")
    for name in ('leaf.py', 'twig.py'):
        codec = codecs_of(Config.fromfile(folder / name))
        assert codec.alignment == 'half_pixel'
    # what a leaf itself sets is meant
    other = PIPELINE.format(encoder="dict(type='DARKCodec', sigma=3)")
    (folder / 'leaf.py').write_text(
        f"_base_ = ['restated.py']\n{change}{other}"
    )
    with pytest.raises(
        ValueError, match=r"encoder is .*'sigma': 3.*but codec"
    ):
        Config.fromfile(folder / 'leaf.py')


def test_a_pipeline_over_a_base_of_another_size(folder):
    """``encoder=codec`` stands there without the sizes of the base."""
    larger = HRNET.replace('256x192', '384x288')
    restated = PIPELINE.format(encoder='codec')
    (folder / 'leaf.py').write_text(
        TWO_LINES.replace(HRNET, larger) + restated
    )
    codec = codecs_of(Config.fromfile(folder / 'leaf.py'))
    assert (codec.input_size, codec.sigma) == ((288, 384), 3)


def test_a_base_with_another_codec_over_ours(folder, cfg):
    """The leaf takes DARK back: nothing is carried."""
    leaf = folder / 'leaf.py'
    leaf.write_text(
        "_base_ = ['two_lines.py']\ncodec = dict(_delete_=True, "
        "type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), "
        'sigma=2)\n'
    )
    assert Config.fromfile(leaf).model.head.decoder.type == 'MSRAHeatmap'


def test_dark_is_not_taken_back_in_silence(folder, cfg):
    """Where all places have it, another codec would change nothing."""
    cfg.dump(folder / 'saved.py')
    leaf = folder / 'leaf.py'
    msra = "dict(_delete_=True, type='MSRAHeatmap')"
    leaf.write_text(f"_base_ = ['saved.py']\ncodec = {msra}\n")
    message = "codec is {'type': 'MSRAHeatmap'.* head.decoder is still DARK"
    message = message.replace(' head', ' model.head')
    with pytest.raises(ValueError, match=message):
        Config.fromfile(leaf)
    with pytest.raises(ValueError, match=message):
        copy.deepcopy(cfg).merge_from_dict({'codec.type': 'MSRAHeatmap'})
    cfg.codec = dict(type='MSRAHeatmap')
    with pytest.raises(ValueError, match=message):
        Recorded.from_cfg(cfg)


def test_parts_of_configs_are_left_alone():
    for part in (
        dict(codec=dict(type='DARKCodec')),
        dict(codec=dict(type='DarkCodec')),
        dict(codec=dict(type='DARKCodec'), model=None),
        dict(Codec=dict(type='DARKCodec'), train_dataloader=dict()),
        dict(),
    ):
        assert Config(part).to_dict() == part


def test_installed_once():
    for _ in range(3):
        dark_codec.openmmlab.config.install()
        importlib.reload(
            importlib.import_module('dark_codec.openmmlab.config.on_read')
        )
        importlib.reload(dark_codec)
    for function in (
        Config.__init__,
        Config.merge_from_dict,
        Runner.from_cfg.__func__,
    ):
        original = function.__wrapped__
        assert not hasattr(original, '__wrapped__')
        assert original.__code__.co_filename.count('mmengine')
        assert function.__name__ == function.__wrapped__.__name__


# lazy configs

LAZY_BASE = """
from mmengine.dataset import DefaultSampler
from mmpose.codecs import MSRAHeatmap
from mmpose.datasets import (CocoDataset, GenerateTarget, GetBBoxCenterScale,
                             LoadImage, PackPoseInputs, TopdownAffine)
from mmpose.models import (HeatmapHead, KeypointMSELoss, PoseDataPreprocessor,
                           ResNet, TopdownPoseEstimator)

default_scope = None
codec = dict(type=MSRAHeatmap, input_size=(192, 256), heatmap_size=(48, 64),
             sigma=2)
model = dict(
    type=TopdownPoseEstimator,
    data_preprocessor=dict(type=PoseDataPreprocessor),
    backbone=dict(type=ResNet, depth=18),
    head=dict(type=HeatmapHead, in_channels=512, out_channels=17,
              loss=dict(type=KeypointMSELoss), decoder=codec),
    test_cfg=dict(flip_test=True, shift_heatmap=True))
warp = dict(type=TopdownAffine, input_size=codec['input_size'])
train_dataloader = dict(
    sampler=dict(type=DefaultSampler),
    dataset=dict(type=CocoDataset, pipeline=[
        dict(type=LoadImage), dict(type=GetBBoxCenterScale), warp,
        dict(type=GenerateTarget, encoder=codec),
        dict(type=PackPoseInputs)]))
val_dataloader = dict(dataset=dict(type=CocoDataset, pipeline=[
    dict(type=LoadImage), dict(type=GetBBoxCenterScale), warp,
    dict(type=PackPoseInputs)]))
test_dataloader = val_dataloader
"""
LAZY = """
from mmengine.config import read_base
with read_base():
    from .lazy_base import *
from dark_codec import ArgmaxDecoder, BiasedEncoder, DARKCodec

{line}
codec = dict(
    type=DARKCodec, alignment='half_pixel', decoder=ArgmaxDecoder,
    encoder=dict(type=BiasedEncoder), input_size=(192, 256))
"""


@pytest.fixture
def lazy(tmp_path):
    """A file whose types are classes that are imported when needed."""
    (tmp_path / 'lazy_base.py').write_text(LAZY_BASE)
    file = tmp_path / 'lazy.py'
    file.write_text(LAZY.format(line="__import__('dark_codec')"))
    return file


def assert_lazy_is_dark(cfg):
    head = cfg.model.head.decoder
    codec = KEYPOINT_CODECS.build(head)
    assert isinstance(codec, DARKCodec)
    assert isinstance(codec.decoder, ArgmaxDecoder)
    assert codec.alignment == 'half_pixel'
    (target,) = (
        transform
        for transform in cfg.train_dataloader.dataset.pipeline
        if 'encoder' in transform
    )
    assert target.encoder == head
    assert cfg.model.test_cfg.shift_heatmap is False


def test_lazy_configs(lazy, tmp_path):
    cfg = Config.fromfile(lazy)
    assert_lazy_is_dark(cfg)
    # what is saved can be read, completed or not
    cfg.dump(tmp_path / 'saved.py')
    saved = Config.fromfile(tmp_path / 'saved.py')
    assert_lazy_is_dark(saved)
    assert saved.to_dict() == cfg.to_dict()
    cfg.merge_from_dict({'codec.sigma': 1.5})
    assert cfg.model.head.decoder.sigma == 1.5


def test_a_class_of_the_users_as_decoder(cfg, tmp_path):
    """Its name is enough to find it again."""
    cfg.codec.decoder = dict(type=Halfway)
    apply_codec(cfg)
    name = f'{__name__}.Halfway'
    assert cfg.model.head.decoder.decoder.type == name
    assert isinstance(codecs_of(cfg).decoder, Halfway)
    cfg.dump(tmp_path / 'saved.py')
    saved = Config.fromfile(tmp_path / 'saved.py')
    assert isinstance(codecs_of(saved).decoder, Halfway)


class Halfway(ArgmaxDecoder):
    """A decoder that nobody has registered."""


def test_a_lazy_config_under_other_programs(lazy):
    """MMEngine ignores a lazy config's custom_imports: it imports itself."""
    script = (
        'import sys\n'
        'from mmengine.config import Config\n'
        "assert 'dark_codec' not in sys.modules\n"
        f'cfg = Config.fromfile({str(lazy)!r})\n'
        'print(cfg.model.head.decoder.decoder)\n'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=Path(dark_codec.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == 'ArgmaxDecoder'


# MMPose's configs

READ_ALL = """
import hashlib, importlib.util, json, sys, warnings
from pathlib import Path
warnings.simplefilter('ignore')
{first}
from mmengine.config import Config
import mmengine.config.config as module
root = Path(importlib.util.find_spec('mmpose').origin).parent / '.mim/configs'
found = {{}}
files = [f for f in root.rglob('*.py') if '_base_' not in f.parts]
for file in sorted(files)[::8]:
    try:
        cfg = Config.fromfile(file, import_custom_modules=False)
        text = repr((cfg._cfg_dict, cfg.text, cfg.filename, type(cfg)))
    except Exception as error:
        text = repr(error)
    name = file.relative_to(root).as_posix()
    found[name] = hashlib.sha256(text.encode()).hexdigest()
assert ('dark_codec' in sys.modules) == bool({first!r})
print(json.dumps(found))
"""


def test_mmposes_own_configs_are_not_touched():
    """Every eighth, read by two processes of which one imports dark_codec."""
    processes = [
        subprocess.Popen(
            [sys.executable, '-c', READ_ALL.format(first=first)],
            cwd=Path(dark_codec.__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in ('', 'import dark_codec')
    ]
    texts = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    without, with_ours = (json.loads(t.splitlines()[-1]) for t in texts)
    assert len(without) == 51
    assert without == with_ours
