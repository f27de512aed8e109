"""Decoding and encoding beside MMPose, and transformers' processors.

All methods of a case take turns in one process; the limit is one pass over
the heatmaps, numpy's argmax for decoding and filling them for encoding. Real
heatmaps are those of tests/data, predicted for photographs: many are no
regular peaks. Writes json and markdown, for the codec also a plot. On a busy
machine the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import torch

from dark_codec.analysis.machine import describe_machine, devices
from dark_codec.openmmlab.engine.progress import track
from projects.benchmarks.cases import BATCHES, SIZES, Case, all_cases
from projects.benchmarks.methods import decoding, encoding, processing
from projects.benchmarks.plot import draw
from projects.benchmarks.report import write_report
from projects.benchmarks.timing import extra_memory, time_in_turns

REAL = Path(__file__).parents[2] / 'tests' / 'data' / 'real_heatmaps.npz'
TASKS: dict[str, dict[str, Callable]] = dict(
    codec=dict(decode=decoding, encode=encoding),
    transformers=dict(transformers=processing),
)
# what a process's first calls cost: run with an empty cache, then again
FIRST_CALL = """
import json, sys, time, torch
from dark_codec import DARKCodec
maps = torch.rand(1, 17, 64, 48, device=sys.argv[1])
found = {}
for name in ('ArgmaxDecoder', 'TaylorDecoder', 'GaussianFitDecoder'):
    codec = DARKCodec(decoder=name)
    start = time.perf_counter()
    codec.batch_decode(maps)
    found[name] = time.perf_counter() - start
print(json.dumps(found))
"""


def parse_args(command: str, argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        f'python -m projects.benchmarks {command}', description=__doc__
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmarks'),
        help='folder for the results (default: %(default)s)',
    )
    parser.add_argument('--device', choices=devices(), default='cpu')
    parser.add_argument(
        '--threads', type=int, default=1, help='of torch and OpenCV'
    )
    parser.add_argument('--turns', type=int, default=21, help='2 at least')
    parser.add_argument(
        '--quick', action='store_true', help='one shape, no first calls'
    )
    parser.add_argument(
        '--batch-sizes', type=int, nargs='+', default=BATCHES, metavar='B'
    )
    args = parser.parse_args(argv)
    if min(args.batch_sizes) < 1 or args.threads < 1 or args.turns < 2:
        parser.error('--batch-sizes, --threads or --turns are too small')
    return args


def measure(
    case: Case, tasks: dict[str, Callable], args: argparse.Namespace
) -> Iterator[dict]:
    """Rows of results, one for each method."""
    heatmaps = torch.from_numpy(case.heatmaps()).to(args.device)
    for task, methods_of in tasks.items():
        methods = methods_of(case, heatmaps)
        timings = time_in_turns(
            {name: method.call for name, method in methods.items()},
            args.turns,
            args.threads,
        )
        for name, (call, baseline, check) in methods.items():
            row = dict(
                task=task,
                maps=case.title,
                size=case.size,
                keypoints=case.keypoints,
                batch=case.batch,
                name=name,
                seconds=timings[name],
                baseline=baseline,
                check=check and check(call()),
            )
            if baseline:
                row['times'] = timings[baseline].median / timings[name].median
            if task == 'decode':
                row['memory'] = extra_memory(call, args.device)
                row['memory'] /= heatmaps.nbytes
            yield row


def first_calls(device: str) -> dict[str, dict[str, float]]:
    """Seconds of a new process's first calls, without and with a cache."""
    with tempfile.TemporaryDirectory() as folder:
        caches = dict(NUMBA_CACHE_DIR=folder, TRITON_CACHE_DIR=folder)
        return {
            cache: json.loads(
                subprocess.run(
                    [sys.executable, '-c', FIRST_CALL, device],
                    env={**os.environ, **caches},
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout.splitlines()[-1]
            )
            for cache in ('empty cache', 'full cache')
        }


def main(command: str, argv: Sequence[str]) -> None:
    """Measure, and write it all down."""
    args = parse_args(command, argv)
    args.out.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(args.threads)
    cases = all_cases(args.batch_sizes, REAL, args.quick)
    if command == 'transformers':
        # as large as the published models' only
        cases = [c for c in cases if c.size == SIZES[1] and c.keypoints <= 17]
    rows: list[dict] = []
    with torch.inference_mode():
        for case in track(cases, 'Timing'):
            rows.extend(measure(case, TASKS[command], args))
    results = dict(
        machine=describe_machine(),
        settings=dict(
            device=args.device, threads=args.threads, turns=args.turns
        ),
        rows=rows,
    )
    stem = args.out / command
    if command == 'codec':
        draw(rows, stem.with_suffix('.png'))
        if not args.quick:
            results['first calls'] = first_calls(args.device)
    stem.with_suffix('.json').write_text(json.dumps(results, indent=1))
    print(write_report(results, stem.with_suffix('.md')))
