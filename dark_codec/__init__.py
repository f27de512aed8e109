"""DARK, distribution-aware coordinate representation of keypoints.

Needs PyTorch and numpy. Where MMPose is installed, importing this package
registers the codec there, and completes every config that names DARKCodec
when it is read; see the README for the two lines that a config needs.
"""

from importlib.util import find_spec

from .codec import DARKCodec
from .decoders import (
    ArgmaxDecoder,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)
from .encoders import BiasedEncoder, UnbiasedEncoder
from .heatmap_decoder import Decoded, HeatmapDecoder, Refinement
from .modulations import GaussianModulation
from .scores import ExpectedOKS, HeatmapHeight, KeypointScores
from .version import __version__

__all__ = [
    'ArgmaxDecoder',
    'BiasedEncoder',
    'DARKCodec',
    'Decoded',
    'ExpectedOKS',
    'GaussianFitDecoder',
    'GaussianModulation',
    'HeatmapDecoder',
    'HeatmapHeight',
    'KeypointScores',
    'QuarterShiftDecoder',
    'Refinement',
    'TaylorDecoder',
    'UnbiasedEncoder',
    '__version__',
]

_OF_OPENMMLAB = [
    'BatchGenerateTarget',
    'apply_codec',
    'config_path',
    'tool_path',
]


def __getattr__(name: str) -> object:
    """Import what needs MMPose, or say in one sentence that it does."""
    if name not in _OF_OPENMMLAB:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from . import openmmlab

    return getattr(openmmlab, name)


if all(find_spec(name) for name in ('mmengine', 'mmcv', 'mmpose')):
    from . import openmmlab  # noqa: F401

    __all__ += _OF_OPENMMLAB
