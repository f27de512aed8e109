"""Every decoder and both scores on a dump, beside the published numbers."""

from __future__ import annotations

from typing import Any

from dark_codec.analysis.comparison import (
    build_codecs,
    decode_dump,
    intervals,
    score_decoding,
)
from dark_codec.analysis.decoders_by_name import DEFAULTS, SHORT
from dark_codec.analysis.report import markdown
from dark_codec.dumps.reader import HeatmapDump

SCORED = ('dark-max', 'fit')  # by expected OKS as well
# by their names in metafiles
METRICS = {'AP': 'coco/AP', 'AP@0.75': 'coco/AP .75', 'AR': 'coco/AR'}


def measure(dump: HeatmapDump, own: str, draws: int) -> list[dict[str, Any]]:
    """Decode a dump in all ways, and score each.

    Args:
        dump (HeatmapDump): Of a network.
        own (str): The decoder of its config; the first row, with which the
            others are compared.
        draws (int): Resamples of the images.

    Returns:
        list[dict]: Rows with ``decoder``, ``scores``, ``metrics`` and, of
        AP, ``interval`` and ``difference`` as (value, low, high).
    """
    names = sorted(DEFAULTS['patch'], key=lambda name: name != own)
    sigmas = [float(s) for s in dump.info.dataset_meta['sigmas']]
    oks = dict(type='ExpectedOKS', sigmas=sigmas)
    codecs = {
        (name, 'height'): codec
        for name, codec in build_codecs(
            dump, {name: SHORT[name] for name in names}
        ).items()
    }
    scored = {name: SHORT[name] for name in names if name in SCORED}
    for name, codec in build_codecs(dump, scored, scores=oks).items():
        codecs[name, 'expected OKS'] = codec
    scores = {
        key: score_decoding(dump, decoding)
        for key, decoding in decode_dump(dump, codecs).items()
    }
    found = intervals(scores, draws)
    return [
        dict(
            decoder=decoder,
            scores=kind,
            metrics={
                name: scores[decoder, kind].metrics[key]
                for name, key in METRICS.items()
            },
            interval=found[decoder, kind]['coco/AP'].value,
            difference=found[decoder, kind]['coco/AP'].difference,
        )
        for decoder, kind in scores
    ]


def table(rows: list[dict[str, Any]], published: dict[str, float]) -> str:
    """Make the table of a network, in markdown.

    Args:
        rows (list[dict]): From :func:`measure`, with ``flip_test``.
        published (dict[str, float]): Of the network.
    """
    header = ['flip test', 'decoder', 'scores', 'AP', 'AP - first row']
    header += [f'{name} - published' for name in METRICS]
    lines = []
    for row in rows:
        cells = [
            'yes' if row['flip_test'] else 'no',
            row['decoder'],
            row['scores'],
            row['interval'].text(4),
            row['difference'].text(4),
        ]
        for name in METRICS:
            value = row['metrics'][name]
            against = published.get(name)
            cells.append(
                f'{value:.4f}'
                if against is None
                else f'{value:.4f} - {against:.3f} = {value - against:+.4f}'
            )
        lines.append(cells)
    return markdown(header, lines, text=(0, 1, 2))
