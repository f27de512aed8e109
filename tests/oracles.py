"""The paper once more, in float64 and one map at a time.

Written from the equations, without a look at dark_codec's way to compute
them: dense 2-D convolutions over whole maps, scalar loops, matrices that are
inverted by numpy. What the paper leaves open (the border, where to cut the
kernel) follows DESIGN. All coordinates are heatmap px unless said otherwise.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.signal import convolve2d


def input_to_heatmap(x, length, heatmap_length, alignment):
    """One coordinate: input px to heatmap px."""
    stride = length / heatmap_length
    if alignment == 'asymmetric':
        return x / stride
    if alignment == 'half_pixel':
        return (x + 0.5) / stride - 0.5
    return x * (heatmap_length - 1) / (length - 1)


QUANTISE = dict(
    floor=math.floor, ceil=math.ceil, round=lambda value: int(value + 0.5)
)


def encode(points, visible, size, sigma, quantise=None):
    """Eq. 13-14 with peak 1, (K, 2) points: heatmaps and weights."""
    width, height = size
    heatmaps = np.zeros((len(points), height, width))
    weights = np.array(visible, dtype=float)
    for k, (u, v) in enumerate(points):
        if visible[k] < 0.5:
            continue
        if not (math.isfinite(u) and math.isfinite(v)):
            weights[k] = 0
            continue
        if quantise:
            u, v = QUANTISE[quantise](u), QUANTISE[quantise](v)
        reach = 3 * sigma
        if not (
            -reach - 1 <= u < width + reach
            and -reach - 1 <= v < height + reach
        ):
            weights[k] = 0
            continue
        for y in range(height):
            for x in range(width):
                if quantise and max(abs(x - u), abs(y - v)) > reach:
                    continue
                square = (x - u) ** 2 + (y - v) ** 2
                heatmaps[k, y, x] = math.exp(-square / (2 * sigma**2))
    return heatmaps, weights


def argmax(heatmap):
    """First highest pixel in row-major order: (x, y)."""
    best = (0, 0)
    for y in range(heatmap.shape[0]):
        for x in range(heatmap.shape[1]):
            if heatmap[y, x] > heatmap[best[1], best[0]]:
                best = (x, y)
    return best


def quarter_shift_sign(heatmap):
    """HRNet's variant of Eq. 1: the offset from the peak."""
    x, y = argmax(heatmap)
    height, width = heatmap.shape
    offset = [0.0, 0.0]
    if 0 < x < width - 1:
        offset[0] = 0.25 * np.sign(heatmap[y, x + 1] - heatmap[y, x - 1])
    if 0 < y < height - 1:
        offset[1] = 0.25 * np.sign(heatmap[y + 1, x] - heatmap[y - 1, x])
    return np.array(offset)


def quarter_shift_second(heatmap):
    """Eq. 1: the offset 0.25 (s - m) / |s - m|."""
    m = np.array(argmax(heatmap))
    others = heatmap.astype(float)
    others[m[1], m[0]] = -np.inf
    s = np.array(argmax(others))
    return 0.25 * (s - m) / np.linalg.norm(s - m)


def gaussian_taps(sigma):
    """1-D kernel of the training targets, cut at 3 sigma, rounded up."""
    radius = math.ceil(3 * sigma)
    taps = [math.exp(-(t**2) / (2 * sigma**2)) for t in range(-radius, 0)]
    taps = np.array([*taps, 1.0, *taps[::-1]])
    return taps / taps.sum()


@lru_cache
def _visible_norm(shape, taps):
    kernel = np.outer(taps, taps)
    visible = convolve2d(np.ones(shape), kernel**2)
    return np.sqrt(visible / (kernel**2).sum())


class Modulated:
    """h' of Eq. 10-11, also where the kernel sees the map from outside.

    Near the border each value is divided by the norm of the kernel's visible
    part, relative to the whole kernel's.
    """

    def __init__(self, heatmap, taps, rescale):
        heatmap = heatmap.astype(float)
        kernel = np.outer(taps, taps)
        self.radius = len(taps) // 2
        norm = _visible_norm(heatmap.shape, tuple(taps))
        self.values = convolve2d(heatmap, kernel) / norm
        inner = self.inner()
        highest, lowest = inner.max(), inner.min()
        if rescale == 'minmax':
            scale = heatmap.max() / (highest - lowest)
            self.values = (self.values - lowest) * scale
            self.unseen = -lowest * scale
        else:
            scale = heatmap.max() / highest if rescale == 'max' else 1.0
            self.values = self.values * scale
            self.unseen = 0.0

    def inner(self):
        """The modulated map itself, (H, W)."""
        inner = slice(self.radius, -self.radius or None)
        return self.values[inner, inner]

    def __getitem__(self, at):
        """The value at (x, y), which may lie outside of the map."""
        x, y = (index + self.radius for index in at)
        height, width = self.values.shape
        if 0 <= x < width and 0 <= y < height:
            return self.values[y, x]
        return self.unseen


def taylor(value, m):
    """Eq. 7-9 at m: the offset, or None where D'' shows no maximum.

    ``value`` maps (x, y) to the modulated heatmap; derivatives are central
    differences, first ones over 1 px to each side, and again of these.
    """
    x, y = m

    def log(dx, dy):
        ratio = value[x + dx, y + dy] / value[x, y]
        return math.log(max(ratio, 1e-10))

    def d_x(dx, dy):
        return (log(dx + 1, dy) - log(dx - 1, dy)) / 2

    def d_y(dx, dy):
        return (log(dx, dy + 1) - log(dx, dy - 1)) / 2

    first = np.array([d_x(0, 0), d_y(0, 0)])
    mixed = (d_x(0, 1) - d_x(0, -1)) / 2
    second = np.array(
        [
            [(d_x(1, 0) - d_x(-1, 0)) / 2, mixed],
            [mixed, (d_y(0, 1) - d_y(0, -1)) / 2],
        ]
    )
    if not (value[x, y] > 0 and np.all(np.linalg.eigvalsh(second) < 0)):
        return None
    return -np.linalg.inv(second) @ first


def decode(heatmap, taps, rescale, trust_radius):
    """DARK's decoding of one map: (x, y) and whether it is the Taylor's."""
    m = argmax(heatmap)
    offset = taylor(Modulated(heatmap, taps, rescale), m)
    if offset is None:
        return m + quarter_shift_sign(heatmap), False
    length = np.linalg.norm(offset)
    if length > trust_radius:
        offset = offset * trust_radius / length
    return m + offset, True
