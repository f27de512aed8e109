"""What the README promises beyond what test_docs.py holds of all pages."""

import re
from pathlib import Path

from mmengine.config import Config

import dark_codec

ROOT = Path(dark_codec.__file__).parents[1]
README = (ROOT / 'README.md').read_text()
CONFIGS = re.findall(r'```python\n(_base_.*?)```', README, flags=re.S)


def test_the_two_commands_come_first():
    blocks = re.findall(r'```(?:bash)?\n(.*?)```', README, flags=re.S)
    commands = [line.split('#')[0].strip() for line in blocks[0].splitlines()]
    assert commands == ['bash tools/quickstart.sh', 'bash tools/run_tests.sh']


def test_the_two_line_change_is_complete(tmp_path):
    path = tmp_path / 'two_lines.py'
    path.write_text(CONFIGS[0])
    cfg = Config.fromfile(path)
    assert cfg.model.head.decoder.type == 'DARKCodec'
    encoders = [
        transform.encoder
        for transform in cfg.train_dataloader.dataset.pipeline
        if transform.type == 'GenerateTarget'
    ]
    assert encoders == [cfg.model.head.decoder]


def test_the_picture_is_there_for_light_and_dark_pages():
    (both,) = re.findall(r'<picture>.*?</picture>', README, flags=re.S)
    assert len(re.findall(r'(?:src|srcset)="([^"]+)"', both)) == 2
    for picture in re.findall(r'(?:src|srcset)="([^"]+)"', README):
        assert (ROOT / picture).is_file()


def test_it_is_short():
    assert len(README.splitlines()) <= 210
