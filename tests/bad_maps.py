"""The heatmaps of the table of bad maps in docs/decoders.md."""

import numpy as np
import torch
from sample_maps import gaussians

SIZE, SIGMA = (48, 64), 2.0
PEAK = (20, 30)
CENTRE = (20.3, 30.4)
INF, NAN = np.inf, np.nan


def gaussian(height=1.0):
    return height * gaussians(np.array([CENTRE]), SIZE, SIGMA)[0]


def with_pixel(value, at, background=None):
    heatmap = (
        gaussian() if background is None else np.full((64, 48), background)
    )
    heatmap[at[1], at[0]] = value
    return heatmap


def pit():
    heatmap = -5 * gaussian()
    heatmap[30, 20] = 1e-3
    return heatmap


def small_map():
    return gaussians(np.array([[1.2, 0.1]]), (3, 2), SIGMA)[0]


FILL = np.full((64, 48), 1.0)
HALF, BRAIN = torch.float16, torch.bfloat16
# Heatmap, dtype, where refined decoders find it, and to how many px. (None:
# float32; CENTRE; 1e-3. Where a map is no Gaussian, decoders differ.)
MAPS = {
    'all zero': (0 * FILL,),
    'constant, positive': (0.7 * FILL,),
    'constant, negative': (-0.7 * FILL,),
    'nowhere positive': (-gaussian(),),
    'NaN everywhere': (NAN * FILL,),
    'one NaN far from the peak': (with_pixel(NAN, (5, 5)),),
    '+inf everywhere': (INF * FILL,),
    'one +inf': (with_pixel(INF, (5, 5)),),
    '-inf everywhere': (-INF * FILL,),
    'one -inf far from the peak': (with_pixel(-INF, (5, 5)),),
    'one -inf beside the peak': (with_pixel(-INF, (21, 30)),),
    '-inf but for one pixel': (with_pixel(1, PEAK, -INF),),
    'one hot pixel inside': (with_pixel(1, PEAK, 0.0), None, PEAK),
    'one hot pixel on the border': (
        with_pixel(1, (0, 30), 0.0),
        None,
        (-SIGMA, 30),
        0.05,
    ),
    'one hot pixel in the corner': (
        with_pixel(1, (47, 63), 0.0),
        None,
        (47 + SIGMA / 2**0.5, 63 + SIGMA / 2**0.5),
        0.05,
    ),
    'positive pixel in a deep pit': (pit(), None, PEAK),
    'flat top, cut off at 0.6': (gaussian().clip(max=0.6), None, CENTRE, 0.9),
    'peak of 1e-6': (gaussian(1e-6),),
    'peak of 1e4': (gaussian(1e4),),
    'peak of 1e4 in float16': (gaussian(1e4), HALF, CENTRE, 0.01),
    'float16': (gaussian(), HALF, CENTRE, 0.01),
    'bfloat16': (gaussian(), BRAIN, CENTRE, 0.05),
    'float64': (gaussian(), torch.float64),
    'float64, peak of 1e39': (gaussian(1e39), torch.float64),
    'float64, peak of 1e-46': (gaussian(1e-46), torch.float64),
    '1x1, positive': (np.ones((1, 1)),),
    '2x3, the peak in the middle column': (
        small_map(),
        None,
        (1.2, 0.1),
        0.35,
    ),
}
