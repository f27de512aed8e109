"""Leeds Sports Pose and Leeds Sports Pose Extended: 14 joints a person."""

from mmpose.datasets.datasets.base import BaseCocoStyleDataset
from mmpose.registry import DATASETS

# Okabe and Ito's colours, which colour-blind readers can tell apart (RGB).
_RIGHT = [213, 94, 0]
_LEFT = [0, 114, 178]
_MIDDLE = [0, 158, 115]

# name: (body half, joint weight, sigma). The order is that of joints.mat.
#
# The weights are those that MMPose gives the same joints of COCO and MPII;
# they count only under `use_dataset_keypoint_weights`.
#
# Leeds Sports is evaluated by PCK and has no sigmas of its own. These are
# COCO's, measured on repeated annotations of the same joints; neck and head
# take 0.079, as CrowdPose (14 joints too) sets them.
_JOINTS = {
    'right_ankle': ('lower', 1.5, 0.089),
    'right_knee': ('lower', 1.2, 0.087),
    'right_hip': ('lower', 1.0, 0.107),
    'left_hip': ('lower', 1.0, 0.107),
    'left_knee': ('lower', 1.2, 0.087),
    'left_ankle': ('lower', 1.5, 0.089),
    'right_wrist': ('upper', 1.5, 0.062),
    'right_elbow': ('upper', 1.2, 0.072),
    'right_shoulder': ('upper', 1.0, 0.079),
    'left_shoulder': ('upper', 1.0, 0.079),
    'left_elbow': ('upper', 1.2, 0.072),
    'left_wrist': ('upper', 1.5, 0.062),
    'neck': ('upper', 1.0, 0.079),
    'head_top': ('upper', 1.0, 0.079),
}

_LIMBS = [
    ('right_ankle', 'right_knee'),
    ('right_knee', 'right_hip'),
    ('left_ankle', 'left_knee'),
    ('left_knee', 'left_hip'),
    ('right_hip', 'left_hip'),
    ('right_hip', 'right_shoulder'),
    ('left_hip', 'left_shoulder'),
    ('right_wrist', 'right_elbow'),
    ('right_elbow', 'right_shoulder'),
    ('left_wrist', 'left_elbow'),
    ('left_elbow', 'left_shoulder'),
    ('right_shoulder', 'neck'),
    ('left_shoulder', 'neck'),
    ('neck', 'head_top'),
]


def _colour(name: str) -> list[int]:
    """Return the colour of a joint's side."""
    sides = {'right': _RIGHT, 'left': _LEFT}
    return sides.get(name.split('_')[0], _MIDDLE)


def _limb_colour(start: str, end: str) -> list[int]:
    """Return the colour of a limb's side, or that of the middle."""
    sides = [c for c in map(_colour, (start, end)) if c != _MIDDLE]
    return sides[0] if sides and sides[0] == sides[-1] else _MIDDLE


def _other_side(name: str) -> str:
    """Return the joint on the other side, '' for central ones."""
    side, _, joint = name.partition('_')
    other = {'right': 'left', 'left': 'right'}.get(side)
    return f'{other}_{joint}' if other else ''


@DATASETS.register_module()
class LSPDataset(BaseCocoStyleDataset):
    """Leeds Sports Pose, and Leeds Sports Pose Extended, for training.

    The annotations are written by ``projects.leeds_sports.lsp2coco``.
    Left and right are the person's own, not those of the photograph.
    Arguments are those of :class:`mmpose.datasets.BaseCocoStyleDataset`.

    Leeds Sports keypoints::

        0: 'right_ankle',
        1: 'right_knee',
        2: 'right_hip',
        3: 'left_hip',
        4: 'left_knee',
        5: 'left_ankle',
        6: 'right_wrist',
        7: 'right_elbow',
        8: 'right_shoulder',
        9: 'left_shoulder',
        10: 'left_elbow',
        11: 'left_wrist',
        12: 'neck',
        13: 'head_top'
    """

    METAINFO: dict = dict(
        dataset_name='lsp',
        paper_info=dict(
            author='Sam Johnson and Mark Everingham',
            title='Clustered Pose and Nonlinear Appearance Models for Human '
            'Pose Estimation',
            container='Proceedings of the British Machine Vision Conference',
            year='2010',
            homepage='http://sam.johnson.io/research/lsp.html',
        ),
        keypoint_info={
            index: dict(
                name=name,
                id=index,
                color=_colour(name),
                type=half,
                swap=_other_side(name),
            )
            for index, (name, (half, _, _)) in enumerate(_JOINTS.items())
        },
        skeleton_info={
            index: dict(link=limb, id=index, color=_limb_colour(*limb))
            for index, limb in enumerate(_LIMBS)
        },
        joint_weights=[weight for _, weight, _ in _JOINTS.values()],
        sigmas=[sigma for _, _, sigma in _JOINTS.values()],
    )
