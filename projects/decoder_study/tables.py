"""The tables of the study on real heatmaps, as markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dark_codec.analysis.bootstrap import (
    Estimate,
    bootstrap,
    bootstrap_mean,
)
from dark_codec.analysis.report import markdown
from projects.decoder_study.maps import (
    EXACT_SHIFT,
    MMPOSE_SHIFT,
    cut_at_border,
    flip_average,
)
from projects.decoder_study.scores import (
    BASELINE,
    MMPOSE,
    THRESHOLDS,
    Decode,
    Scores,
    Swept,
    decode,
    score,
)
from projects.shared_data import Maps

PCKS = [f'PCK@{threshold:g}' for threshold in THRESHOLDS]
BORDER_DISTANCES = range(5)


def difference(estimate: Estimate, digits: int = 2) -> list[str]:
    """Each entry as `+0.10 [-0.20, +0.40]`, bold where 0 is outside."""
    texts = []
    for value, low, high in zip(*(np.atleast_1d(part) for part in estimate)):
        # adding 0 makes a rounded -0.00 a +0.00
        value, low, high = (round(x, digits) + 0.0 for x in (value, low, high))
        text = f'{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]'
        texts.append(f'**{text}**' if low > 0 or high < 0 else text)
    return texts


def absolute(estimate: Estimate, digits: int = 2) -> list[str]:
    """Each entry as `84.87 [81.10, 88.30]`."""
    return [
        f'{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]'
        for value, low, high in zip(*(np.atleast_1d(p) for p in estimate))
    ]


def score_all(maps: Maps, decoders: dict[str, Decode]) -> dict[str, Scores]:
    """Score each decoder on a set of maps."""
    return {
        name: score(decode_maps(maps.heatmaps), maps)
        for name, decode_maps in decoders.items()
    }


def absolute_table(scores: dict[str, Scores]) -> str:
    """PCK and errors of each decoder, with intervals."""
    rows = [
        [
            name,
            *absolute(bootstrap_mean(entry.per_image)),
            f'{np.median(entry.distances):.3f}',
        ]
        for name, entry in scores.items()
    ]
    return markdown(['decoder', *PCKS, 'mean error', 'median error'], rows)


def paired_table(scores: dict[str, Scores]) -> str:
    """Differences from the baseline, with intervals."""
    baseline = scores[BASELINE]
    rows = []
    for name, entry in scores.items():
        if name != BASELINE:
            estimate = entry.against(baseline)
            *pck, error = zip(*estimate)
            rows.append(
                [
                    name,
                    *(difference(Estimate(*part))[0] for part in pck),
                    difference(Estimate(*error), 3)[0],
                ]
            )
    return markdown([f'against {BASELINE}', *PCKS, 'mean error'], rows)


def offset_influence(maps: Maps, points: np.ndarray) -> float:
    """Return how far intervals move when the offset is estimated anew.

    The largest change of an end of the three PCKs' intervals, when the
    median is taken in each resample again.
    """

    def pck(errors: np.ndarray, torso: np.ndarray) -> list[float]:
        errors = errors - np.median(errors, (0, 1))
        distance = np.linalg.norm(errors, axis=-1) / torso[:, None]
        return [100 * (distance < share).mean() for share in THRESHOLDS]

    anew = bootstrap(pck, points - maps.truth, maps.torso, draws=1000)
    # the same resamples with the offset of all images
    fixed = score(points, maps).per_image[:, :3]
    fixed = bootstrap(lambda values: values.mean(0), fixed, draws=1000)
    ends = [np.subtract(a, b) for a, b in zip(anew[1:], fixed[1:])]
    return float(np.abs(ends).max())


def sweep_scores(
    swept: Sequence[Swept], maps: Maps
) -> list[tuple[Swept, Scores]]:
    """Score the whole sweep on a set of maps."""
    return [
        (entry, score(decode(entry.decoder, maps.heatmaps), maps))
        for entry in swept
    ]


def sweep_table(
    sweep: Sequence[tuple[Swept, Scores]], baseline: Scores
) -> str:
    """PCKs with their differences from the baseline, for every kernel."""
    rows = []
    for entry, scores in sweep:
        means = scores.per_image.mean(0)
        texts = difference(scores.against(baseline))
        cells = [f'{mean:.2f}; {text}' for mean, text in zip(means[:3], texts)]
        rows.append(
            [
                f'{entry.family}; {entry.kernel}',
                f'{entry.width:.2f}',
                *cells,
                f'{means[3]:.3f}',
                f'{np.median(scores.distances):.3f}',
            ]
        )
    header = ['decoder; kernel', 'width', *PCKS, 'mean error', 'median error']
    return markdown(header, rows)


def offset_table(
    plain: Maps, flipped: Maps, decoders: dict[str, Decode]
) -> str:
    """Constant offsets, and how far plain and un-flipped maps are apart."""
    rows = []
    for name, decode_maps in decoders.items():
        first, second = (
            decode_maps(maps.heatmaps) for maps in (plain, flipped)
        )
        apart = first - second
        middle = np.median(apart, (0, 1))
        scatter = 1.4826 * np.median(np.abs(apart - middle), (0, 1))
        pairs = [
            score(first, plain).offset,
            score(second, flipped).offset,
            middle,
            scatter,
        ]
        rows.append([name, *(f'{x:.3f}, {y:.3f}' for x, y in pairs)])
    header = ['decoder', 'plain', 'un-flipped', 'apart', 'scatter']
    return markdown(header, rows)


def shift_table(
    plain: Maps, flipped: Maps, decoders: dict[str, Decode]
) -> str:
    """Three ways to shift before the flip average."""
    rows = []
    for name, decode_maps in decoders.items():
        reference = None
        for shift in (MMPOSE_SHIFT, EXACT_SHIFT, 0.0):
            maps = flip_average(plain, flipped.heatmaps, shift)
            entry = score(decode_maps(maps.heatmaps), maps)
            reference = reference or entry
            x, y = entry.offset
            texts = difference(entry.against(reference))[:3]
            same = entry is reference
            means = [f'{mean:.2f}' for mean in entry.per_image.mean(0)[:3]]
            rows.append(
                [
                    f'{name}; shift {shift:g}',
                    f'{x:.3f}, {y:.3f}',
                    *(means if same else texts),
                ]
            )
    return markdown(['decoder', 'offset', *PCKS], rows)


def border_table(
    maps: Maps, decoders: dict[str, Decode]
) -> tuple[str, dict[str, list[Estimate]]]:
    """PCK@0.05 where a border cuts peaks off, against MMPose's own code.

    Returns:
        The table, and for each decoder and distance the PCK@0.05.
    """
    offsets = {
        name: score(decode_maps(maps.heatmaps), maps).offset
        for name, decode_maps in decoders.items()
    }
    rows, curves = [], {name: [] for name in decoders}
    for distance in BORDER_DISTANCES:
        cut = cut_at_border(maps.heatmaps, distance)
        hits = {}
        for name, decode_maps in decoders.items():
            points = cut.to_whole(decode_maps(cut.heatmaps))
            entry = score(points, maps, offsets[name])
            hits[name] = entry.per_image[:, 2]
            curves[name].append(bootstrap_mean(hits[name]))
        rows.append(
            [str(distance), f'{hits[MMPOSE].mean():.2f}']
            + [
                difference(bootstrap_mean(values - hits[MMPOSE]))[0]
                for name, values in hits.items()
                if name != MMPOSE
            ]
        )
    others = [name for name in decoders if name != MMPOSE]
    return markdown(['px from the border', MMPOSE, *others], rows), curves
