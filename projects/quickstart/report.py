"""The report: table and pictures, with a word on what they mean."""

from __future__ import annotations

from typing import Any

from dark_codec.analysis.bootstrap import Estimate
from dark_codec.analysis.prediction import DARK

from .evaluation import Score
from .table import interval, score_table

_PAGE = """# Quickstart: DARK on synthetic figures

{run}

{table}
{finding}

All rows decode the same heatmaps of one checkpoint, trained with DARK's
unbiased encoding (the paper's Table 1 decodes a network that was trained with
the biased one). AP, AP50, AP75 and AR are COCO's, in percent. Errors are
distances in px of the images, over the {keypoints} keypoints inside them. The
intervals come from drawing the {figures} figures anew, so they tell nothing
about another training. A decoder moves a keypoint by a pixel or so: what the
network takes for something else stays wrong in every row, and weighs most in
the mean error.

## Predictions

DARK's, on the first test figures: none was picked.

![predictions](predictions.png)

## Modulation

A predicted heatmap before and after modulation (Eq. 10-11), with its decoded
points and the truth, as the paper's Fig. 3. Upper row: the heatmap with the
most local maxima, of at least half its maximum, within 3 px of it; looked for
among the keypoints inside the images, in the half with the higher maxima; of
several, the one with the highest maximum. Lower row: the keypoint whose error
under DARK is the median.

![modulation](modulation.png)

## Quantisation

What rounding a keypoint to whole heatmap pixels costs before any network is
trained (Eq. 13), as the paper's Fig. 4, for the keypoint whose error under
floor is the median, and measured on all test figures.

![quantisation](quantisation.png)

## Training

![curve](curve.png)
"""
_VERSIONS = ('python', 'dark_codec', 'torch', 'mmpose', 'mmengine', 'numpy')


def render_report(scores: dict[str, Score], record: dict[str, Any]) -> str:
    """The report in markdown.

    Args:
        scores (dict[str, Score]): By decoder.
        record (dict): As in ``table.json``.

    Returns:
        str: A page that shows the pictures beside it.
    """
    return _PAGE.format(
        run=_run(record),
        table=score_table(scores),
        finding=finding(scores),
        keypoints=record['test_keypoints'],
        figures=record['test_figures'],
    )


def _run(record: dict[str, Any]) -> str:
    machine = record['machine']
    sessions = ', '.join(
        '{first_epoch}-{last_epoch} in {seconds:.0f} s'.format(**session)
        for session in record['sessions']
    )
    versions = ', '.join(f'{name} {machine[name]}' for name in _VERSIONS)
    return (
        f'Measured on {machine["date"]} on {machine["processor"]}, '
        f'{machine["cores"]} cores, device {machine["device"]}, with '
        f'{versions}. {record["epochs"]} epochs on {record["figures"]} '
        f'figures, seed {record["seed"]}: epochs {sessions}; evaluation '
        f'{record["seconds_evaluation"]:.0f} s.'
    )


def finding(scores: dict[str, Score]) -> str:
    """Summarise the table's rows on DARK in a sentence or two."""
    dark = scores[DARK]
    found = [
        _comparison(dark, scores[other], other, gain)
        for other, gain in (
            ('argmax', dark.gain),
            ('quarter shift', dark.over_shift),
        )
    ]
    return f'In this run, {"; ".join(found)}.'


def _comparison(dark: Score, other: Score, name: str, gain: Estimate) -> str:
    delta = 100 * (dark.metrics['coco/AP'] - other.metrics['coco/AP'])
    if gain.low > 0:
        found = f'DARK locates better than {name}'
    elif gain.high < 0:
        found = f'DARK locates worse than {name}'
    else:
        found = f'whether DARK or {name} locates better cannot be told'
    return f'{found} (mean error {interval(gain)} px smaller, AP {delta:+.1f})'
