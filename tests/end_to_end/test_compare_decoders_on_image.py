"""tools/visualization/compare_decoders_on_image.py, on a photograph."""

import json

import cv2
import numpy as np
import pytest
from samples import COCO_EPOCHS, COCO_SAMPLES, succeed
from tiny_run import call, refused

TOOL = 'visualization/compare_decoders_on_image.py'


@pytest.fixture
def network(coco_run):
    return coco_run / COCO_SAMPLES.name, coco_run / f'epoch_{COCO_EPOCHS}.pth'


def rows(printed):
    """Numbers by decoder."""
    cells = [r.split('|')[1:-1] for r in printed.splitlines() if r[:1] == '|']
    return {r[0].strip(): [float(x) for x in r[1:]] for r in cells[2:]}


def test_a_sample_and_the_same_photograph(network, data_root, tmp_path):
    data = dict(DARK_CODEC_DATA=str(data_root))
    arguments = ['--keypoint=left_wrist', '--out=new/a.png']
    sample = rows(
        succeed(call(TOOL, *network, *arguments, cwd=tmp_path, **data))
    )
    assert len(sample) == 6
    x, y, off, off_input = sample['Taylor with modulation (DARK)']
    truth = sample['truth']
    assert off == pytest.approx(np.hypot(x - truth[0], y - truth[1]), abs=2e-3)
    assert off_input == pytest.approx(4 * off, abs=5e-3)
    assert off < 0.25  # heatmap px: the network knows this photograph
    assert all(n == int(n) for n in sample['argmax'][:2])
    assert cv2.imread(str(tmp_path / 'new/a.png')).std() > 20

    coco = data_root / 'mmpose_samples/coco'
    labels = json.loads((coco / 'test_coco.json').read_text())
    person = labels['annotations'][0]
    names = {image['id']: image['file_name'] for image in labels['images']}
    photograph = rows(
        succeed(
            call(
                TOOL,
                *network,
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
    network, data_root, tmp_path
):
    result = call(
        TOOL,
        *network,
        '--keypoint=tail',
        cwd=tmp_path,
        DARK_CODEC_DATA=str(data_root),
    )
    assert '--keypoint tail: there are nose, left_eye' in refused(result)
