"""The table: as markdown for people, as json for programs."""

from __future__ import annotations

from typing import Any

from dark_codec.analysis.bootstrap import Estimate
from dark_codec.analysis.report import markdown

from .evaluation import Score

METRICS = {'AP': 'AP', 'AP50': 'AP .5', 'AP75': 'AP .75', 'AR': 'AR'}
SHOWN = ('AP', 'AP75')  # for people


def score_table(scores: dict[str, Score]) -> str:
    """A table with one row a decoder; metrics in percent, as in the paper."""
    heads = [
        'decoder',
        *SHOWN,
        'mean error, px',
        'reduction relative to argmax [95 %]',
        'relative to quarter shift [95 %]',
    ]
    rows = []
    for name, score in scores.items():
        percent = [
            f'{100 * score.metrics[f"coco/{METRICS[key]}"]:.1f}'
            for key in SHOWN
        ]
        error = f'{score.error.value:.2f}'
        gains = [interval(score.gain), interval(score.over_shift)]
        if name == 'argmax':
            gains = ['', '']
        elif name == 'quarter shift':
            gains[1] = ''
        rows.append([name, *percent, error, *gains])
    return markdown(heads, rows) + '\n'


def interval(estimate: Estimate) -> str:
    """An estimate with its interval, two decimals."""
    value, low, high = (f'{part:.2f}' for part in estimate)
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
            less_than_quarter_shift_px=score.over_shift._asdict(),
        )
        for name, score in scores.items()
    ]
