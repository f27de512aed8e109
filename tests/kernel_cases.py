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
    kernels,
)

INF, NAN = math.inf, math.nan
BACKENDS = ['reference', 'numba', 'interpreted', 'gpu']


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


def reference(heatmaps, decoder):
    return decoder.decode_maps(heatmaps.flatten(0, 1)).to_table()


def stable(heatmaps, decoder, expected):
    """Maps whose result is not one of rounding, (M,).

    All is invariant to scale but for rounding: where another scale brings
    another result, the reference has no right one either.
    """
    good = torch.ones(len(expected), dtype=torch.bool, device=expected.device)
    for scale in (0.7, 1.1, 1.3):
        other = reference(heatmaps.float() * scale, decoder)
        good &= other[:, 3] == expected[:, 3]
        good &= (other[:, :2] - expected[:, :2]).abs().amax(1) < 2e-5
    return good


def check_table(found, decoder, heatmaps, at_least=1.0):
    """Compare a kernel's table with the reference's, map by map.

    Scores are equal; on stable maps what is refined is equal, and points
    differ by 1e-4 px at most.

    Args:
        found: The kernel's table.
        decoder: Whose it is.
        heatmaps: What it decoded.
        at_least: How many of the maps have to be stable, as a share.
    """
    expected = reference(heatmaps, decoder)
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert found.device == heatmaps.device
    assert torch.equal(found[:, 2], expected[:, 2])
    assert not found.isnan().any()
    lost = expected[:, 2] == 0
    assert torch.equal(found[lost], expected[lost])
    good = stable(heatmaps, decoder, expected)
    assert good.sum() >= at_least * len(good)
    ours, theirs = found[good], expected[good]
    assert torch.equal(ours[:, 3], theirs[:, 3])
    torch.testing.assert_close(ours[:, :2], theirs[:, :2], rtol=0, atol=1e-4)
    check_covariance(found[:, 3:])
    # a difference of variances of the order of sigma^2, and of the same
    # rounding errors where a narrow Gaussian has one pixel only
    atol = 2e-3 * decoder.recipe.trust_radius**2
    if decoder.recipe.sigma >= 1 or decoder.recipe.method != 'fit':
        torch.testing.assert_close(
            ours[:, 4:], theirs[:, 4:], rtol=2e-3, atol=atol
        )
    return found


def check_covariance(columns):
    """Unknown where nothing is refined; else positive semi-definite."""
    if columns.shape[1] == 1:
        return
    refined, covariance = columns[:, 0] > 0, columns[:, 1:]
    unknown = covariance.new_tensor([INF, 0, 0, INF])
    assert (covariance[~refined] == unknown).all()
    # float64 holds the products of float32 numbers
    xx, xy, yx, yy = covariance[refined].double().T
    assert torch.equal(xy, yx) and xx.isfinite().all() and yy.isfinite().all()
    assert (xx >= 0).all() and (yy >= 0).all() and (xy * xy <= xx * yy).all()


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


def spoilt_maps(height=20, width=17):
    """Values that floats can have, at the corners and inside, (1, K, H, W)."""
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(height, width, generator=generator)
    zeros = torch.zeros(height, width)
    ridge, top = zeros.clone(), zeros.clone()
    ridge[:, 8], top[4:12, 5:14] = 1, 1
    maps = [noise * 1e-42, noise * 1e37, -noise.abs(), -zeros, ridge, top]
    negative_nan = torch.tensor(-4194304, dtype=torch.int32)
    negative_nan = negative_nan.view(torch.float32).item()
    values = [NAN, negative_nan, INF, -INF, 3e38, -3e38, 1e-45, 1.0]
    for x, y in [(0, 0), (width - 1, height - 1), (8, 9), (3, 19)]:
        for value in values:
            for background in (zeros, noise, zeros + 0.5):
                spoilt = background.clone()
                spoilt[y, x] = value
                maps.append(spoilt)
    return torch.stack(maps)[None]


def negative_view(device='cpu'):
    """The peaks as a view of what is negative, made where it is decoded."""
    return torch._neg_view(-peaks().to(device))


def wide_map(device='cpu'):
    """A map whose rows lie 2^30 elements apart: only a few are touched."""
    maps = peaks((6, 4), count=1)
    storage = torch.empty(3 * 2**30 + 6, dtype=torch.float16, device=device)
    wide = storage.as_strided(maps.shape, (0, 0, 2**30, 1))
    wide.copy_(maps)
    assert wide.stride(2) * 3 > 2**31
    return wide


def distant_maps(device='cpu'):
    """A batch whose last sample lies beyond what int32 counts."""
    maps = peaks((6, 4), count=1).expand(2, 1, -1, -1)
    storage = torch.empty(2**31 + 24, dtype=torch.float16, device=device)
    distant = storage.as_strided((2, 1, 4, 6), (2**31, 24, 6, 1))
    distant.copy_(maps)
    return distant


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
    'not aligned': lambda maps: torch.cat([maps.new_zeros(1), maps.flatten()])[
        1:
    ].view(maps.shape),
    'expanded': lambda maps: maps[:1, 1:].expand(2, -1, -1, -1),
}


def strided_maps(layout, dtype, device='cpu'):
    """Maps in memory that is laid out on the device itself, (2, 2, 9, 7)."""
    maps = peaks((7, 9), count=4).view(2, 2, 9, 7)
    return STRIDES[layout](maps.to(device, dtype))


def decode_by(name, heatmaps, recipe, device='cpu'):
    """Decode heatmaps, or what a function makes on the device."""
    if callable(heatmaps):
        heatmaps = heatmaps(device=device)
    return kernels.load(name)(heatmaps.to(device), recipe)
