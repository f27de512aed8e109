"""Decoding and encoding beside MMPose, and transformers' processors.

All methods of a case take turns in one process; the limit is one pass over
the heatmaps, numpy's argmax for decoding and filling them for encoding.
Writes json and markdown, for the codec also a plot.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import cv2
import torch

from dark_codec.analysis.machine import describe_machine
from dark_codec.analysis.report import write_report
from dark_codec.openmmlab.engine.progress import track
from projects.benchmarks.cases import SIZES, Case, all_cases
from projects.benchmarks.methods import decoding, encoding, processing
from projects.benchmarks.report import draw, page_of
from projects.benchmarks.timing import extra_memory, time_in_turns

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


def measure(case: Case, args: argparse.Namespace) -> Iterator[dict]:
    """Yield rows of results, one for each method."""
    heatmaps = torch.from_numpy(case.heatmaps()).to(args.device)
    for task, methods_of in TASKS[args.command].items():
        methods = methods_of(case, heatmaps)
        calls = {name: method.call for name, method in methods.items()}
        timings = time_in_turns(calls, args.turns, args.threads)
        for name, (call, baseline, check) in methods.items():
            row = dict(
                task=task,
                maps=case.title,
                size=case.size,
                keypoints=case.keypoints,
                batch=case.batch,
                name=name,
                seconds=list(timings[name]),
                baseline=baseline,
                check=check and check(call()),
            )
            if baseline:
                row['times'] = timings[baseline].median / timings[name].median
            if task == 'decode':
                extra = extra_memory(call, args.device)
                row['memory'] = extra / heatmaps.nbytes
            yield row


def first_calls(device: str) -> dict[str, dict[str, float]]:
    """Seconds of a new process's first calls, without and with a cache."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        caches = dict(NUMBA_CACHE_DIR=folder, TRITON_CACHE_DIR=folder)
        for cache in ('empty cache', 'full cache'):
            printed = subprocess.check_output(
                [sys.executable, '-c', FIRST_CALL, device],
                env={**os.environ, **caches},
                text=True,
            )
            found[cache] = json.loads(printed.splitlines()[-1])
    return found


def run(args: argparse.Namespace) -> None:
    """Measure, and write it all down."""
    cv2.setNumThreads(args.threads)
    cases = all_cases(args.batch_sizes, args.quick)
    if args.command == 'transformers':
        # as large as the published models' only
        cases = [c for c in cases if c.size == SIZES[1] and c.keypoints <= 17]
    rows: list[dict] = []
    with torch.inference_mode():
        for case in track(cases, 'Timing'):
            rows.extend(measure(case, args))
    results = dict(
        machine=describe_machine(),
        settings=dict(
            device=args.device, threads=args.threads, turns=args.turns
        ),
        rows=rows,
    )
    figures = {}
    if args.command == 'codec':
        figures['codec'] = draw(rows)
        if not args.quick:
            results['first calls'] = first_calls(args.device)
    page = page_of(results)
    write_report(args.out, args.command, page, results, figures)
    print(page)
