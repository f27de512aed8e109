"""projects/topdown_demo on photographs, from the command line."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from pycocotools.coco import COCO
from samples import COCO_EPOCHS, COCO_SAMPLES, ROOT, succeed
from tiny_run import call, refused

from dark_codec.cli import UserError
from projects.topdown_demo import frames
from projects.topdown_demo.inputs import find_images, read_boxes
from projects.topdown_demo.topdown_demo import parse_args

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
    assert 'broken.jpg cannot be read as an image or video' in result.stderr
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


# without further arguments

SKIER = '000000000785.jpg'
SHARED = [
    f'{side}_{joint}'
    for side in ('left', 'right')
    for joint in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
]


@pytest.fixture(scope='module')
def by_default(labels, tmp_path_factory):
    """The demo's own network on a photograph, and on it as a video."""
    folder = tmp_path_factory.mktemp('by default')
    photograph = cv2.imread(str(labels.parent / SKIER))[:424]  # even
    (folder / 'skier.jpg').symlink_to(labels.parent / SKIER)
    size = photograph.shape[1::-1]
    code = cv2.VideoWriter_fourcc(*'mp4v')
    video = cv2.VideoWriter(str(folder / 'clip.mp4'), code, 10, size)
    for _ in range(3):
        video.write(photograph)
    video.release()
    (folder / 'broken.mp4').write_text('no video')
    box = ['--box', 280, 44, 221, 348]
    result = call(DEMO, folder, *box, cwd=folder)
    return folder / 'work_dirs/topdown_demo', succeed(result), result.stderr


def test_the_network_of_the_demo_finds_joints(by_default, labels):
    folder, _, _ = by_default
    predicted = json.loads((folder / 'predictions.json').read_text())
    names = predicted['categories'][0]['keypoints']
    (skier,) = (
        person
        for person in predicted['annotations']
        if predicted['images'][person['image_id'] - 1]['file_name']
        == 'skier.jpg'
    )
    found = np.reshape(skier['keypoints'], (-1, 3))
    truth = json.loads(labels.read_text())
    number = {i['file_name']: i['id'] for i in truth['images']}[SKIER]
    (label,) = (a for a in truth['annotations'] if a['image_id'] == number)
    theirs = truth['categories'][0]['keypoints']
    points = np.reshape(label['keypoints'], (-1, 3))
    errors = [
        np.linalg.norm(found[names.index(joint), :2] - points[k, :2])
        for joint in SHARED
        if points[k := theirs.index(joint), 2] > 0
    ]
    ends = [theirs.index(name) for name in ('left_shoulder', 'right_hip')]
    torso = np.linalg.norm(np.subtract(*points[ends, :2]))
    # a network without weights finds one joint or none
    assert np.mean(np.array(errors) < 0.3 * torso) > 0.6


def test_a_video_comes_back_as_one(by_default):
    folder, _, errors = by_default
    predicted = json.loads((folder / 'predictions.json').read_text())
    names = [image['file_name'] for image in predicted['images']]
    assert names == [*(f'clip.mp4#{i}' for i in range(3)), 'skier.jpg']
    assert predicted['skipped'] == [
        dict(file_name='broken.mp4', reason='unreadable')
    ]
    assert 'broken.mp4 cannot be read' in errors
    drawn = cv2.VideoCapture(str(folder / 'visualizations/clip.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert drawn.get(cv2.CAP_PROP_FPS) == 10
    before = cv2.imread(str(folder.parents[1] / 'skier.jpg'))
    before = before[:424].astype(int)
    frame = drawn.read()[1]
    assert frame.shape == before.shape
    changed = (np.abs(frame - before).max(2) > 90).sum()
    assert 100 < changed < before.size / 60


def test_it_says_what_it_saw(by_default):
    folder, printed, _ = by_default
    people = json.loads((folder / 'predictions.json').read_text())
    scores = np.concatenate(
        [person['keypoints'][2::3] for person in people['annotations']]
    )
    seen = (scores >= 0.3).sum()
    assert len(scores) == 4 * 14
    assert f'4 people in 4 images, {seen} of 56 joints above 0.3' in printed
    assert ('--kpt-thr shows more' in printed) == (seen < 56)


def test_a_camera_is_shown_until_q(monkeypatch):
    black, closed = np.zeros((4, 4, 3), np.uint8), []

    class Camera:
        def __init__(self, number):
            self.number, self.images = number, 5 * [black]

        def isOpened(self):
            return self.number == 0

        def read(self):
            image = self.images.pop() if self.images else None
            return image is not None, image

        def release(self):
            closed.append(self.number)

    monkeypatch.setattr(frames.cv2, 'VideoCapture', Camera)
    assert len(list(frames.camera_frames(0))) == 5
    assert closed == [0]
    with pytest.raises(UserError, match='--camera 3: there is no such'):
        next(frames.camera_frames(3))
    monkeypatch.setattr(frames.cv2, 'imshow', lambda name, image: None)
    for key, goes_on in ((-1, True), (ord('x'), True), (ord('q'), False)):
        monkeypatch.setattr(frames.cv2, 'waitKey', lambda _, k=key: k)
        assert frames.show(black) is goes_on

    def no_window(name, image):
        raise cv2.error('not implemented')

    monkeypatch.setattr(frames.cv2, 'imshow', no_window)
    with pytest.raises(UserError, match='needs a screen'):
        frames.show(black)


# user errors


@pytest.mark.parametrize(
    'arguments, message',
    [
        ((), 'name images, videos or folders, or else --camera'),
        (('a.jpg', '--camera'), 'or else --camera'),
        (('a.jpg', '--box', '1', '2', '0', '4'), 'width and height must be'),
        (('--camera', '1', '--boxes', 'b.json'), 'not of a camera'),
    ],
)
def test_arguments_that_do_not_go_together(
    arguments, message, monkeypatch, capsys
):
    monkeypatch.setattr(sys, 'argv', ['demo', *arguments])
    with pytest.raises(SystemExit, match='2'):
        parse_args()
    assert message in capsys.readouterr().err


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
    with pytest.raises(UserError, match=r'both be drawn as a;'):
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


def test_the_photograph_that_comes_with_it(tmp_path):
    """As the README has it: no further arguments, all joints found."""
    readme = (ROOT / 'README.md').read_text()
    photograph = 'projects/topdown_demo/images/person.jpg'
    command = f'python projects/topdown_demo/topdown_demo.py {photograph}'
    assert command in readme
    result = call(DEMO, ROOT / photograph, cwd=tmp_path)
    said = '14 of 14 joints above 0.3'
    assert said in succeed(result) and said in readme
    found = json.loads(
        (tmp_path / 'work_dirs/topdown_demo/predictions.json').read_text()
    )
    names = found['categories'][0]['keypoints']
    (person,) = found['annotations']
    points = dict(zip(names, np.reshape(person['keypoints'], (-1, 3))))
    # seen with the eye, to a tenth of his height
    for name, place in dict(
        head_top=(235, 45),
        right_wrist=(50, 62),
        left_wrist=(428, 58),
        right_hip=(212, 258),
        left_hip=(270, 258),
        right_ankle=(222, 478),
        left_ankle=(254, 478),
    ).items():
        np.testing.assert_allclose(points[name][:2], place, atol=25)
