"""The table: as markdown for people, as json for programs."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device

import dark_codec
from dark_codec.analysis.bootstrap import Estimate

from .evaluation import Score

METRICS = {'AP': 'AP', 'AP50': 'AP .5', 'AP75': 'AP .75', 'AR': 'AR'}
_PACKAGES = ('torch', 'mmpose', 'mmengine', 'numpy')


def markdown(scores: dict[str, Score]) -> str:
    """A table with one row a decoder; metrics in percent, as in the paper."""
    heads = [
        'decoder',
        *METRICS,
        'error, px [95 %]',
        'less than argmax, px [95 %]',
    ]
    rows = [heads, ['---', *['---:'] * (len(heads) - 1)]]
    for name, score in scores.items():
        percent = [
            f'{100 * score.metrics[f"coco/{key}"]:.1f}'
            for key in METRICS.values()
        ]
        gain = '' if name == 'argmax' else interval(score.gain)
        rows.append([name, *percent, interval(score.error), gain])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows) + '\n'


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


def environment() -> dict[str, Any]:
    """Command, versions and machine."""
    versions = {name: version(name) for name in _PACKAGES}
    return dict(
        command=shlex.join(sys.argv),
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        versions=dict(
            python=platform.python_version(),
            dark_codec=dark_codec.__version__,
            **versions,
        ),
        machine=machine(),
    )


def machine() -> dict[str, Any]:
    """Processor, number of cores, and device of the network."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        models = [line for line in lines if line.startswith('model name')]
        name = models[0].split(':')[1].strip() if models else name
    return dict(
        processor=name,
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        device=get_device(),
        system=platform.platform(),
    )
