"""docs/visualization.md, done as it says."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from samples import COCO_EPOCHS, COCO_SAMPLES, ROOT, succeed
from tiny_run import call, environment, refusal

PAGE = (ROOT / 'docs' / 'visualization.md').read_text()
COMMANDS = '\n'.join(re.findall(r'```bash\n(.*?)```', PAGE, flags=re.S))
SNIPPETS = re.findall(r'```python\n(.*?)```', PAGE, flags=re.S)
COMPARE = 'visualization/compare_decoders_on_image.py'
TWO_LINES = re.search(
    r'```python\n(_base_.*?)```', (ROOT / 'README.md').read_text(), flags=re.S
)[1]


@pytest.fixture(scope='module')
def done(coco_run, data_root, tmp_path_factory):
    """A folder where the page's commands ran, and what they printed."""
    folder = tmp_path_factory.mktemp('page')
    for name in ('tools', 'projects', 'configs', 'dark_codec'):
        (folder / name).symlink_to(ROOT / name)
    (folder / 'work_dirs').mkdir()
    (folder / 'work_dirs' / 'coco_samples').symlink_to(coco_run)
    env = environment(
        PATH=os.pathsep.join([f'{sys.prefix}/bin', os.defpath]),
        DARK_CODEC_DATA=str(data_root),
    )
    result = subprocess.run(
        ['bash', '-e', '-c', COMMANDS],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return SimpleNamespace(folder=folder, printed=succeed(result))


def rows(printed):
    """Numbers by decoder, of the table of decoders in a text."""
    table = re.search(
        r'^\| decoder .*\n\|[-: |]+\n((?:\|.*\n)+)', printed, re.M
    )
    cells = [row.split('|')[1:-1] for row in table[1].splitlines()]
    return {r[0].strip(): [float(x) for x in r[1:]] for r in cells}


@pytest.mark.parametrize('name', ['targets.jpg', 'decoders.png'])
def test_the_pictures_are_drawn_as_shown(done, name):
    drawn = cv2.imread(str(done.folder / name))
    shown = cv2.imread(str(ROOT / 'docs/images/visualization' / name))
    # fonts differ a little between machines
    np.testing.assert_allclose(drawn.shape, shown.shape, atol=30)
    assert drawn.std() > 20


def test_decoders_of_a_sample_and_of_the_same_photograph(
    done, coco_run, data_root, tmp_path
):
    sample = rows(done.printed)
    assert list(sample) == list(rows(PAGE))
    x, y, off, off_input = sample['Taylor with modulation (DARK)']
    truth = sample['truth']
    assert off == pytest.approx(np.hypot(x - truth[0], y - truth[1]), abs=2e-3)
    assert off_input == pytest.approx(4 * off, abs=5e-3)
    assert off < 0.25  # heatmap px: the network knows this photograph
    assert all(n == int(n) for n in sample['argmax'][:2])

    coco = data_root / 'mmpose_samples/coco'
    labels = json.loads((coco / 'test_coco.json').read_text())
    person = labels['annotations'][0]
    names = {image['id']: image['file_name'] for image in labels['images']}
    photograph = rows(
        succeed(
            call(
                COMPARE,
                coco_run / COCO_SAMPLES.name,
                coco_run / f'epoch_{COCO_EPOCHS}.pth',
                '--image',
                coco / names[person['image_id']],
                '--box',
                *person['bbox'],
                '--keypoint=9',
                cwd=tmp_path,
            )
        )
    )
    assert 'truth' not in photograph
    for name, numbers in photograph.items():
        np.testing.assert_allclose(numbers, sample[name][:2], atol=2e-3)


def test_an_unknown_keypoint_is_refused_with_the_known(
    coco_run, data_root, monkeypatch
):
    monkeypatch.setenv('DARK_CODEC_DATA', str(data_root))
    message = refusal(
        COMPARE,
        coco_run / COCO_SAMPLES.name,
        coco_run / f'epoch_{COCO_EPOCHS}.pth',
        '--keypoint=tail',
    )
    assert '--keypoint tail: there are nose, left_eye' in message


def test_the_snippets_run(done, data_root, monkeypatch):
    monkeypatch.chdir(done.folder)
    coco = data_root / 'mmpose_samples/coco'
    names = {'photo': str(coco / '000000000785.jpg')}
    curves, first, second = SNIPPETS
    exec(first, names)
    keypoints = names['samples'][0].pred_instances.keypoints
    assert keypoints.shape == (1, 17, 2)
    # as labelled, and as both pages print it
    np.testing.assert_allclose(keypoints[0, 0], [367, 81], atol=3)
    assert (done.folder / 'poses/000000000785.jpg').is_file()
    (done.folder / 'two_lines.py').write_text(TWO_LINES)
    exec(second, names)
    complete = Config.fromfile('complete.py')
    assert complete.model.head.decoder.type == 'DARKCodec'
    (done.folder / 'curves.py').write_text(TWO_LINES + curves)
    visualizer = Config.fromfile('curves.py').visualizer
    assert visualizer.type == 'PoseLocalVisualizer'  # as the base has it
    kinds = [backend.type for backend in visualizer.vis_backends]
    assert kinds == ['LocalVisBackend', 'TensorboardVisBackend']
    assert all(VISBACKENDS.get(kind) for kind in kinds)
