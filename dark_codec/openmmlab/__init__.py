"""Everything that needs MMEngine, mmcv and MMPose: the plug-in for MMPose 1.x.

Importing it registers the codec and all else, and from then on completes
every config that names DARKCodec when it is read.
"""

from importlib.util import find_spec

for _name in ('mmengine', 'mmcv', 'mmpose'):
    if find_spec(_name) is None:
        raise ImportError(
            f'this part of dark_codec extends MMPose 1.x, but {_name} is not '
            'installed: install MMPose, or run `bash tools/setup_env.sh` in '
            'a checkout (the codec itself, dark_codec.DARKCodec, needs '
            'PyTorch and numpy only)'
        )

from . import compat  # noqa: E402

# before anything that imports mmcv.ops, which mmcv-lite cannot
compat.apply()

from . import registration  # noqa: E402, F401, I001
from . import engine  # noqa: E402, F401
from .config import apply_codec, install  # noqa: E402
from .files import config_path, tool_path  # noqa: E402
from .targets import BatchGenerateTarget  # noqa: E402

install()

__all__ = ['BatchGenerateTarget', 'apply_codec', 'config_path', 'tool_path']
