"""The table, and the report that shows it."""

from __future__ import annotations

from typing import Any

from .scores import BASELINES, Score, best, gain

_PAGE = """# Quickstart: DARK on synthetic figures

{run}

{table}
All rows decode the same heatmaps of one checkpoint, trained with DARK's
unbiased encoding. AP and AP75 are COCO's, in percent. Errors are distances in
px of the images. Bold: the least error, and the errors whose difference from
it has an interval that holds 0, if there are any. The intervals come from
drawing the {test_figures} figures anew, so they tell nothing about another
training.

## Predictions

DARK's, on the first test figures: none was picked.

![predictions](predictions.png)

## Modulation

A predicted heatmap before and after modulation (Eq. 10-11), as the paper's
Fig. 3, with the decoded points and the truth. Above, of the half of the
heatmaps with the higher maxima, the one in which modulation moves the point
farthest; below, the keypoint whose error under DARK is the median.

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


def render_table(scores: dict[str, Score]) -> str:
    """Return the table, aligned for a terminal, and what it says."""
    winners = best(scores)
    heads = ['decoder', 'AP', 'AP75', 'error, px']
    heads += [f'less than {other} [95 %]' for other in BASELINES]
    rows = []
    for number, (name, score) in enumerate(scores.items()):
        error = f'{score.errors.mean():.2f}'
        rows.append(
            [
                name,
                *(f'{100 * score.metrics[key]:.1f}' for key in heads[1:3]),
                f'**{error}**' if name in winners else error,
                *(
                    gain(scores, name, other).text(2) if number > i else ''
                    for i, other in enumerate(BASELINES)
                ),
            ]
        )
    widths = [max(map(len, column)) for column in zip(heads, *rows)]
    rule = [
        '-' * widths[0],
        *('-' * (width - 1) + ':' for width in widths[1:]),
    ]
    lines = [
        [line[0].ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        for line in (heads, rule, *rows)
    ]
    table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
    return f'{table}\n\n{_finding(winners)}\n'


def _finding(winners: list[str]) -> str:
    if len(winners) == 1:
        return f'The least error: {winners[0]}.'
    return (
        f'The least error: {", ".join(winners)}.\nNot distinguishable: the '
        'intervals of their differences hold 0.'
    )


def render_report(table: str, record: dict[str, Any]) -> str:
    """Return the page that shows table and pictures.

    Args:
        table (str): From :func:`render_table`.
        record (dict): As in ``table.json``.
    """
    machine = record['machine']
    versions = ', '.join(f'{name} {machine[name]}' for name in _VERSIONS)
    run = (
        f'Measured on {machine["date"]} on {machine["processor"]}, '
        f'{machine["cores"]} cores, device {machine["device"]}, with '
        f'{versions}. {record["epochs"]} epochs of {record["figures"]} '
        f'figures, seed {record["seed"]}.'
    )
    return _PAGE.format(run=run, table=table, **record)
