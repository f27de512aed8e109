"""The picture of a diagnosis: cloud, flip offset, and shares."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from _diagnose_data import Case
from matplotlib.axes import Axes

from dark_codec.evaluation.diagnosis import KINDS, PARTS, Diagnosis
from dark_codec.evaluation.flip_offset import FlipOffset
from dark_codec.visualization import COLORS, MARKERS

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402

_BLUE, _ORANGE, _GREEN, _PINK, _LIGHT, _RED = COLORS
# of kinds and parts
_FILLS = dict(
    offset=_RED, scatter=_LIGHT, hit=_LIGHT, swap=_ORANGE, miss=_PINK
)
_LINES = (dict(color=_RED, ls='--'), dict(color=_GREEN, ls=':'))
_NARROW = 0.04  # a bar that leaves no room for its number


def draw(
    case: Case,
    parts: Diagnosis | None,
    found: FlipOffset | None,
    expected: np.ndarray | None,
    path: Path,
) -> None:
    """Draw what there is.

    Args:
        case: The predictions.
        parts: Of the error, if there are labels.
        found: The alignment, if there are un-flipped predictions.
        expected: The offset that it explains, (x, y) in heatmap px.
        path: The file to write.
    """
    panels = 2 * (parts is not None) + (found is not None)
    figure, axes = plt.subplots(
        1, panels, figsize=(4.7 * panels, 4.9), layout='constrained'
    )
    axes = iter(np.atleast_1d(axes))
    if found is not None:
        draw_flip_offset(next(axes), case.plain - case.unflipped, found)
    if parts is not None:
        residuals = case.keypoints.points - case.keypoints.truth
        draw_cloud(next(axes), residuals, parts, expected)
        draw_shares(next(axes), parts)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_flip_offset(
    ax: Axes, apart: np.ndarray, found: FlipOffset
) -> Axes:
    """How far plain predictions lie from un-flipped ones, beside theory."""
    x, low, high = (float(part[0]) for part in found.offset)
    reach = max(3 * found.scatter[0], 1.5)
    bins = np.linspace(x - reach, x + reach, 61)
    ax.hist(apart[..., 0].ravel(), bins, color=_LIGHT, label='keypoints')
    for (name, value), style in zip(found.signatures.items(), _LINES):
        ax.axvline(value, lw=2, label=f'theory: {name}, {value:.2f}', **style)
    top = ax.get_ylim()[1]
    ax.errorbar(
        x,
        1.06 * top,
        xerr=[[x - low], [high - x]],
        fmt='kD',
        capsize=4,
        label=f'median {x:.2f} [{low:.2f}, {high:.2f}]',
    )
    ax.set_ylim(0, 1.14 * top)
    ax.set_title(f'The maps speak for: {found.verdict}')
    ax.set_xlabel('x: plain - un-flipped (heatmap px)')
    ax.set_ylabel('keypoints')
    _legend_below(ax)
    return ax


def draw_cloud(
    ax: Axes,
    residuals: np.ndarray,
    parts: Diagnosis,
    expected: np.ndarray | None,
) -> Axes:
    """Where predictions lie, seen from the truth."""
    hits = residuals[parts.kinds == KINDS.index('hit')]
    ax.plot(*hits.T, '.', color=_LIGHT, ms=3, alpha=0.5, label='hits')
    ax.axhline(0, color='0.4', lw=1)
    ax.axvline(0, color='0.4', lw=1)
    (x, y), low, high = parts.offset
    wide, high_ = parts.scatter.value
    ax.errorbar(
        x,
        y,
        xerr=wide,
        yerr=high_,
        color=_BLUE,
        label='scatter, one standard deviation',
    )
    ax.errorbar(
        x,
        y,
        xerr=[[x - low[0]], [high[0] - x]],
        yerr=[[y - low[1]], [high[1] - y]],
        color='k',
        marker=MARKERS[3],
        ms=5,
        capsize=4,
        lw=2,
        zorder=5,
        label=f'constant offset {x:.2f}, {y:.2f}',
    )
    if expected is not None:
        ax.plot(
            *expected,
            ls='',
            marker=MARKERS[1],
            ms=9,
            mfc='none',
            mew=2,
            color=_RED,
            zorder=4,
            label=f'explained by the alignment: {expected[0]:.2f}, '
            f'{expected[1]:.2f}',
        )
    reach = 3.5 * max(wide, high_) + max(abs(x), abs(y))
    ax.set_xlim(-reach, reach)
    ax.set_ylim(reach, -reach)
    ax.set_aspect('equal')
    ax.set_title('Predictions round the true place')
    ax.set_xlabel('x: prediction - truth (heatmap px)')
    ax.set_ylabel('y: prediction - truth (heatmap px)')
    _legend_below(ax)
    return ax


def draw_shares(ax: Axes, parts: Diagnosis) -> Axes:
    """What keypoints are, what the error is made of, and the border."""
    total = sum(parts.error.values()) or 1.0
    bars = {
        'keypoints': dict(zip(KINDS, parts.shares.value)),
        'error': {part: parts.error[part] / total for part in PARTS},
    }
    for row, (name, shares) in enumerate(bars.items()):
        start = 0.0
        for part, share in shares.items():
            ax.barh(row, share, left=start, color=_FILLS[part], ec='w')
            if share > _NARROW:
                text = f'{100 * share:.0f} %'
                ax.text(start + share / 2, row, text, ha='center', va='center')
            start += share
    border = (parts.border.keypoints, parts.border.error)
    for row, share in enumerate(border, start=len(bars)):
        ax.barh(row, share, color='0.5')
        ax.text(share + 0.02, row, f'{100 * share:.1f} %', va='center')
    labels = [*bars, 'keypoints with\na peak at\nthe border', 'their error']
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.5, 1], ['0', '50 %', '100 %'])
    ax.set_title(f'Where the error of {total:.2f} heatmap px comes from')
    names = dict(
        hit='hits; error: scatter',
        offset='constant offset',
        swap='swaps of left and right',
        miss='misses',
    )
    for part, text in names.items():
        ax.bar(0, 0, color=_FILLS[part], label=text)
    _legend_below(ax, columns=2)
    return ax


def _legend_below(ax: Axes, columns: int = 1) -> None:
    ax.legend(
        loc='upper center',
        bbox_to_anchor=(0.5, -0.14),
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
