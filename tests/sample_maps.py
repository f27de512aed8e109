"""Heatmaps of the kinds that a decoder meets, with their true centres."""

import numpy as np

# heatmap size (W, H), training sigma, and the kernel that DarkPose means
SCALES = [((24, 32), 1.0, 3), ((48, 64), 2.0, 11), ((72, 96), 3.0, 17)]
# by their columns in the table of bad maps of docs/decoders.md
DECODERS = {
    'argmax': dict(type='ArgmaxDecoder'),
    'shift': dict(type='QuarterShiftDecoder'),
    'Taylor minmax': dict(type='TaylorDecoder'),
    'Taylor max': dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', rescale='max'),
    ),
    'Taylor raw': dict(type='TaylorDecoder', modulation=None),
    'fit': dict(type='GaussianFitDecoder'),
}
KINDS = ['clean', 'noisy', 'skewed', 'truncated']


def gaussians(centres, size, sigmas, slant=0.0):
    """(M, 2) centres to (M, H, W) Gaussians, sheared ones with a slant."""
    sigma_x, sigma_y = np.broadcast_to(sigmas, 2)
    y, x = np.mgrid[: size[1], : size[0]]
    x = (x - centres[:, 0, None, None]) / sigma_x
    y = (y - centres[:, 1, None, None]) / sigma_y
    return np.exp(-0.5 * (x * x + y * y - 2 * slant * x * y))


def make_maps(kind, size, sigma, rng, count=12):
    """Return maps (count, H, W), float32, and centres (count, 2)."""
    extent = np.array(size)
    margin = 0 if kind == 'truncated' else 4 * sigma
    centres = rng.uniform(margin, extent - 1 - margin, (count, 2))
    if kind == 'truncated':
        # on each of the four borders in turn, up to half a pixel outside
        for i in range(count):
            edge = (-0.5, extent[i % 2] - 0.5)[i // 2 % 2]
            inwards = (1, -1)[i // 2 % 2]
            centres[i, i % 2] = edge + inwards * rng.uniform(0, 2 * sigma)
    maps = gaussians(centres, size, sigma)
    if kind == 'skewed':
        # not round, tilted, and with a second, lower peak beside the first
        maps = gaussians(centres, size, (1.3 * sigma, 0.9 * sigma), 0.4)
        beside = centres + rng.uniform(1, 2, (count, 2)) * 1.2 * sigma
        maps = maps + 0.4 * gaussians(beside, size, sigma)
    if kind == 'noisy':
        maps = maps + rng.normal(0, 0.05, maps.shape)
    return maps.astype(np.float32), centres
