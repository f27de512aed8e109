"""Leeds Sports for MMPose: data set, metric, backbone and neck.

A config that names ``projects.leeds_sports`` in its ``custom_imports`` can
use ``LSPDataset``, ``TorsoPCK``, ``EfficientNetLite0`` and ``MergeNeck``.
"""

import dark_codec.openmmlab  # noqa: F401, I001  before MMPose, for its shims

from .dataset import LSPDataset
from .efficientnet_lite import EfficientNetLite0
from .merge_neck import MergeNeck
from .torso_pck import TorsoPCK

__all__ = ['EfficientNetLite0', 'LSPDataset', 'MergeNeck', 'TorsoPCK']
