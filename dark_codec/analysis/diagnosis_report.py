"""A diagnosis as JSON and as a page."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .bootstrap import Estimate
from .diagnosis import KINDS, PARTS, Diagnosis
from .diagnosis_data import DECODER, Case
from .flip_offset import FlipOffset
from .markdown import markdown


class Findings(NamedTuple):
    """Results of a diagnosis.

    Attributes:
        case (Case): The diagnosed predictions.
        radius (float): Of a hit, as a share of the case's size.
        parts (Diagnosis, optional): Of the error, if there are labels.
        found (FlipOffset, optional): If there are un-flipped predictions.
        warning (str): Empty if the config's alignment is right.
        expected (np.ndarray, optional): Offset that the alignment explains,
            (x, y) in heatmap px.
    """

    case: Case
    radius: float
    parts: Diagnosis | None
    found: FlipOffset | None
    warning: str
    expected: np.ndarray | None


def as_json(findings: Findings) -> dict[str, Any]:
    """Return all results, with lists for arrays."""
    case, radius, parts, found, warning, expected = findings
    result: dict[str, Any] = dict(
        dump=case.name,
        decoder=DECODER,
        people=len(case.image_ids),
        images=len(np.unique(case.image_ids)),
        input_size=list(case.input_size),
        heatmap_size=list(case.heatmap_size),
    )
    if found is not None:
        result['alignment'] = dict(
            verdict=found.verdict,
            reason=found.reason,
            configured=case.configured,
            warning=warning,
            offset_px=_numbers(found.offset),
            scatter_px=found.scatter.tolist(),
            signatures_px=found.signatures,
        )
    if parts is not None:
        result['error'] = dict(
            size=case.size,
            radius=radius,
            people_without_size=parts.left_out,
            keypoints=int((parts.kinds >= 0).sum()),
            shares=_named(KINDS, parts.shares),
            offset_px=_numbers(parts.offset),
            offset_input_px=_numbers(_scaled(parts.offset, parts.stride)),
            explained_px=None if expected is None else expected.tolist(),
            scatter_px=_numbers(parts.scatter),
            scatter_input_px=_numbers(_scaled(parts.scatter, parts.stride)),
            mean_error_px=parts.error,
            mean_error_input_px=parts.error_input,
            border=dict(
                keypoints=parts.border.keypoints,
                error=parts.border.error,
                **dict(zip(KINDS, _finite(parts.border.kinds))),
            ),
        )
    return result


def _finite(values: np.ndarray) -> list[float | None]:
    """Replace NaN, which JSON lacks, by None."""
    return [float(x) if np.isfinite(x) else None for x in values]


def _numbers(estimate: Estimate) -> dict[str, list[float | None]]:
    return {name: _finite(part) for name, part in estimate._asdict().items()}


def _named(names: tuple[str, ...], estimate: Estimate) -> dict[str, dict]:
    parts = {name: _finite(part) for name, part in estimate._asdict().items()}
    return {
        kind: {part: values[i] for part, values in parts.items()}
        for i, kind in enumerate(names)
    }


def _scaled(estimate: Estimate, stride: np.ndarray) -> Estimate:
    return Estimate(*(part * stride for part in estimate))


def as_page(findings: Findings, picture: str) -> str:
    """Return the report in markdown, with a link to the picture."""
    case, _, parts, found, *_ = findings
    width, height = case.input_size
    columns, rows = case.heatmap_size
    sections = [
        f'# Diagnosis of {case.name}\n\n{len(case.image_ids)} people in '
        f'{len(np.unique(case.image_ids))} images, input {width}x{height}, '
        f'heatmaps {columns}x{rows} (w x h), decoded by `{DECODER}`. '
        'Intervals hold 95 %. docs/diagnosis.md says what all numbers mean.'
        f'\n\n![Diagnosis]({picture})',
        _alignment_section(findings),
    ]
    if parts is not None:
        sections += [_error_section(findings), _offset_section(findings)]
    else:
        sections.append('## Error\n\nNothing is labelled.')
    return '\n\n'.join(sections) + '\n'


def _alignment_section(findings: Findings) -> str:
    case, found = findings.case, findings.found
    lines = ['## Alignment', '']
    if found is None:
        lines.append(
            'Not known: that takes a flip test (`model.test_cfg.flip_test`).'
        )
        return '\n'.join(lines)
    lines += [f'**{found.verdict}**: {found.reason}.', '']
    if findings.warning:
        lines += [f'**Warning**: {findings.warning}.', '']
    elif case.configured:
        lines += [f'The config agrees: `{case.configured}`.', '']
    theory = found.signatures
    table = [
        [
            axis,
            _interval(found.offset, i),
            *(f'{x if axis == "x" else 0:.3f}' for x in theory.values()),
            f'{found.scatter[i]:.3f}',
        ]
        for i, axis in enumerate('xy')
    ]
    header = ['plain - un-flipped, heatmap px', 'median']
    header += [*(f'theory: {name}' for name in theory), 'scatter']
    return '\n'.join([*lines, markdown(header, table)])


def _error_section(findings: Findings) -> str:
    case, radius, parts, *_ = findings
    assert parts is not None
    total = sum(parts.error.values())
    rows = []
    for part in PARTS:
        kind = 'hit' if part == 'scatter' else part
        share = border = ''
        if kind in KINDS:
            i = KINDS.index(kind)
            share = _interval(parts.shares, i, 100, 1)
            border = _percent(parts.border.kinds[i])
        rows.append(
            [
                f'hits: {part}' if part in PARTS[:2] else part,
                share,
                f'{parts.error[part]:.3f}',
                f'{parts.error_input[part]:.3f}',
                _percent(parts.error[part] / total if total else 0.0),
                border,
            ]
        )
    everything = (total, sum(parts.error_input.values()))
    rows.append(
        ['all', '100', *(f'{x:.3f}' for x in everything), '100.0']
        + [_percent(parts.border.keypoints)]
    )
    header = ['', 'keypoints, %', 'mean error, heatmap px', 'input px']
    header += ['share of the error, %', 'peak at the border, %']
    count = int((parts.kinds >= 0).sum())
    text = (
        f'{count} labelled keypoints; a hit lies within {radius:g} times the '
        f"{case.size}'s size after the constant offset is removed. Peaks at "
        f'the border make {_percent(parts.border.error)} % of the error.'
    )
    if parts.left_out:
        text += f' {parts.left_out} people without a {case.size} are left out.'
    return f'## Error\n\n{text}\n\n{markdown(header, rows)}'


def _offset_section(findings: Findings) -> str:
    parts, expected = findings.parts, findings.expected
    assert parts is not None
    in_input = _scaled(parts.offset, parts.stride)
    rows = []
    for i, axis in enumerate('xy'):
        explained = left = 'not known'
        if expected is not None:
            explained = f'{expected[i]:.3f}'
            left = f'{parts.offset.value[i] - expected[i]:.3f}'
        scatter = parts.scatter.value[i]
        rows.append(
            [
                axis,
                _interval(parts.offset, i),
                _interval(in_input, i, digits=2),
                explained,
                left,
                f'{scatter:.3f}',
                f'{scatter * parts.stride[i]:.2f}',
            ]
        )
    header = ['prediction - truth of the hits', 'offset, heatmap px']
    header += ['input px', 'by the alignment, heatmap px', 'left, heatmap px']
    header += ['scatter, heatmap px', 'input px']
    return f'## Constant offset and scatter\n\n{markdown(header, rows)}'


def _interval(
    estimate: Estimate, index: int, factor: float = 1, digits: int = 3
) -> str:
    value, low, high = (
        f'{factor * part[index]:.{digits}f}' for part in estimate
    )
    return f'{value} [{low}, {high}]'


def _percent(share: float) -> str:
    return '' if np.isnan(share) else f'{100 * share:.1f}'
