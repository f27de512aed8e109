"""DARK, distribution-aware coordinate representation, for MMPose.

Importing this package registers everything; see the README for the two
lines that a config needs.
"""

from . import compat

# before anything that imports mmcv.ops, which mmcv-lite cannot
compat.apply()

from . import datasets, evaluation  # noqa: E402, F401
from .codec import DARKCodec  # noqa: E402
from .config import apply_codec  # noqa: E402
from .decoders import (  # noqa: E402
    ArgmaxDecoder,
    Decoded,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)
from .encoders import BiasedEncoder, UnbiasedEncoder  # noqa: E402
from .modulations import GaussianModulation  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = [
    'ArgmaxDecoder',
    'BiasedEncoder',
    'DARKCodec',
    'Decoded',
    'GaussianFitDecoder',
    'GaussianModulation',
    'QuarterShiftDecoder',
    'TaylorDecoder',
    'UnbiasedEncoder',
    '__version__',
    'apply_codec',
]
