"""The arithmetic of DARK: pure, batched functions on torch tensors.

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

from .coords import ALIGNMENTS, heatmap_to_input, input_to_heatmap
from .encode import QUANTISERS, encode_biased, encode_unbiased
from .modulate import (
    RESCALES,
    gaussian_kernel,
    modulate,
    modulated_stencil,
    opencv_kernel,
)
from .peaks import Peaks, find_peaks, gather_windows
from .refine import SHIFTS, limit_step, quarter_shift, raw_stencil, taylor_step

__all__ = [
    'ALIGNMENTS',
    'QUANTISERS',
    'RESCALES',
    'SHIFTS',
    'Peaks',
    'encode_biased',
    'encode_unbiased',
    'find_peaks',
    'gather_windows',
    'gaussian_kernel',
    'heatmap_to_input',
    'input_to_heatmap',
    'limit_step',
    'modulate',
    'modulated_stencil',
    'opencv_kernel',
    'quarter_shift',
    'raw_stencil',
    'taylor_step',
]
