"""The Leeds Sports converter and dataset, on the real data where present."""

import json

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS
from PIL import Image
from scipy.io import loadmat, savemat

from projects.leeds_sports import LSPDataset, lsp2coco


def convert(*args):
    """Run the converter's command."""
    lsp2coco.main([*map(str, args)])


def refusal(*args):
    """What the command exits with."""
    with pytest.raises(SystemExit) as exit_:
        convert(*args)
    return exit_.value.code


@pytest.fixture(scope='module')
def annotations(data_root, tmp_path_factory):
    """All three files, from the real data; {name: json}."""
    out = tmp_path_factory.mktemp('lsp') / 'new' / 'folder'
    convert(data_root / 'lsp', '--lspet', data_root / 'lspet', '--out', out)
    return out


def load(folder, name):
    return json.loads((folder / f'{name}.json').read_text())


def test_splits(annotations, data_root):
    sizes = {
        name: [image['id'] for image in load(annotations, name)['images']]
        for name in ('lsp_train', 'lsp_test', 'lspet_train')
    }
    assert sizes['lsp_train'] == list(range(1, 1001))
    assert sizes['lsp_test'] == list(range(1001, 2001))
    assert len(sizes['lspet_train']) == 8205
    people = load(annotations, 'lspet_train')['annotations']
    assert sum(person['num_keypoints'] for person in people) == 106888
    assert not set(sizes['lspet_train']) & set(range(2001))


@pytest.mark.parametrize('index', [0, 999, 1000, 1999])
def test_lsp_joints(annotations, data_root, index):
    """Against the MATLAB file, read joint by joint."""
    joints = loadmat(data_root / 'lsp' / 'joints.mat')['joints']
    name = 'lsp_train' if index < 1000 else 'lsp_test'
    coco = load(annotations, name)
    image = coco['images'][index % 1000]
    person = coco['annotations'][index % 1000]
    assert image['file_name'] == f'images/im{index + 1:04d}.jpg'
    assert person['image_id'] == image['id'] == index + 1
    for k in range(14):
        x, y, visibility = person['keypoints'][3 * k : 3 * k + 3]
        assert x == pytest.approx(joints[0, k, index] - 1, abs=1e-3)
        assert y == pytest.approx(joints[1, k, index] - 1, abs=1e-3)
        assert visibility == (1 if joints[2, k, index] else 2)


def test_lsp_counts_of_occluded_joints(annotations, data_root):
    occluded = sum(
        person['keypoints'][2::3].count(1)
        for name in ('lsp_train', 'lsp_test')
        for person in load(annotations, name)['annotations']
    )
    joints = loadmat(data_root / 'lsp' / 'joints.mat')['joints']
    # plus visible ones that are labelled outside the photograph, if any
    assert 0 <= occluded - int(joints[2].sum()) < 10


@pytest.mark.parametrize('index', [0, 4000, 8204])
def test_lspet_joints(annotations, data_root, index):
    joints = loadmat(data_root / 'lspet' / 'joints.mat')['joints']
    coco = load(annotations, 'lspet_train')
    image, person = coco['images'][index], coco['annotations'][index]
    assert image['file_name'] == f'images/im{index + 1:05d}.jpg'
    for k in range(14):
        x, y, visibility = person['keypoints'][3 * k : 3 * k + 3]
        if joints[k, 2, index]:
            assert x == pytest.approx(joints[k, 0, index] - 1, abs=1e-3)
            assert y == pytest.approx(joints[k, 1, index] - 1, abs=1e-3)
            assert visibility in (1, 2)
        else:
            assert (x, y, visibility) == (0, 0, 0)


@pytest.mark.parametrize('name', ['lsp_train', 'lsp_test', 'lspet_train'])
def test_every_record_is_sound(annotations, data_root, name):
    coco = load(annotations, name)
    folder = data_root / name.split('_')[0]
    for image, person in zip(coco['images'], coco['annotations'], strict=True):
        points = np.array(person['keypoints']).reshape(14, 3)
        labelled = points[points[:, 2] > 0]
        assert person['num_keypoints'] == len(labelled) >= 10
        x, y, w, h = person['bbox']
        width, height = image['width'], image['height']
        assert 0 <= x < x + w <= width - 1 + 1e-3
        assert 0 <= y < y + h <= height - 1 + 1e-3
        assert person['area'] == pytest.approx(w * h, rel=1e-3)
        visible = points[points[:, 2] == 2]
        assert (visible[:, :2] >= -0.5).all()
        assert (visible[:, :2] <= (width - 0.5, height - 0.5)).all()
        inside = labelled[:, :2].clip(0, (width - 1, height - 1))
        assert (inside >= np.array([x, y]) - 2e-3).all()
        assert (inside <= np.array([x + w, y + h]) + 2e-3).all()
    for image in coco['images'][:: len(coco['images']) // 7]:
        with Image.open(folder / image['file_name']) as photograph:
            assert photograph.size == (image['width'], image['height'])


def test_dataset_reads_what_the_converter_writes(annotations, data_root):
    init_default_scope('mmpose')
    dataset = DATASETS.build(
        dict(
            type='LSPDataset',
            ann_file=str(annotations / 'lsp_test.json'),
            data_prefix=dict(img=str(data_root / 'lsp')),
            pipeline=[dict(type='LoadImage')],
            test_mode=True,
        )
    )
    assert len(dataset) == 1000
    sample = dataset[5]
    joints = loadmat(data_root / 'lsp' / 'joints.mat')['joints'][:, :, 1005]
    np.testing.assert_allclose(
        sample['keypoints'][0], joints[:2].T - 1, atol=1e-3
    )
    # MMPose keeps labelled or not: occluded joints train and count
    np.testing.assert_array_equal(sample['keypoints_visible'], 1)
    assert sample['img'].shape[:2] == sample['ori_shape']


def test_metainfo():
    meta = LSPDataset(lazy_init=True).metainfo
    names = [meta['keypoint_id2name'][k] for k in range(14)]
    assert names[0] == 'right_ankle' and names[13] == 'head_top'
    for k, mirrored in enumerate(meta['flip_indices']):
        swapped = names[k].replace('right', 'L').replace('left', 'right')
        assert names[mirrored] == swapped.replace('L', 'left')
    assert len(meta['skeleton_links']) == 14
    assert {k for limb in meta['skeleton_links'] for k in limb} == set(
        range(14)
    )
    assert len(meta['sigmas']) == len(meta['dataset_keypoint_weights']) == 14


@pytest.fixture
def fake_lsp(tmp_path):
    """LSP in small: 2000 photographs of 8x8 px, joints on the diagonal."""
    folder = tmp_path / 'lsp'
    (folder / 'images').mkdir(parents=True)
    photograph = tmp_path / 'photograph.jpg'
    Image.new('RGB', (8, 8)).save(photograph)
    for i in range(1, 2001):
        (folder / 'images' / f'im{i:04d}.jpg').hardlink_to(photograph)
    joints = np.zeros((3, 14, 2000))
    joints[:2] = np.linspace(2, 7, 14)[:, None]
    return folder, joints


def test_border_cases(fake_lsp, tmp_path):
    folder, joints = fake_lsp
    joints[2, 3, 0] = 1
    joints[:2, 0, 0] = 0.5  # the edge of the photograph, 1-based
    joints[:2, 1, 0] = 0.4  # just outside
    joints[:2, 13, 0] = 8.6
    savemat(folder / 'joints.mat', dict(joints=joints))
    convert(folder, '--out', tmp_path / 'out')
    person = load(tmp_path / 'out', 'lsp_train')['annotations'][0]
    assert person['keypoints'][2::3] == [2, 1, 2, 1] + [2] * 9 + [1]
    assert person['keypoints'][:6] == [-0.5, -0.5, 2, -0.6, -0.6, 1]
    assert person['bbox'] == [0, 0, 7, 7]
    assert person['num_keypoints'] == 14
    other = load(tmp_path / 'out', 'lsp_train')['annotations'][1]
    assert other['bbox'] == pytest.approx([0.5, 0.5, 6, 6])
    assert not (tmp_path / 'out' / 'lspet_train.json').exists()


@pytest.mark.parametrize(
    'change, message',
    [
        (lambda joints: joints[:, :, :1999], r'has shape (3, 14, 1999)'),
        (lambda joints: joints.transpose(1, 0, 2), 'has shape (14, 3, 2000)'),
        (lambda joints: joints[0], 'of shape (14, 2000)'),
        (lambda joints: joints + 0.5, 'third value'),
        (lambda joints: joints * np.nan, 'NaN'),
    ],
)
def test_refuses_a_wrong_layout(fake_lsp, tmp_path, change, message):
    folder, joints = fake_lsp
    savemat(folder / 'joints.mat', dict(joints=change(joints)))
    assert message in refusal(folder, '--out', tmp_path / 'out')


def test_refuses_missing_files(fake_lsp, tmp_path):
    folder, joints = fake_lsp
    out = tmp_path / 'out'
    error = refusal(folder, '--out', out)
    assert 'joints.mat does not exist: expected LSP' in error
    savemat(folder / 'joints.mat', dict(places=joints))
    error = refusal(folder, '--out', out)
    assert 'no readable variable "joints"' in error
    savemat(folder / 'joints.mat', dict(joints=joints))
    (folder / 'images' / 'im0007.jpg').unlink()
    assert 'im0007.jpg does not exist' in refusal(folder, '--out', out)


def test_refuses_a_person_without_joints(fake_lsp, tmp_path):
    folder, joints = fake_lsp
    savemat(folder / 'joints.mat', dict(joints=joints))
    extended = tmp_path / 'lspet'
    (extended / 'images').mkdir(parents=True)
    Image.new('RGB', (8, 8)).save(extended / 'images' / 'im00001.jpg')
    savemat(extended / 'joints.mat', dict(joints=np.zeros((14, 3, 1))))
    error = refusal(folder, '--lspet', extended, '--out', tmp_path / 'out')
    assert 'no joint is labelled' in error
