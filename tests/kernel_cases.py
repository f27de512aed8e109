"""Decoders, maps and memory layouts that a fused kernel is judged with."""

import math

import pytest
import torch
import torch.nn.functional as F
from sample_maps import make_maps

from dark_codec import (
    ArgmaxDecoder,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)

INF, NAN = math.inf, math.nan


def taylor(sigma=1.0, covariance=False, **modulation):
    return TaylorDecoder(
        modulation=dict(type='GaussianModulation', **modulation),
        sigma=sigma,
        covariance=covariance,
    )


def raw(sigma=1.0, covariance=False):
    return TaylorDecoder(modulation=None, sigma=sigma, covariance=covariance)


DECODERS = {
    'argmax': ArgmaxDecoder(),
    'sign': QuarterShiftDecoder(),
    'second': QuarterShiftDecoder('second'),
    'raw with covariance': raw(covariance=True),
    'max': taylor(rescale='max'),
    'minmax with covariance': taylor(covariance=True),
    "minmax, OpenCV's kernel": taylor(kernel_size=5),
    'fit': GaussianFitDecoder(1.0),
    'narrow fit with covariance': GaussianFitDecoder(0.6, covariance=True),
}
every_decoder = pytest.mark.parametrize(
    'decoder', DECODERS.values(), ids=DECODERS
)
# One of each path through the kernel
FEW = [DECODERS[name] for name in ('sign', 'minmax with covariance', 'fit')]


def check_table(found, decoder, heatmaps, tolerance=1e-4):
    """Compare a kernel's table with the reference's, map by map.

    Scores and what is refined are equal, points differ by 1e-4 px at most.
    """
    expected = decoder.decode_maps(heatmaps.flatten(0, 1)).to_table()
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert found.device == heatmaps.device
    assert torch.equal(found[:, 2:4], expected[:, 2:4])
    torch.testing.assert_close(
        found[:, :2], expected[:, :2], rtol=0, atol=tolerance
    )
    # Without covariance there are no such columns. It is a difference of
    # variances of the order of sigma^2.
    atol = 1e-3 * decoder.recipe.trust_radius**2
    torch.testing.assert_close(
        found[:, 4:], expected[:, 4:], rtol=1e-3, atol=atol
    )
    return found


def maps_of(kind, size, sigma, rng, count):
    return torch.from_numpy(make_maps(kind, size, sigma, rng, count)[0])


def peaks(size=(12, 16), sigma=1.0, count=2):
    """Gaussians that differ, (1, count, H, W)."""
    width, height = size
    y, x = torch.meshgrid(
        torch.arange(float(height)), torch.arange(float(width)), indexing='ij'
    )
    maps = [
        torch.exp(
            -((x - width * (0.3 + 0.1 * i)) ** 2) / (2 * sigma**2)
            - ((y - height * (0.6 - 0.1 * i)) ** 2) / (2 * sigma**2)
        )
        * (0.5 + 0.1 * i)
        for i in range(count)
    ]
    return torch.stack(maps)[None]


def bad_maps():
    """Maps that are no peaks, beside some that are, (1, K, 9, 8)."""
    clean = peaks((8, 9), count=1)[0, 0]
    y, x = divmod(clean.argmax().item(), 8)
    other = (8, 7)  # a corner

    def changed(value, at, background=None):
        heatmap = clean.clone()
        if background is not None:
            heatmap = torch.full_like(clean, background)
        heatmap[at] = value
        return heatmap

    maps = [
        clean,
        0 * clean,
        0 * clean + 0.7,
        0 * clean - 0.7,
        -clean,
        NAN * clean,
        changed(NAN, other),
        changed(NAN, (0, 0)),
        changed(INF, other),
        torch.full_like(clean, INF),
        torch.full_like(clean, -INF),
        changed(-INF, other),
        changed(-INF, (y, x + 1)),
        changed(-INF, (y + 2, x - 2)),
        changed(1, (y, x), -INF),
        changed(1, (y, x), 0.0),
        changed(1, (y, 0), 0.0),
        changed(1, other, 0.0),
        changed(1e-3, (y, x), -5.0),
        clean.clip(max=0.3),
        1e-6 * clean,
        1e4 * clean,
        1e38 * clean,
        clean,
    ]
    return torch.stack(maps)[None]


STRIDES = {
    'channels last': lambda maps: maps.to(memory_format=torch.channels_last),
    'transposed': lambda maps: maps.mT.contiguous().mT,
    'batch innermost': lambda maps: (
        maps.permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    ),
    'every other pixel': lambda maps: maps.repeat_interleave(
        2, 2
    ).repeat_interleave(2, 3)[:, :, ::2, ::2],
    'cut out': lambda maps: F.pad(maps, (3, 2, 1, 4))[:, :, 1:-4, 3:-2],
    'not aligned': lambda maps: torch.cat([torch.zeros(1), maps.flatten()])[
        1:
    ].view(maps.shape),
    'expanded': lambda maps: maps[:1, 1:].expand(2, 1, -1, -1),
}
