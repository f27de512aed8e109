"""DARK, distribution-aware coordinate representation, for MMPose.

Importing this package registers everything, and from then on completes every
config that names DARKCodec when it is read; see the README for the two lines
that a config needs.
"""

from importlib.util import find_spec

for _name in ('mmengine', 'mmcv', 'mmpose'):
    if find_spec(_name) is None:
        raise ImportError(
            f'dark_codec extends MMPose 1.x, but {_name} is not installed. '
            'Install MMPose, or run `bash tools/setup_env.sh` in the checkout'
        )

from . import compat  # noqa: E402

# before anything that imports mmcv.ops, which mmcv-lite cannot
compat.apply()

from . import datasets, engine, evaluation  # noqa: E402, F401
from .codec import DARKCodec  # noqa: E402
from .config import apply_codec, install  # noqa: E402
from .decoders import (  # noqa: E402
    ArgmaxDecoder,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)
from .encoders import BiasedEncoder, UnbiasedEncoder  # noqa: E402
from .files import config_path, tool_path  # noqa: E402
from .heatmap_decoder import (  # noqa: E402
    Decoded,
    HeatmapDecoder,
    Refinement,
)
from .modulations import GaussianModulation  # noqa: E402
from .targets import BatchGenerateTarget  # noqa: E402
from .version import __version__  # noqa: E402

install()

__all__ = [
    'ArgmaxDecoder',
    'BatchGenerateTarget',
    'BiasedEncoder',
    'DARKCodec',
    'Decoded',
    'GaussianFitDecoder',
    'GaussianModulation',
    'HeatmapDecoder',
    'QuarterShiftDecoder',
    'Refinement',
    'TaylorDecoder',
    'UnbiasedEncoder',
    '__version__',
    'apply_codec',
    'config_path',
    'tool_path',
]
