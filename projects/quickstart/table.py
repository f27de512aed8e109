"""The table: as markdown for people, as json for programs."""

from __future__ import annotations

from typing import Any

from dark_codec.analysis.bootstrap import Estimate
from dark_codec.analysis.markdown import markdown

from .evaluation import Score

METRICS = {'AP': 'AP', 'AP50': 'AP .5', 'AP75': 'AP .75', 'AR': 'AR'}


def score_table(scores: dict[str, Score]) -> str:
    """A table with one row a decoder; metrics in percent, as in the paper."""
    heads = [
        'decoder',
        *METRICS,
        'error, px [95 %]',
        'less than argmax, px [95 %]',
    ]
    rows = []
    for name, score in scores.items():
        percent = [
            f'{100 * score.metrics[f"coco/{key}"]:.1f}'
            for key in METRICS.values()
        ]
        gain = '' if name == 'argmax' else interval(score.gain)
        rows.append([name, *percent, interval(score.error), gain])
    return markdown(heads, rows) + '\n'


def interval(estimate: Estimate) -> str:
    """An estimate with its interval, three decimals."""
    value, low, high = (f'{part:.3f}' for part in estimate)
    return f'{value} [{low}, {high}]'


def table_rows(scores: dict[str, Score]) -> list[dict[str, Any]]:
    """The same for json; metrics 0 to 1, errors in image px."""
    return [
        dict(
            decoder=name,
            **{
                head: float(score.metrics[f'coco/{key}'])
                for head, key in METRICS.items()
            },
            error_px=score.error._asdict(),
            less_than_argmax_px=score.gain._asdict(),
        )
        for name, score in scores.items()
    ]
