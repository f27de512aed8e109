"""Choice of a decoder for a network, on half of a dump's images.

The best width of the kernel depends on the noise and the width of a network's
heatmaps. On the images that it was chosen on, a decoder looks better than it
is; hence the other half measures it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..dumps.format import DumpInfo
from ..dumps.reader import HeatmapDump
from ..openmmlab.engine.progress import track
from .bootstrap import Estimate, bootstrap
from .comparison import (
    Score,
    build_codecs,
    decode_dump,
    paired,
    score_decoding,
)
from .decoders_by_name import parse_decoder, readable_sigmas

# of the kernel, in units of the training sigma
WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
REFERENCE = 'dark-max'
# by the first numbers of the first metric: of COCO AP, AP .5 and AP .75
_MOST_CHOICES = 3


class Choice(NamedTuple):
    """The best decoder by one number.

    Attributes:
        metric (str): Name of the number.
        best (str): The best decoder on the first half of the images.
        value (Estimate): Its number on the other half.
        difference (Estimate): Difference there from :data:`REFERENCE`, with
            the training sigma, paired by image.
    """

    metric: str
    best: str
    value: Estimate
    difference: Estimate

    @property
    def decoder(self) -> str | None:
        """The decoder to take; None if the other half does not confirm it.

        That is, if the interval of the difference holds 0, or lies on the
        wrong side of it.
        """
        low, high = self.difference.low, self.difference.high
        confirmed = high < 0 if _lower_is_better(self.metric) else low > 0
        return self.best if confirmed else None


def _lower_is_better(metric: str) -> bool:
    return 'NME' in metric or 'EPE' in metric


def candidates(info: DumpInfo) -> dict[str, dict]:
    """Return the decoders to choose from, :data:`REFERENCE` first.

    Args:
        info (DumpInfo): Of the dump; decoders that do not fit into its
            windows are left out.

    Returns:
        dict[str, dict]: Configs by name.
    """
    texts = [REFERENCE, 'shift', 'taylor', 'fit']
    for sigma in readable_sigmas(info, WIDTHS):
        texts.append(f'{REFERENCE}:modulation.sigma={sigma:g}')
    return dict(map(parse_decoder, texts))


def recommend(dump: HeatmapDump, draws: int = 500) -> list[Choice]:
    """Choose a decoder on every other image, and measure it on the rest.

    Args:
        dump (HeatmapDump): With at least two images.
        draws (int): Resamples of the bootstrap. Defaults to 500.

    Returns:
        list[Choice]: By each of the first numbers of the first metric that
        can be resampled; empty if none can, or none tells decoders apart.
    """
    decodings = decode_dump(dump, build_codecs(dump, candidates(dump.info)))
    scores = {
        name: score_decoding(dump, decodings[name])
        for name in track(decodings, 'Choosing a decoder')
    }
    return choose(scores, draws)


def choose(scores: Mapping[str, Score], draws: int = 500) -> list[Choice]:
    """Choose among scored decoders; see :func:`recommend`.

    Args:
        scores (Mapping[str, Score]): By decoder; differences are to the
            first.
        draws (int): Resamples of the bootstrap. Defaults to 500.
    """
    decoders = list(scores)
    found = [s.resamplers[0] for s in scores.values() if s.resamplers]
    if not found or found[0].images < 2:
        return []
    names = found[0].names
    images = np.arange(found[0].images)
    first_half = np.stack([resampler(images[::2]) for resampler in found])
    best = {}
    for i, values in enumerate(first_half.T):
        # where all are equal, as where nothing was found, none is the best; a
        # number that these images do not define is NaN, which is not > 0
        if names[i].count('/') <= 1 and np.ptp(values) > 0:
            lower = _lower_is_better(names[i])
            best[i] = int(values.argmin() if lower else values.argmax())
    best = dict(list(best.items())[:_MOST_CHOICES])
    if not best:
        return []
    rows = sorted({0, *best.values()})
    estimate = bootstrap(
        lambda drawn: paired([found[row] for row in rows], drawn),
        images[1::2],
        draws=draws,
    )
    return [
        Choice(
            names[i],
            decoders[row],
            estimate.at(0, rows.index(row), i),
            estimate.at(1, rows.index(row), i),
        )
        for i, row in best.items()
    ]
