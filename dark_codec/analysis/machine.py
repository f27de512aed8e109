"""Describe how numbers were measured: command, machine, versions."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import mmengine
import mmpose
import numpy as np
import torch
from mmengine.device import get_device

from ..version import __version__


def devices() -> list[str]:
    """Return the names of the CPU and of an accelerator if present."""
    return list(dict.fromkeys(['cpu', get_device()]))


def describe_run() -> dict[str, Any]:
    """Return the command line, the machine and the numbers of threads."""
    return dict(
        command=shlex.join(sys.argv),
        machine=describe_machine(),
        threads=describe_threads(),
    )


def describe_machine() -> dict[str, str]:
    """Describe processor, versions and load of the machine."""
    versions = dict(
        python=platform.python_version(),
        numpy=np.__version__,
        torch=torch.__version__,
        opencv=cv2.__version__,
        mmengine=mmengine.__version__,
        mmpose=mmpose.__version__,
        dark_codec=__version__,
    )
    machine = dict(
        date=datetime.now(timezone.utc).isoformat(timespec='seconds'),
        processor=_processor(),
        cores=str(_usable_cores()),
        system=platform.platform(),
        device=get_device(),
        **versions,
    )
    if get_device() == 'cuda':
        machine['gpu'] = torch.cuda.get_device_name()
    if hasattr(os, 'getloadavg'):
        machine['load at start'] = f'{os.getloadavg()[0]:.1f}'
    return machine


def describe_threads() -> dict[str, int]:
    """Return how many threads the libraries use."""
    return dict(
        torch=torch.get_num_threads(),
        opencv=cv2.getNumThreads(),
        blas=int(os.environ.get('OMP_NUM_THREADS', _usable_cores())),
    )


def _usable_cores() -> int:
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    cpuinfo = Path('/proc/cpuinfo')
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()
