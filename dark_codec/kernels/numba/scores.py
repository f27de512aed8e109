"""The kernel of scores: from the rows of a decoded table to expected OKS.

Does what :func:`dark_codec.functional.expected_oks` does, row by row.
"""
# mypy: allow-untyped-defs, no-check-untyped-defs
# (numba infers the types)

from __future__ import annotations

from functools import lru_cache
from math import exp, floor, inf, isfinite, sqrt
from typing import Any

from .compile import compiled, part, sources


@part
def _least_square(at, size, mean, half, xy):
    """Least d' A d of the four pixels round a point."""
    least = inf
    for column in range(2):
        x = at[0] - min(max(floor(at[0]) + column, 0), size[0] - 1)
        for line in range(2):
            y = at[1] - min(max(floor(at[1]) + line, 0), size[1] - 1)
            square = mean * (x * x + y * y) + half * (x * x - y * y)
            least = min(least, square + 2 * xy * x * y)
    return least


@lru_cache
def oks_kernel() -> Any:
    """Compile the kernel of expected OKS.

    Returns:
        Callable: Takes a table (B * K, 8) of
        :meth:`dark_codec.HeatmapDecoder.decode_table`, the tolerances in
        heatmap px, (K,), sigma in heatmap px, the spread, and the map's width
        and height in px; writes into scores, (B * K,).
    """
    digest = sources()

    @compiled(
        'void(float32[:, ::1], float32[::1], float64, float64, int64, int64, '
        'float32[::1])'
    )
    def score(table, tolerance, sigma, spread, width, height, scores):
        digest  # noqa: B018
        unit = 1 / sigma**2
        for number in range(len(table)):
            row = table[number]
            xx, xy, yy = row[4] * unit, row[5] * unit, row[7] * unit
            if not isfinite(xx + yy):
                scores[number] = min(max(row[2], 0), 1)
                continue
            half = 0.5 * (xx - yy)
            radius = sqrt(half * half + xy * xy)
            larger = max(0.5 * (xx + yy) + radius, 1)
            smaller = max(0.5 * (xx + yy) - radius, 1)
            inverse_mean = 0.5 * (1 / larger + 1 / smaller)
            scale = 0.5 * (1 / larger - 1 / smaller) / max(radius, 1e-12)
            square = _least_square(
                row, (width, height), inverse_mean, scale * half, scale * xy
            )
            peak = max(row[2], 0) * exp(0.5 * square * unit)
            present = min(peak * sqrt(larger * smaller), 1)
            t = tolerance[number % len(tolerance)]
            # the share of C that a mass of 1 allows
            trace, det = larger + smaller - 2, (larger - 1) * (smaller - 1)
            excess = max(max(peak, 1e-6) ** -2 - 1, 0)
            root = sqrt(trace * trace + 4 * det * excess)
            allowed = min(2 * excess / max(trace + root, 1e-12), 1)
            share = allowed * spread / (unit * t * t)
            product = 1 + (larger - 1) * share
            product *= 1 + (smaller - 1) * share
            scores[number] = present / sqrt(product)

    return score
