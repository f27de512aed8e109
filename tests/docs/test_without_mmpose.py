"""docs/without_mmpose.md, in processes that have no MMPose to import."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from doc_pages import ROOT, read_blocks

PAGE = ROOT / 'docs' / 'without_mmpose.md'
OPENMMLAB = ['mmengine', 'mmcv', 'mmpose', 'mmdet']
# transformers' ViTPose needs scipy
OTHERS = ['cv2', 'scipy', 'matplotlib', 'xtcocotools']
RUN = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {hidden!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Hidden())
import importlib.util
whole = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: (
    None if name.partition('.')[0] in {hidden!r} else whole(name, package)
)
from doc_pages import run_session

names = dict(__name__='page')
for language, text in {blocks!r}:
    if language == 'pycon':
        run_session(text, names)
    else:
        exec(compile(text, 'page', 'exec'), names)
exec({check!r}, names)
assert not set(sys.modules) & set({hidden!r})
"""


def run(blocks, hidden, check):
    text = RUN.format(
        hidden=hidden,
        blocks=[(block.language, block.text) for block in blocks],
        check=check,
    )
    path = f'{ROOT}{os.pathsep}{Path(__file__).parents[1]}'
    done = subprocess.run(
        [sys.executable, '-c', text],
        env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def section(*titles):
    """The blocks below these headings."""
    text = PAGE.read_text()
    lines = text.splitlines()
    heading, found = '', []
    headings = {}
    for number, line in enumerate(lines, 1):
        heading = line[3:] if line.startswith('## ') else heading
        headings[number] = heading
    for block in read_blocks(PAGE):
        if headings[block.line] in titles:
            found.append(block)
    assert {headings[block.line] for block in found} == set(titles)
    return found


PLAIN = [
    'From heatmaps to keypoints in the image',
    'Train with its heatmaps',
    'Flip test',
]


def test_plain_torch():
    check = """
assert keypoints.shape == (2, 17, 2)
assert losses[-1] < losses[0]
assert decoded.points.shape == (8, 17, 2)
"""
    run(section(*PLAIN), OPENMMLAB + OTHERS, check)


@pytest.mark.skipif(
    find_spec('transformers') is None,
    reason='needs transformers: requirements/tests.txt',
)
def test_transformers():
    check = """
assert len(people) == len(same) == 2
for person, other in zip(people, same):
    torch.testing.assert_close(person['keypoints'], other['keypoints'])
    assert 'covariance' in other and 'covariance' not in person
"""
    run(section(PLAIN[0], 'ViTPose and Sapiens2'), OPENMMLAB, check)


def test_torchvision():
    """Near the maxima of its own enlarged maps, and nearer to the truth."""
    check = """
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

assert joints.shape == (3, 17, 2)
torch.manual_seed(0)
centres = torch.rand(3, 17, 2) * 40 + 8
grid = torch.arange(56.0)
x, y = ((grid - centres[..., [axis]]) ** 2 for axis in (0, 1))
peaked = -(x[..., None, :] + y[..., None]) / (2 * 1.5**2)
boxes = torch.tensor([[3.0, 4, 115, 172], [0, 0, 56, 56], [9, 9, 93, 65]])
size = (boxes[:, 2:] - boxes[:, :2])[:, None] / 56
truth = (centres + 0.5) * size + boxes[:, None, :2]
ours = decode_logits(peaked, boxes)
theirs = heatmaps_to_keypoints(peaked, boxes)[0][..., :2]
assert ((ours - truth) / size).abs().max() < 0.01
assert 0.05 < ((theirs - truth) / size).abs().max() < 0.6
"""
    blocks = section(PLAIN[0], "torchvision's Keypoint R-CNN")
    run(blocks, OPENMMLAB, check)


def test_every_block_is_run():
    titles = [*PLAIN, 'ViTPose and Sapiens2', "torchvision's Keypoint R-CNN"]
    assert len(section(*titles)) == len(read_blocks(PAGE))
