"""projects/topdown_demo on photographs and videos."""

import contextlib
import io
import json
import resource
import subprocess
import sys
import tracemalloc

import cv2
import numpy as np
import pytest
import torch
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from samples import COCO_EPOCHS, COCO_SAMPLES, ROOT, succeed
from tiny_run import environment, write_config

from dark_codec.cli import UserError, run_tool
from projects.topdown_demo import __main__ as demo
from projects.topdown_demo import inputs
from projects.topdown_demo.drawing import PoseArtist
from projects.topdown_demo.inputs import find_files, read_boxes, read_frames

HERE = ROOT / 'projects/topdown_demo'
PERSON = HERE / 'images/person.jpg'
NAME = 'td-hm_efficientnet-lite0_dark_lsp-128x96'
CONFIG = HERE / f'configs/{NAME}.py'
WEIGHTS = HERE / f'weights/{NAME}.pth'
RTMDET = 'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py'
INPUT_WIDTH, SIGMA, STRIDE = 96, 1, 4


def run(*arguments):
    """What the demo writes to standard output and error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        demo.main([str(argument) for argument in arguments])
    return out.getvalue(), err.getvalue()


def refused(capsys, *arguments):
    """The one line of a user error."""
    with pytest.raises(SystemExit, match='2'):
        run_tool(lambda: demo.main([str(a) for a in arguments]))
    *_, last = capsys.readouterr().err.splitlines()
    assert ': error: ' in last
    return last


def predictions(folder):
    return json.loads((folder / 'predictions.json').read_text())


def write_video(path, images, code='mp4v', rate=10):
    size = images[0].shape[1::-1]
    fourcc = cv2.VideoWriter_fourcc(*code)
    video = cv2.VideoWriter(str(path), fourcc, rate, size)
    for image in images:
        video.write(image)
    video.release()


def cut(path, to):
    """The first half of a file."""
    content = path.read_bytes()
    to.write_bytes(content[: len(content) // 2])


# another network, boxes, covariances and heatmaps


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
    _, errors = run(
        folder / 'images',
        *pose,
        f'--boxes={folder / "boxes.json"}',
        f'--out={folder / "new/out"}',
        '--covariance',
        '--heatmap',
    )
    assert 'broken.jpg cannot be read as an image or video' in errors
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
    content = predictions(drawn)
    assert content['skipped'] == [
        dict(
            file_name='broken.jpg',
            reason='cannot be read as an image or video',
        )
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


# a detector


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


def test_a_detector_in_front(detector, tmp_path):
    out = f'--out={tmp_path}'
    run(PERSON, '--det', RTMDET, detector, '--bbox-thr=0.5', out)
    people = predictions(tmp_path)['annotations']
    assert len(people) > 3
    scores = [person['bbox_score'] for person in people]
    assert scores == sorted(scores, reverse=True) and scores[-1] >= 0.5
    boxes = [person['bbox'] for person in people]
    overlaps = [iou(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert max(overlaps) < 0.31  # MMPose counts pixels: a side is 1 longer
    assert 'covariances' not in people[0]
    assert (tmp_path / 'visualizations/person.jpg').is_file()


def test_nobody_is_nobody(detector, tmp_path):
    """MMPose would take the whole image for a person."""
    out = f'--out={tmp_path}'
    run(PERSON, '--det', RTMDET, detector, '--bbox-thr=1.1', out)
    found = predictions(tmp_path)
    assert len(found['images']) == 1 and found['annotations'] == []
    assert (tmp_path / 'visualizations/person.jpg').is_file()


# the network that comes with it


def test_the_photograph_that_comes_with_it(tmp_path):
    """As the README has it: no further arguments, all joints found."""
    result = subprocess.run(
        [sys.executable, '-m', 'projects.topdown_demo', PERSON]
        + [f'--out={tmp_path}'],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert '14 of 14 joints above 0.3' in succeed(result)
    assert '14 of 14 joints above 0.3' in (HERE / 'README.md').read_text()
    found = predictions(tmp_path)
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


@pytest.fixture(scope='module')
def person():
    return cv2.imread(str(PERSON))


@pytest.fixture(scope='module')
def videos(person, tmp_path_factory):
    """A video, half a video, half a photograph, and a text."""
    folder = tmp_path_factory.mktemp('videos')
    write_video(folder / 'clip.mp4', 3 * [person])
    write_video(folder / 'whole.avi', 4 * [person], 'MJPG')
    cut(folder / 'whole.avi', folder / 'cut.avi')
    (folder / 'whole.avi').unlink()
    cut(PERSON, folder / 'half.jpg')
    (folder / 'broken.mp4').write_text('no video')
    out = folder / 'out'
    return out, *run(folder, f'--out={out}', '--kpt-thr=0.5')


def test_a_video_comes_back_as_one(videos, person):
    folder, _, _ = videos
    names = [image['file_name'] for image in predictions(folder)['images']]
    assert names[:3] == [f'clip.mp4#{i}' for i in range(3)]
    drawn = cv2.VideoCapture(str(folder / 'visualizations/clip.mp4'))
    assert drawn.get(cv2.CAP_PROP_FRAME_COUNT) == 3
    assert drawn.get(cv2.CAP_PROP_FPS) == 10
    frame = drawn.read()[1]
    assert frame.shape == person.shape
    changed = (np.abs(frame - person.astype(int)).max(2) > 90).sum()
    assert 100 < changed < person.size / 60


def test_what_is_cut_off_is_named(videos):
    folder, _, errors = videos
    found = predictions(folder)
    reasons = {f['file_name']: f['reason'] for f in found['skipped']}
    assert reasons['broken.mp4'] == 'cannot be read as an image or video'
    assert reasons['half.jpg'] == 'is cut off'
    names = [image['file_name'] for image in found['images']]
    frames = sum(name.startswith('cut.avi#') for name in names)
    assert 1 <= frames < 4  # what there is, is estimated
    assert reasons['cut.avi'] == f'ends after {frames} of 4 frames'
    assert len(names) == 3 + frames
    for name, reason in reasons.items():
        assert f'{name} {reason}' in errors


def test_it_says_what_it_saw(videos):
    folder, printed, _ = videos
    people = predictions(folder)['annotations']
    scores = [s for person in people for s in person['keypoints'][2::3]]
    seen = sum(score >= 0.5 for score in scores)
    assert f'{seen} of {len(scores)} joints above 0.5' in printed
    assert ('--kpt-thr shows more' in printed) == (seen < len(scores))
    assert f'Images: {len(people)}, people: {len(people)}' in printed


def test_a_camera_is_shown_until_q(monkeypatch):
    black = np.zeros((64, 48, 3), np.uint8)
    shown = []

    class Camera:
        def __init__(self, number):
            self.number, self.images = number, 5 * [black]

        def isOpened(self):
            return self.number == 0

        def read(self):
            image = self.images.pop() if self.images else None
            return image is not None, image

    monkeypatch.setattr(inputs.cv2, 'VideoCapture', Camera)
    monkeypatch.setattr(cv2, 'imshow', lambda _, image: shown.append(image))
    monkeypatch.setattr(cv2, 'waitKey', lambda _: -1)
    run('--camera')
    assert [image.shape for image in shown] == 5 * [black.shape]
    monkeypatch.setattr(cv2, 'waitKey', lambda _: ord('q'))
    run('--camera')
    assert len(shown) == 6
    with pytest.raises(UserError, match='--camera 3: there is no such'):
        run('--camera', 3)

    def no_window(name, image):
        raise cv2.error('not implemented')

    monkeypatch.setattr(cv2, 'imshow', no_window)
    with pytest.raises(UserError, match='needs a screen'):
        run('--camera')


# what is drawn


@pytest.fixture(scope='module')
def metainfo():
    return torch.load(WEIGHTS)['meta']['dataset_meta']


def someone(metainfo, point, **more):
    """A person whose keypoints fall together; only the first is seen."""
    count = metainfo['num_keypoints']
    scores = np.zeros((1, count), np.float32)
    scores[0, 0] = 1
    return InstanceData(
        keypoints=np.tile(np.float32(point), (1, count, 1)),
        keypoint_scores=scores,
        keypoints_visible=scores,
        bboxes=np.float32([[1, 1, 5, 5]]),
        bbox_scores=np.ones(1),
        **more,
    )


def test_ellipses_have_one_standard_deviation(metainfo):
    image = np.zeros((240, 320, 3), np.uint8)
    draw = PoseArtist(metainfo, 0.3, 'HeatmapHeight')
    point = np.array([170.3, 110.6])
    covariance = np.array([[900, 500], [500, 500]])
    many = np.tile(covariance, (1, metainfo['num_keypoints'], 1, 1))
    drawn = draw(image, someone(metainfo, point, covariances=many))
    plain = draw(image, someone(metainfo, point))
    assert not image.any()
    y, x = np.nonzero((drawn != plain).any(2))
    offsets = np.column_stack([x, y]) - point
    inverse = np.linalg.inv(covariance)
    distances = np.sqrt(np.einsum('ni,ij,nj->n', offsets, inverse, offsets))
    assert len(x) > 150 and np.abs(distances - 1).max() < 0.25
    assert abs(distances.mean() - 1) < 0.05
    angles = np.arctan2(*offsets.T)
    assert np.histogram(angles, 8, (-np.pi, np.pi))[0].min() > 0
    # unknown
    for value in (np.inf, np.nan, 1e12):
        drawn = draw(image, someone(metainfo, point, covariances=many * value))
        assert (drawn == plain).all()


def test_heatmaps_lie_where_they_were_predicted(metainfo):
    image = np.full((100, 120, 3), 128, np.uint8)
    heatmaps = np.zeros((1, 8, 6))
    heatmaps[0, 5, 2] = 1
    to_image = np.array([[[10.0, 0.0, -15.0], [0.0, 10.0, 15.0]]])
    where = dict(heatmaps=heatmaps, to_image=to_image)
    draw = PoseArtist(metainfo, 2.0, 'HeatmapHeight')
    drawn = draw(image, someone(metainfo, (0, 0), **where)).astype(int)
    changes = np.abs(drawn - draw(image, someone(metainfo, (0, 0)))).sum(2)
    rows, columns = np.nonzero(changes > 0.5 * changes.max())
    assert rows.mean() == pytest.approx(10 * 5 + 15, abs=0.6)
    assert columns.mean() == pytest.approx(10 * 2 - 15, abs=0.6)
    assert changes[:, 45:].max() == 0


def test_the_label_says_what_the_scores_are(metainfo):
    image = np.zeros((240, 320, 3), np.uint8)
    pictures = [
        PoseArtist(metainfo, 2.0, kind)(image, someone(metainfo, (0, 0)))
        for kind in ('HeatmapHeight', 'ExpectedOKS', 'ExpectedOKS')
    ]
    height, expected, again = pictures
    assert (expected == again).all()
    assert (expected != height)[:60].any()


def test_heatmaps_over_large_photographs(metainfo):
    """It took 6.9 GB, when matplotlib drew it."""
    image = np.zeros((6000, 8000, 3), np.uint8)
    to_image = np.array([[[342.0, 0.0, 71.0], [0.0, 194.0, -3.0]]])
    heatmaps = np.ones((1, 32, 24))
    people = someone(metainfo, (9, 9), heatmaps=heatmaps, to_image=to_image)
    tracemalloc.start()
    try:
        drawn = PoseArtist(metainfo, 0.3, 'HeatmapHeight')(image, people)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert drawn.shape == image.shape and drawn[-1, -1].any()
    assert peak < 1.2e9


# user errors


@pytest.mark.parametrize(
    'arguments, message',
    [
        ((), 'name images, videos or folders, or else --camera'),
        (('a.jpg', '--camera'), 'or else --camera'),
        (('a.jpg', '--box', '1', '2', '0', '4'), 'width and height > 0'),
        (('a.jpg', '--box', 'nan', '2', '3', '4'), 'must be finite'),
        (('--camera', '1', '--boxes', 'b.json'), 'not for a camera'),
    ],
)
def test_arguments_that_do_not_go_together(arguments, message, capsys):
    with pytest.raises(SystemExit, match='2'):
        demo.parse_args(arguments)
    assert message in capsys.readouterr().err


def test_nothing_is_done_where_something_is_missing(tmp_path, capsys):
    out = tmp_path / 'out'
    line = refused(capsys, PERSON, '--pose', CONFIG, 'no.pth', f'--out={out}')
    assert 'the checkpoint no.pth does not exist' in line
    assert not out.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason='has a GPU')
def test_a_device_that_is_not_there(tmp_path, capsys):
    out = f'--out={tmp_path / "out"}'
    line = refused(capsys, PERSON, '--device=cuda:0', out)
    assert '--device cuda:0: ' in line
    assert '--device no: ' in refused(capsys, PERSON, '--device=no', out)


def test_weights_of_another_network(tmp_path, capsys):
    """With another number of keypoints, in the head or in the metainfo."""
    out = f'--out={tmp_path / "out"}'
    line = refused(
        capsys,
        PERSON,
        out,
        '--cfg-options',
        'model.head.out_channels=17',
    )
    assert f'the checkpoint {WEIGHTS} does not fit the config' in line
    assert 'size mismatch for head.final_layer' in line
    line = refused(
        capsys,
        PERSON,
        out,
        '--cfg-options',
        'model.type=BottomupPoseEstimator',
    )
    assert 'top-down' in line
    checkpoint = torch.load(WEIGHTS)
    checkpoint['meta']['dataset_meta']['num_keypoints'] = 17
    torch.save(checkpoint, tmp_path / 'other.pth')
    line = refused(
        capsys, PERSON, '--pose', CONFIG, tmp_path / 'other.pth', out
    )
    assert 'the network predicts 14 keypoints' in line


def test_covariances_need_a_decoder_that_has_them(tmp_path):
    out = f'--out={tmp_path / "out"}'
    options = '--cfg-options', 'codec.decoder=ArgmaxDecoder'
    with pytest.raises(UserError, match='ArgmaxDecoder has none'):
        run(PERSON, out, '--covariance', *options)
    other = write_config(tmp_path / 'a.py', tmp_path, codec='MSRAHeatmap')
    pose = '--pose', other, WEIGHTS
    with pytest.raises(UserError, match='need DARKCodec, not MSRAHeatmap'):
        run(PERSON, out, '--heatmap', *pose)


def test_heatmaps_of_a_network_that_scores_by_expected_oks(tmp_path):
    """Which needs the covariances that were not asked for."""
    options = '--cfg-options', 'codec.scores=ExpectedOKS'
    out = tmp_path / 'out'
    printed, _ = run(PERSON, f'--out={out}', '--heatmap', *options)
    found = json.loads((out / 'predictions.json').read_text())
    (person,) = found['annotations']
    assert 'covariances' not in person
    assert 0 < person['score'] <= 1
    assert found['info'] == dict(scores='ExpectedOKS')
    assert 'joints above 0.3 (ExpectedOKS)' in printed


@pytest.fixture
def small_files():
    """No file can grow beyond 20 kB, as on a disk that is full then."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, former[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_a_full_disk_is_an_error(tmp_path, small_files, capsys):
    line = refused(capsys, PERSON, f'--out={tmp_path}')
    assert 'cannot write ' in line and 'person.jpg' in line
    assert not (tmp_path / 'visualizations/person.jpg').exists()
    assert predictions(tmp_path)['annotations'] == []


def test_a_disk_that_fills_during_a_video(person, tmp_path, request, capsys):
    write_video(tmp_path / 'clip.mp4', 3 * [person])
    request.getfixturevalue('small_files')
    line = refused(capsys, tmp_path / 'clip.mp4', f'--out={tmp_path / "out"}')
    assert 'clip.mp4 was not written completely' in line
    # what was found is not lost
    assert len(predictions(tmp_path / 'out')['annotations']) == 3


def test_files(tmp_path):
    with pytest.raises(UserError, match='no.jpg does not exist'):
        find_files([tmp_path / 'no.jpg'])
    with pytest.raises(UserError, match='has no images'):
        find_files([tmp_path])
    for name in ('b.jpg', 'a.png', 'notes.txt'):
        (tmp_path / name).touch()
    one, other = tmp_path / 'a.png', tmp_path / 'b.jpg'
    assert find_files([other, tmp_path]) == [other, one]
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(UserError, match=r'both be drawn as a;'):
        find_files([tmp_path])


def test_only_what_is_cut_off_is_skipped(person, tmp_path):
    """Formats, sizes and depths that OpenCV reads."""
    image = person[:64, :48]
    deep = image.astype(np.uint16) * 256
    for suffix, pixels in (
        ('png', deep),
        ('bmp', image),
        ('jpg', image[..., 0]),
        ('webp', image),
        ('tiff', deep),
        ('hdr', np.float32(image)),
    ):
        cv2.imwrite(str(tmp_path / f'{suffix}.{suffix}'), pixels)
    files = sorted(tmp_path.iterdir())
    skipped = []
    found = list(read_frames(files, lambda *each: skipped.append(each)))
    assert skipped == [] and len(found) == 6
    assert all(frame.image.shape == image.shape for frame in found)


# boxes


GOOD = dict(
    images=[dict(id=7, file_name='x/a.jpg'), dict(id=8, file_name='b.jpg')],
    annotations=[
        dict(id=1, image_id=7, bbox=[1, 2, 3, 4]),
        dict(id=2, image_id=7, bbox=[0, 0, 9, 9], bbox_score=0.5),
        dict(id=3, image_id=7, bbox=[0, 0, 9, 9], iscrowd=1),
    ],
)


def one(**box):
    return dict(annotations=[dict(id=4, image_id=7, **box)])


@pytest.mark.parametrize(
    'change, message',
    [
        (one(bbox=[1, 2, 0, 4]), 'annotation 4 has bbox='),
        (one(bbox=[1, 2, 3, float('nan')]), 'annotation 4 has bbox='),
        (one(bbox=[1, 2, 3, 4], bbox_score=None), 'bbox_score=None'),
        (one(bbox=[1, 2, 3, 4], bbox_score=float('nan')), 'bbox_score=nan'),
        (one(bbox=[1, 2, 3, 10**400]), 'boxes.json: '),
        (one(bbox=[1, 2, 3]), 'boxes.json: '),
        (one(bbox=None), 'format of COCO'),
        (dict(annotations=[dict(image_id=9, bbox=[1, 2, 3, 4])]), 'COCO'),
        (dict(annotations=[None]), 'not in the format of COCO'),
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


def test_images_of_one_name_in_two_folders(tmp_path):
    path = tmp_path / 'boxes.json'
    images = [dict(id=i, file_name=f'{d}/1.jpg') for i, d in enumerate('xy')]
    people = [dict(image_id=i, bbox=[i, 0, 1, 1]) for i in (0, 1)]
    path.write_text(json.dumps(dict(images=images, annotations=people)))
    for number, folder in enumerate('xy'):
        file = tmp_path / folder / '1.jpg'
        (box,) = read_boxes(path, [file])[file]
        assert box[0] == number
    with pytest.raises(UserError, match='x/1.jpg, y/1.jpg'):
        read_boxes(path, [tmp_path / '1.jpg'])


def test_the_demo_takes_the_boxes_that_it_writes(tmp_path):
    run(PERSON, f'--out={tmp_path}', '--box', 10, 20, 400, 500)
    (first,) = predictions(tmp_path)['annotations']
    boxes = tmp_path / 'predictions.json'
    run(PERSON, f'--out={tmp_path / "again"}', f'--boxes={boxes}')
    (again,) = predictions(tmp_path / 'again')['annotations']
    assert first == again and first['bbox'] == [10, 20, 400, 500]
