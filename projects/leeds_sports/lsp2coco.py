"""Convert Leeds Sports Pose and its extension to COCO-style annotations.

Both are read as their authors distribute them, a folder with ``joints.mat``
and ``images/``:

=========  ====================  =============  ============================
dataset    ``joints`` in MATLAB  photographs    third value of a joint
=========  ====================  =============  ============================
LSP        (3, 14, 2000)         im0001.jpg     1: occluded (its place is an
                                                estimate), 0: visible
LSP Ext.   (14, 3, N)            im00001.jpg    1: labelled, 0: not labelled
=========  ====================  =============  ============================

Coordinates are 1-based in both. They are written 0-based with pixel centres
at integers, as MMPose takes them, with COCO's visibility: 2 visible,
1 labelled but not visible, 0 not labelled. A few joints are labelled beyond
the photograph: they keep their place, and count as not visible.

``lsp_train.json`` holds LSP photographs 1-1000, ``lsp_test.json``
1001-2000, ``lspet_train.json`` all of LSP Extended. File names are relative
to the folder of the dataset (``images/im0001.jpg``).

Sources: S. Johnson and M. Everingham, "Clustered Pose and Nonlinear
Appearance Models for Human Pose Estimation", BMVC 2010; "Learning Effective
Human Pose Estimation from Inaccurate Annotation", CVPR 2011.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import mmengine
import numpy as np
from PIL import Image
from rich.progress import track
from scipy.io import loadmat

from projects.leeds_sports.dataset import LSPDataset

NUM_JOINTS = 14
NUM_LSP = 2000
NUM_LSP_TRAIN = 1000
# Image and annotation ids: LSP counts from 1, LSP Extended from here.
LSPET_FIRST_ID = 10001
# The joints end at ankles, wrists and the top of the head; the person goes
# on. A tenth of the joints' extent on each side holds hands and feet.
BOX_MARGIN = 0.1


class LayoutError(ValueError):
    """The folder does not hold what its author distributes."""


def read_joints(folder: Path, expected: str) -> np.ndarray:
    """Read ``joints.mat`` as it is.

    Args:
        folder: The folder of the dataset.
        expected: What should be there, for the error message.

    Returns:
        The array ``joints`` as MATLAB stored it, float64.

    Raises:
        LayoutError: If the file or the variable is missing, or is not a
            three-dimensional array of finite numbers.
    """
    path = folder / 'joints.mat'
    if not path.is_file():
        raise LayoutError(f'{path} does not exist: expected {expected}')
    try:
        joints = loadmat(path)['joints']
    except (KeyError, ValueError, NotImplementedError) as error:
        raise LayoutError(
            f'{path} has no readable variable "joints" ({error}): expected '
            f'{expected}'
        ) from error
    if joints.ndim != 3 or not np.issubdtype(joints.dtype, np.number):
        raise LayoutError(
            f'{path}: "joints" is a {joints.dtype} array of shape '
            f'{joints.shape}: expected {expected}'
        )
    if not np.isfinite(joints).all():
        raise LayoutError(f'{path}: "joints" holds NaN or infinite numbers')
    return joints.astype(np.float64)


def read_flags(flags: np.ndarray, folder: Path) -> np.ndarray:
    """Check that third values are 0 or 1 and return them as bool."""
    values = np.unique(flags)
    if not np.isin(values, (0, 1)).all():
        raise LayoutError(
            f'{folder / "joints.mat"}: the third value of a joint should be '
            f'0 or 1, but there are {values[:5].tolist()}'
        )
    return flags.astype(bool)


def read_lsp(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read Leeds Sports Pose.

    Returns:
        Joints (2000, 14, 2), 0-based image px, and their visibility
        (2000, 14), 2 or 1: all are labelled.

    Raises:
        LayoutError: If ``joints.mat`` is not that of LSP.
    """
    expected = (
        f'LSP, with "joints" of shape (3, {NUM_JOINTS}, {NUM_LSP}) '
        '(LSP Extended belongs to --lspet)'
    )
    joints = read_joints(folder, expected)
    if joints.shape != (3, NUM_JOINTS, NUM_LSP):
        raise LayoutError(
            f'{folder / "joints.mat"}: "joints" has shape {joints.shape}: '
            f'expected {expected}'
        )
    occluded = read_flags(joints[2].T, folder)
    visibility = np.where(occluded, 1, 2)
    return joints[:2].transpose(2, 1, 0) - 1, visibility


def read_lspet(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read Leeds Sports Pose Extended.

    Returns:
        Joints (N, 14, 2), 0-based image px, zero where not labelled, and
        their visibility (N, 14), 2 or 0.

    Raises:
        LayoutError: If ``joints.mat`` is not that of LSP Extended.
    """
    expected = f'LSP Extended, with "joints" of shape ({NUM_JOINTS}, 3, N)'
    joints = read_joints(folder, expected)
    if joints.shape[:2] != (NUM_JOINTS, 3):
        raise LayoutError(
            f'{folder / "joints.mat"}: "joints" has shape {joints.shape}: '
            f'expected {expected}'
        )
    labelled = read_flags(joints[:, 2].T, folder)
    places = joints[:, :2].transpose(2, 0, 1) - 1
    return np.where(labelled[..., None], places, 0), np.where(labelled, 2, 0)


def person_box(
    joints: np.ndarray, width: int, height: int
) -> tuple[float, float, float, float]:
    """Box the labelled joints of a person with a margin.

    Args:
        joints: Labelled joints (n, 2), n > 0, 0-based image px.
        width: Width of the photograph.
        height: Height of the photograph.

    Returns:
        ``x, y, w, h`` of the box, image px, cut at the photograph.
    """
    low, high = joints.min(axis=0), joints.max(axis=0)
    margin = BOX_MARGIN * (high - low)
    x1, y1 = np.maximum(low - margin, 0)
    x2, y2 = np.minimum(high + margin, (width - 1, height - 1))
    return float(x1), float(y1), float(x2 - x1), float(y2 - y1)


def annotation(
    joints: np.ndarray, visibility: np.ndarray, width: int, height: int
) -> dict:
    """Describe one person.

    Args:
        joints: Joints (14, 2), 0-based image px.
        visibility: Visibility (14,): 2, 1 or 0.
        width: Width of the photograph.
        height: Height of the photograph.

    Returns:
        A COCO annotation without its ids. Its area is that of the box.
    """
    # the photograph ends half a pixel beyond its outermost pixel centres
    inside = (joints >= -0.5) & (joints <= (width - 0.5, height - 0.5))
    visibility = np.where(
        inside.all(axis=1), visibility, np.minimum(visibility, 1)
    )
    box = person_box(joints[visibility > 0], width, height)
    keypoints = np.column_stack([joints.round(3), visibility])
    return dict(
        category_id=1,
        keypoints=keypoints.ravel().tolist(),
        num_keypoints=int((visibility > 0).sum()),
        bbox=[round(number, 3) for number in box],
        area=round(box[2] * box[3], 3),
        iscrowd=0,
    )


def to_coco(
    folder: Path,
    file_names: list[str],
    joints: np.ndarray,
    visibility: np.ndarray,
    first_id: int,
) -> dict:
    """Describe photographs with one person each.

    Args:
        folder: The folder of the dataset.
        file_names: N photographs, relative to the folder.
        joints: Joints (N, 14, 2), 0-based image px.
        visibility: Visibility (N, 14): 2, 1 or 0.
        first_id: The id of the first image and annotation.

    Returns:
        COCO-style ``images``, ``annotations`` and ``categories``.

    Raises:
        LayoutError: If a photograph is missing or no joint of a person is
            labelled.
    """
    images, annotations = [], []
    for index, name in enumerate(track(file_names, folder.name)):
        if not (folder / name).is_file():
            raise LayoutError(
                f'{folder / name} does not exist: "joints" describes '
                f'{len(file_names)} photographs from {file_names[0]} to '
                f'{file_names[-1]}'
            )
        if not visibility[index].any():
            raise LayoutError(f'{folder / name}: no joint is labelled')
        with Image.open(folder / name) as image:
            width, height = image.size
        id_ = first_id + index
        images.append(dict(id=id_, file_name=name, width=width, height=height))
        person = annotation(joints[index], visibility[index], width, height)
        annotations.append(dict(id=id_, image_id=id_, **person))
    return dict(
        images=images, annotations=annotations, categories=[category()]
    )


def category() -> dict:
    """The COCO category: a person with joints and limbs (numbered from 1)."""
    names = [
        joint['name']
        for joint in LSPDataset.METAINFO['keypoint_info'].values()
    ]
    limbs = [
        limb['link'] for limb in LSPDataset.METAINFO['skeleton_info'].values()
    ]
    return dict(
        id=1,
        name='person',
        supercategory='person',
        keypoints=names,
        skeleton=[[names.index(end) + 1 for end in limb] for limb in limbs],
    )


def write(coco: dict, path: Path) -> None:
    """Write annotations and say what was written."""
    mmengine.dump(coco, path)
    counts = [person['num_keypoints'] for person in coco['annotations']]
    print(f'{path}: {len(counts)} people, {sum(counts)} labelled joints')


def convert_lsp(folder: Path, out: Path) -> None:
    """Write ``lsp_train.json`` and ``lsp_test.json``."""
    joints, visibility = read_lsp(folder)
    names = [f'images/im{i:04d}.jpg' for i in range(1, NUM_LSP + 1)]
    for path, part in (
        (out / 'lsp_train.json', slice(0, NUM_LSP_TRAIN)),
        (out / 'lsp_test.json', slice(NUM_LSP_TRAIN, NUM_LSP)),
    ):
        coco = to_coco(
            folder,
            names[part],
            joints[part],
            visibility[part],
            first_id=part.start + 1,
        )
        write(coco, path)


def convert_lspet(folder: Path, out: Path) -> None:
    """Write ``lspet_train.json``."""
    joints, visibility = read_lspet(folder)
    names = [f'images/im{i:05d}.jpg' for i in range(1, len(joints) + 1)]
    coco = to_coco(folder, names, joints, visibility, LSPET_FIRST_ID)
    write(coco, out / 'lspet_train.json')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument(
        'lsp', type=Path, help='folder of LSP: joints.mat and images/'
    )
    parser.add_argument(
        '--lspet', type=Path, help='folder of LSP Extended, likewise'
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder for the json files'
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Convert what the command line names."""
    args = parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    try:
        convert_lsp(args.lsp, args.out)
        if args.lspet is not None:
            convert_lspet(args.lspet, args.out)
    except LayoutError as error:
        raise SystemExit(f'error: {error}') from error


if __name__ == '__main__':
    main()
