"""A diagnosis as JSON and as a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from .diagnosis import KINDS, PARTS, Diagnosis
from .diagnosis_data import DECODER
from .findings import Findings
from .report import markdown


def as_record(findings: Findings) -> dict[str, Any]:
    """Return all results, for JSON."""
    case, radius, parts, found, warning, expected = findings
    record: dict[str, Any] = dict(
        dump=case.name,
        decoder=DECODER,
        people=len(case.image_ids),
        images=len(np.unique(case.image_ids)),
        input_size=case.input_size,
        heatmap_size=case.heatmap_size,
    )
    if found is not None:
        record['alignment'] = dict(
            verdict=found.verdict,
            reason=found.reason,
            configured=case.configured,
            warning=warning,
            offset_px=found.offset,
            scatter_px=found.scatter,
            signatures_px=found.signatures,
        )
    if parts is not None:
        border = parts.border
        record['error'] = dict(
            size=case.size,
            radius=radius,
            people_without_size=parts.left_out,
            keypoints=(parts.kinds >= 0).sum(),
            shares={kind: parts.shares.at(i) for i, kind in enumerate(KINDS)},
            offset_px=parts.offset,
            offset_input_px=parts.offset.times(parts.stride),
            explained_px=expected,
            scatter_px=parts.scatter,
            scatter_input_px=parts.scatter.times(parts.stride),
            mean_error_px=parts.error,
            mean_error_input_px=parts.error_input,
            border=dict(
                keypoints=border.keypoints,
                error=border.error,
                **dict(zip(KINDS, border.kinds)),
            ),
        )
    return record


def as_page(findings: Findings, picture: str) -> str:
    """Return the report in markdown, with a link to the picture."""
    case, _, parts, *_ = findings
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
        sections += [
            _error_section(findings, parts),
            _offset_section(parts, findings.expected),
        ]
    else:
        sections.append('## Error\n\nNothing is labelled.')
    return '\n\n'.join(sections) + '\n'


def _alignment_section(findings: Findings) -> str:
    case, found = findings.case, findings.found
    if found is None:
        return (
            '## Alignment\n\n'
            'Not known: that takes a flip test (`model.test_cfg.flip_test`).'
        )
    text = f'## Alignment\n\n**{found.verdict}**: {found.reason}.\n\n'
    if findings.warning:
        text += f'**Warning**: {findings.warning}.\n\n'
    elif case.configured:
        text += f'The config agrees: `{case.configured}`.\n\n'
    theory = found.signatures
    table = [
        [
            axis,
            found.offset.at(i).text(),
            *(f'{x if axis == "x" else 0:.3f}' for x in theory.values()),
            f'{found.scatter[i]:.3f}',
        ]
        for i, axis in enumerate('xy')
    ]
    header = ['plain - un-flipped, heatmap px', 'median']
    header += [*(f'theory: {name}' for name in theory), 'scatter']
    return text + markdown(header, table)


def _error_section(findings: Findings, parts: Diagnosis) -> str:
    case, radius = findings.case, findings.radius
    total = sum(parts.error.values())
    rows = []
    for part in PARTS:
        kind = 'hit' if part == 'scatter' else part
        share = border = ''
        if kind in KINDS:
            i = KINDS.index(kind)
            share = parts.shares.at(i).times(100).text(1)
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
    text = (
        f'{(parts.kinds >= 0).sum()} labelled keypoints; a hit lies within '
        f"{radius:g} times the {case.size}'s size after the constant offset "
        'is removed. Peaks at the border make '
        f'{_percent(parts.border.error)} % of the error.'
    )
    if parts.left_out:
        text += f' {parts.left_out} people without a {case.size} are left out.'
    return f'## Error\n\n{text}\n\n{markdown(header, rows)}'


def _offset_section(parts: Diagnosis, expected: np.ndarray | None) -> str:
    rows = []
    for i, axis in enumerate('xy'):
        offset = parts.offset.at(i)
        explained = left = 'not known'
        if expected is not None:
            explained = f'{expected[i]:.3f}'
            left = f'{offset.value - expected[i]:.3f}'
        scatter = parts.scatter.value[i]
        rows.append(
            [
                axis,
                offset.text(),
                offset.times(parts.stride[i]).text(2),
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


def _percent(share: float) -> str:
    return '' if np.isnan(share) else f'{100 * share:.1f}'
