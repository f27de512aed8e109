"""projects/topdown_demo on photographs, from the command line."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from pycocotools.coco import COCO
from samples import COCO_EPOCHS, COCO_SAMPLES, succeed
from tiny_run import call, refused

from dark_codec.cli import UserError
from projects.topdown_demo.inputs import find_images, read_boxes

DEMO = '../projects/topdown_demo/topdown_demo.py'
RTMDET = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
INPUT_WIDTH, SIGMA, STRIDE = 96, 1, 4


@pytest.fixture(scope='module')
def pose(coco_run):
    return [
        '--pose',
        coco_run / COCO_SAMPLES.name,
        coco_run / f'epoch_{COCO_EPOCHS}.pth',
    ]


@pytest.fixture(scope='module')
def labels(data_root):
    return data_root / 'mmpose_samples/coco/test_coco.json'


@pytest.fixture(scope='module')
def drawn(pose, labels, tmp_path_factory):
    """What the demo makes of the photographs, and of a file that is none."""
    folder = tmp_path_factory.mktemp('demo')
    (folder / 'images').mkdir()
    for image in labels.parent.glob('*.jpg'):
        (folder / 'images' / image.name).symlink_to(image)
    (folder / 'images' / 'broken.jpg').write_text('no image')
    boxes = json.loads(labels.read_text())
    boxes['images'].append(dict(id=0, file_name='broken.jpg'))
    (folder / 'boxes.json').write_text(json.dumps(boxes))
    result = call(
        DEMO,
        'images',
        *pose,
        '--boxes=boxes.json',
        '--out=new/out',
        '--covariance',
        '--heatmap',
        cwd=folder,
    )
    succeed(result)
    assert 'broken.jpg cannot be read' in result.stderr
    return folder / 'new/out'


def test_keypoints_and_covariances(drawn, labels):
    predicted = COCO(str(drawn / 'predictions.json'))
    truth = json.loads(labels.read_text())
    names = {image['id']: image['file_name'] for image in truth['images']}
    people = iter(predicted.dataset['annotations'])
    files = {i['id']: i['file_name'] for i in predicted.dataset['images']}
    assert list(files.values()) == sorted(names.values())
    errors, spreads = [], []
    for image_id, name in files.items():
        for label in truth['annotations']:
            if names[label['image_id']] != name:
                continue
            person = next(people)
            assert person['image_id'] == image_id
            np.testing.assert_allclose(
                person['bbox'], label['bbox'], atol=1e-3
            )
            _, _, w, h = label['bbox']
            zoom = INPUT_WIDTH / (1.25 * max(w, h * 3 / 4))
            point = np.reshape(label['keypoints'], (-1, 3))
            seen = point[:, 2] > 0
            found = np.reshape(person['keypoints'], (-1, 3))
            errors.extend(zoom * np.abs(found - point)[seen, :2])
            spreads += [
                zoom**2 * np.array(c)
                for c, s in zip(person['covariances'], seen)
                if s and c is not None
            ]
    assert next(people, None) is None
    assert np.median(errors, axis=0).max() < 0.3
    xx, xy, yy = np.transpose(spreads)
    assert (xx * yy - xy**2 >= 0).all()
    # the network has learnt Gaussians of one heatmap pixel
    middle = np.sqrt(np.median([xx, yy])) / STRIDE
    assert middle == pytest.approx(SIGMA, rel=0.15)


def test_the_json_names_what_was_skipped(drawn):
    content = json.loads((drawn / 'predictions.json').read_text())
    assert content['skipped'] == [
        dict(file_name='broken.jpg', reason='unreadable')
    ]
    (category,) = content['categories']
    assert category['keypoints'][0] == 'nose'
    assert [1, 2] in category['skeleton']  # counted from 1, as COCO does


def test_pictures_differ_from_the_photographs_where_people_are(drawn, labels):
    pictures = sorted(drawn.glob('visualizations/*.jpg'))
    assert len(pictures) == 4
    name = '000000000785.jpg'  # one person, on the snow
    before = cv2.imread(str(labels.parent / name)).astype(int)
    after = cv2.imread(str(drawn / 'visualizations' / name)).astype(int)
    assert before.shape == after.shape
    changed = np.abs(before - after).max(2) > 60  # more than JPEG does
    columns = np.nonzero(changed)[1]
    # the crop: 325 px wide, round the middle of the box
    inside = np.abs(columns - 390) < 163
    assert len(columns) > 1000 and inside.mean() > 0.98


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """RTMDet with random weights, which sees large people everywhere."""
    import mmdet.models  # noqa: F401  registers
    from mmdet.registry import MODELS

    cfg = get_config(RTMDET)
    cfg.model.backbone.init_cfg = None
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        network = MODELS.build(cfg.model)
    head = network.bbox_head
    for score, size in zip(head.rtm_cls, head.rtm_reg):
        torch.nn.init.normal_(score.weight, std=0.3)
        score.bias.data.fill_(-20.0)
        score.bias.data[0] = 0.0  # people
        size.bias.data.fill_(4.0)  # strides
    path = tmp_path_factory.mktemp('detector') / 'rtmdet.pth'
    torch.save(dict(state_dict=network.state_dict(), meta={}), path)
    return path


def iou(a, b):
    """Of boxes (x, y, w, h)."""
    common = [
        min(a[i] + a[i + 2], b[i] + b[i + 2]) - max(a[i], b[i]) for i in (0, 1)
    ]
    common = max(common[0], 0) * max(common[1], 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def test_a_detector_in_front(pose, detector, labels, tmp_path):
    image = labels.parent / '000000000785.jpg'
    succeed(
        call(
            DEMO,
            image,
            *pose,
            '--det',
            RTMDET,
            detector,
            '--bbox-thr=0.5',
            '--nms-thr=0.2',
            '--out=out',
            cwd=tmp_path,
        )
    )
    content = json.loads((tmp_path / 'out/predictions.json').read_text())
    people = content['annotations']
    assert len(people) > 3
    scores = [person['bbox_score'] for person in people]
    assert scores == sorted(scores, reverse=True) and scores[-1] >= 0.5
    boxes = [person['bbox'] for person in people]
    overlaps = [iou(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert max(overlaps) < 0.21  # MMPose counts pixels: a side is 1 longer
    assert 'covariances' not in people[0]
    assert (tmp_path / 'out/visualizations/000000000785.jpg').is_file()


# user errors


def test_nothing_is_done_where_something_is_missing(pose, labels, tmp_path):
    image = next(labels.parent.glob('*.jpg'))
    result = call(DEMO, image, *pose[:2], 'no.pth', '--out=out', cwd=tmp_path)
    assert 'the checkpoint no.pth does not exist' in refused(result)
    assert not (tmp_path / 'out').exists()


def test_bad_images(tmp_path):
    with pytest.raises(UserError, match='no.jpg does not exist'):
        find_images([tmp_path / 'no.jpg'])
    with pytest.raises(UserError, match='has no images'):
        find_images([tmp_path])
    for name in ('b.jpg', 'a.png', 'notes.txt'):
        (tmp_path / name).touch()
    one, other = tmp_path / 'a.png', tmp_path / 'b.jpg'
    assert find_images([other, tmp_path]) == [other, one]
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(UserError, match=r'both be drawn as a\.jpg'):
        find_images([tmp_path])


GOOD = dict(
    images=[dict(id=7, file_name='x/a.jpg'), dict(id=8, file_name='b.jpg')],
    annotations=[
        dict(id=1, image_id=7, bbox=[1, 2, 3, 4]),
        dict(id=2, image_id=7, bbox=[0, 0, 9, 9], bbox_score=0.5),
        dict(id=3, image_id=7, bbox=[0, 0, 9, 9], iscrowd=1),
    ],
)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(annotations=[dict(id=1, image_id=7, bbox=[1, 2, 0, 4])]), 'bb'),
        (dict(annotations=[dict(image_id=9, bbox=[1, 2, 3, 4])]), 'COCO'),
        (dict(images=GOOD['images'][:1]), 'does not list b.jpg'),
    ],
)
def test_boxes(tmp_path, change, message):
    path = tmp_path / 'boxes.json'
    images = [tmp_path / 'a.jpg', tmp_path / 'b.jpg']
    path.write_text(json.dumps(GOOD))
    boxes = read_boxes(path, images)
    assert boxes[images[0]].tolist() == [[1, 2, 4, 6, 1], [0, 0, 9, 9, 0.5]]
    assert boxes[images[1]].shape == (0, 5)
    path.write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(UserError, match=message):
        read_boxes(path, images)
    path.write_text('{')
    with pytest.raises(UserError, match='boxes.json'):
        read_boxes(path, images)
