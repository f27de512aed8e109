"""Choice of a decoder for a network, on half of a dump's images.

The best width of the kernel depends on the noise and the width of a network's
heatmaps. On the images that it was chosen on, a decoder looks better than it
is; hence the other half measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..dumps.reader import DumpInfo, HeatmapDump
from .bootstrap import Estimate, bootstrap
from .comparison import Score, decode_dump, score_decoding
from .decoders_by_name import parse_decoder, with_windows_in

# of the kernel, in units of the training sigma
WIDTHS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
# metrics of which lower is better
_ERRORS = ('NME', 'EPE')
# number of results of the first metric: of COCO AP, AP .5 and AP .75
_SHOWN = 3


class Choice(NamedTuple):
    """The best decoder by one number.

    Attributes:
        metric (str): Name of the number.
        decoder (str): The name of the best one on the first half of the
            images.
        value (Estimate): The number on the other half.
        difference (Estimate): Its difference there from DARK with the
            training sigma, paired by image.
    """

    metric: str
    decoder: str
    value: Estimate
    difference: Estimate


def candidates(info: DumpInfo) -> dict[str, dict]:
    """Return the decoders to choose from, DARK first.

    Args:
        info (DumpInfo): Of the dump; decoders that do not fit into its
            windows are left out.

    Returns:
        dict[str, dict]: Configs by name.
    """
    widths = with_windows_in(
        [info.codec['sigma'] * width for width in WIDTHS],
        lambda sigma: 3 * sigma + 2,
        info,
    )
    texts = ['dark-max', 'shift', 'taylor', 'fit']
    texts += [f'dark-max:modulation.sigma={sigma:g}' for sigma in widths]
    return dict(map(parse_decoder, texts))


def recommend(
    dump: HeatmapDump,
    draws: int = 500,
    progress: Callable[[], Any] = lambda: None,
) -> list[Choice]:
    """Choose a decoder on every other image, and measure it on the rest.

    Args:
        dump (HeatmapDump): With at least two images.
        draws (int): Resamples of the bootstrap. Defaults to 500.
        progress (Callable): Called after each shard and each scoring.

    Returns:
        list[Choice]: By each of the first numbers of the first metric that
        can be resampled; empty if none can.
    """
    scores = {}
    for name, decoding in decode_dump(
        dump, candidates(dump.info), progress
    ).items():
        scores[name] = score_decoding(dump, decoding)
        progress()
    return choose(scores, draws)


def choose(scores: Mapping[str, Score], draws: int = 500) -> list[Choice]:
    """Choose among scored decoders; see :func:`recommend`.

    Args:
        scores (Mapping[str, Score]): By decoder; differences are to the
            first.
        draws (int): Resamples of the bootstrap. Defaults to 500.
    """
    names = list(scores)
    found = [score.resamplers for score in scores.values()]
    if not found[0] or found[0][0].images < 2:
        return []
    same = [resamplers[0] for resamplers in found]
    images = np.arange(same[0].images)
    learnt = np.stack([resampler(images[::2]) for resampler in same])
    main = [i for i, n in enumerate(same[0].names) if n.count('/') <= 1]
    main = [i for i in main if np.isfinite(learnt[:, i]).all()][:_SHOWN]
    best = {}
    for i in main:
        lower = any(error in same[0].names[i] for error in _ERRORS)
        best[i] = int(np.argmax(-learnt[:, i] if lower else learnt[:, i]))
    rows = sorted({0, *best.values()})

    def values(images: np.ndarray) -> np.ndarray:
        numbers = np.stack([same[row](images) for row in rows])[:, main]
        return np.stack([numbers, numbers - numbers[:1]])

    estimate = bootstrap(values, images[1::2], draws=draws)
    choices = []
    for column, i in enumerate(main):
        row = rows.index(best[i])
        value, difference = (
            Estimate(*(float(part[kind, row, column]) for part in estimate))
            for kind in (0, 1)
        )
        choices.append(
            Choice(same[0].names[i], names[best[i]], value, difference)
        )
    return choices
