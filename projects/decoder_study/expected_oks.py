"""Heights and expected OKS against the OKS that keypoints turn out to have."""

from __future__ import annotations

import numpy as np
import torch

from dark_codec import ExpectedOKS, HeatmapDecoder
from dark_codec.analysis.bootstrap import bootstrap
from dark_codec.analysis.calibration import (
    calibration_error,
    oks,
    rank_correlation,
)
from dark_codec.analysis.report import markdown
from projects.shared_data import Maps

from .scores import score

# COCO's, of the 12 joints in the order of Leeds Sports
_LEG, _ARM = (0.089, 0.087, 0.107), (0.062, 0.072, 0.079)
SIGMAS = (*_LEG, *_LEG[::-1], *_ARM, *_ARM[::-1])
NOISES = (0.0, 0.05, 0.1)


def score_table(
    decoder: HeatmapDecoder, sets: dict[str, Maps], sigma: float
) -> str:
    """Calibration and ranks of both scores, on clean and on noisy maps.

    OKS takes COCO's sigmas, and as a person's area 0.53 of the box round the
    labels with a tenth added on each side.
    """
    rows = []
    for name, maps in sets.items():
        box = 1.2 * np.ptp(maps.truth, axis=1)
        tolerance = 2 * np.sqrt(0.53 * box.prod(1))[:, None] * SIGMAS
        height, width = maps.heatmaps.shape[2:]
        generator = torch.Generator().manual_seed(0)
        white = torch.randn(maps.heatmaps.shape, generator=generator)
        for noise in NOISES:
            decoded = decoder(maps.heatmaps + noise * white)
            errors = score(decoded.points.numpy(), maps).distances
            expected = ExpectedOKS(SIGMAS)(decoded, (width, height), sigma)
            measured = oks(errors, tolerance)
            cells = [
                bootstrap(
                    lambda s, m, of=of: of(s.ravel(), m.ravel()),
                    scores.numpy(),
                    measured,
                ).text(3)
                for of in (calibration_error, rank_correlation)
                for scores in (decoded.scores, expected)
            ]
            rows.append([f'{name}; {noise:g}', *cells])
    header = ['maps; noise', 'ECE, height', 'ECE, expected OKS']
    header += ['rank, height', 'rank, expected OKS']
    return markdown(header, rows)
