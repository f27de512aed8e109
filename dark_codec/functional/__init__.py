"""The arithmetic of DARK: pure, batched functions on torch tensors.

Written to be read beside the paper, and to run wherever torch does: on any
device, traced, compiled and exported. No function asks a tensor for a value,
none copies a constant to the device. :mod:`dark_codec.kernels` does the same
in one pass a map, and is judged by this.

Shape shorthand in this package:

- B: batch, N: instances (1 in top-down), K: keypoints
- M: heatmaps of a flattened batch (M = B * K)
- H, W: height and width of a heatmap

Points are ``(x, y)``, sizes are ``(w, h)``, pixel centres sit at integers.
Every coordinate is either in *input px* (the crop that the network sees) or
in *heatmap px*. All results are float32, also under autocast: no function
here uses an operator that autocast lowers (matmul, einsum, convolution).

Numerical failure comes back as a mask, never as NaN.
"""

from .alignments import ALIGNMENTS, Alignment, get_alignment
from .coords import (
    covariance_to_input,
    frame_of,
    heatmap_to_input,
    input_to_heatmap,
    scale_covariance,
    scale_points,
)
from .covariance import spread, unknown_where
from .encode import QUANTISERS, encode_biased, encode_unbiased
from .fit import fit_gaussian
from .modulate import (
    RESCALES,
    gaussian_kernel,
    kernel_variance,
    modulate,
    modulated_stencil,
    opencv_kernel,
)
from .peaks import Peaks, find_peaks, gather_windows
from .refine import (
    SHIFTS,
    Derivatives,
    limit_step,
    log_derivatives,
    newton_step,
    quarter_shift,
    raw_stencil,
)
from .scores import expected_oks, oks_tolerance

__all__ = [
    'ALIGNMENTS',
    'QUANTISERS',
    'RESCALES',
    'SHIFTS',
    'Alignment',
    'Derivatives',
    'Peaks',
    'covariance_to_input',
    'encode_biased',
    'encode_unbiased',
    'expected_oks',
    'find_peaks',
    'fit_gaussian',
    'frame_of',
    'gather_windows',
    'gaussian_kernel',
    'get_alignment',
    'heatmap_to_input',
    'input_to_heatmap',
    'kernel_variance',
    'limit_step',
    'log_derivatives',
    'modulate',
    'modulated_stencil',
    'newton_step',
    'oks_tolerance',
    'opencv_kernel',
    'quarter_shift',
    'raw_stencil',
    'scale_covariance',
    'scale_points',
    'spread',
    'unknown_where',
]
