"""The picture of a diagnosis: flip offset, residuals, and shares."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .diagnosis import KINDS, PARTS, Diagnosis
from .findings import Findings
from .flip_offset import FlipOffset
from .report import error_bars
from .visualization import COLORS, MARKERS

_BLUE, _ORANGE, _GREEN, _PINK, _LIGHT, _RED = COLORS
# of kinds and parts
_FILLS = dict(
    offset=_RED, scatter=_LIGHT, hit=_LIGHT, swap=_ORANGE, miss=_PINK
)
_LINES: tuple[dict[str, Any], ...] = (
    dict(color=_RED, ls='--'),
    dict(color=_GREEN, ls=':'),
)
_MIN_LABELLED = 3.5  # in %: a bar with no room for its number


def draw(findings: Findings) -> Figure:
    """Draw the available parts of a diagnosis."""
    parts, found = findings.parts, findings.found
    case: Any = findings.case  # has what `parts` and `found` are made from
    panels = 2 * (parts is not None) + (found is not None)
    figure = Figure(figsize=(4.7 * panels, 4.9), layout='constrained')
    axes = iter(figure.subplots(1, panels, squeeze=False)[0])
    if found is not None:
        _draw_flip_offset(next(axes), found, case.plain - case.unflipped)
    if parts is not None:
        residuals = case.keypoints.points - case.keypoints.truth
        _draw_residuals(next(axes), residuals, parts, findings.expected)
        _draw_shares(next(axes), parts)
    return figure


def _draw_flip_offset(ax: Axes, found: FlipOffset, apart: np.ndarray) -> None:
    """Draw how far plain and un-flipped predictions lie apart, and theory."""
    x = float(found.offset.value[0])
    reach = max(3 * found.scatter[0], 1.5)
    bins = np.linspace(x - reach, x + reach, 61)
    ax.hist(apart[..., 0].ravel(), bins, color=_LIGHT, label='keypoints')
    signatures = found.signatures.items()
    for (name, value), style in zip(signatures, cycle(_LINES)):
        ax.axvline(value, lw=2, label=f'theory: {name}, {value:.3f}', **style)
    top = ax.get_ylim()[1]
    ax.errorbar(
        x,
        1.06 * top,
        xerr=error_bars(found.offset)[:, :1],
        fmt='kD',
        capsize=4,
        label=f'median {found.offset.at(0).text()}',
    )
    ax.set_ylim(0, 1.14 * top)
    ax.set_title(f'The heatmaps fit: {found.verdict}')
    ax.set_xlabel('x: plain - un-flipped (heatmap px)')
    ax.set_ylabel('keypoints')
    _legend_below(ax)


def _draw_residuals(
    ax: Axes,
    residuals: np.ndarray,
    parts: Diagnosis,
    expected: np.ndarray | None,
) -> None:
    """Draw the residuals, prediction - truth."""
    hits = residuals[parts.kinds == KINDS.index('hit')]
    ax.plot(*hits.T, '.', color=_LIGHT, ms=3, alpha=0.5, label='hits')
    ax.axhline(0, color='0.4', lw=1)
    ax.axvline(0, color='0.4', lw=1)
    x, y = parts.offset.value
    wide, high = parts.scatter.value
    ax.errorbar(
        x,
        y,
        xerr=wide,
        yerr=high,
        color=_BLUE,
        label='scatter, one standard deviation',
    )
    ax.errorbar(
        x,
        y,
        xerr=error_bars(parts.offset)[:, :1],
        yerr=error_bars(parts.offset)[:, 1:],
        color='k',
        marker=MARKERS[3],
        ms=5,
        capsize=4,
        lw=2,
        zorder=5,
        label=f'constant offset {x:.3f}, {y:.3f}',
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
            label=f'explained by the alignment: {expected[0]:.3f}, '
            f'{expected[1]:.3f}',
        )
    reach = 3.5 * max(wide, high, 0.2) + max(abs(x), abs(y))
    ax.set_xlim(-reach, reach)
    ax.set_ylim(reach, -reach)
    ax.set_aspect('equal')
    ax.set_title('Predictions round the true place')
    ax.set_xlabel('x: prediction - truth (heatmap px)')
    ax.set_ylabel('y: prediction - truth (heatmap px)')
    _legend_below(ax)


def _draw_shares(ax: Axes, parts: Diagnosis) -> None:
    """Draw shares of the keypoints, of the error, and of the border."""
    total = sum(parts.error.values())
    shares = [
        dict(zip(KINDS, parts.shares.value)),
        {part: parts.error[part] / (total or 1) for part in PARTS},
    ]
    for row, bar in enumerate(shares):
        start = 0.0
        for part, share in bar.items():
            width = 100 * share
            ax.barh(row, width, left=start, color=_FILLS[part], ec='w')
            if width > _MIN_LABELLED:
                middle = start + width / 2
                ax.text(middle, row, f'{width:.0f}', ha='center', va='center')
            start += width
    border = (parts.border.keypoints, parts.border.error)
    for row, share in enumerate(border, start=len(shares)):
        ax.barh(row, 100 * share, color='0.5')
        ax.text(100 * share + 2, row, f'{100 * share:.1f}', va='center')
    labels = ['keypoints', 'mean error']
    labels += ['keypoints\nwith a peak\nat the border', 'their error']
    ax.set_yticks(range(len(labels)), labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.set_xlabel('share (%)')
    ax.set_title(f'Mean error: {total:.2f} heatmap px')
    names = dict(
        hit='hits; error: scatter',
        offset='constant offset',
        swap='swaps of left and right',
        miss='misses',
    )
    for part, text in names.items():
        ax.bar(0, 0, color=_FILLS[part], label=text)
    _legend_below(ax, columns=2)


def _legend_below(ax: Axes, columns: int = 1) -> None:
    ax.legend(
        loc='upper center',
        bbox_to_anchor=(0.5, -0.14),
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
