"""Measure how fast MMPose's codecs are, and ours.

Times ``MSRAHeatmap`` (biased and unbiased), ``UDPHeatmap`` and every decoder
and encoder of dark_codec side by side in one process, on the CPU and on an
accelerator if there is one, with one thread and, in a second process, with
all: on Gaussians with noise, on heatmaps that a network predicted for
photographs (where DARK_CODEC_DATA has them; they hold irregular maps), and on
308 large ones. The limit is one pass over the heatmaps: numpy's argmax for
decoding, filling them for encoding. Then the first call of a new process, with
an empty cache of compiled code and with a full one. Writes
``benchmark_codec.json``, ``.md`` and ``.png``. Takes some ten minutes on two
idle cores; on a busy machine the numbers mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dark_codec.analysis.machine import THREAD_VARIABLES, devices
from projects.benchmarks.cases import (
    BATCHES,
    FULL_SHAPES,
    SHAPES,
)
from projects.benchmarks.plot import draw
from projects.benchmarks.report import write_report

TURNS, QUICK_TURNS = 21, 2
# of which the first calls are measured
DECODERS = ('ArgmaxDecoder', 'TaylorDecoder', 'GaussianFitDecoder')


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f'{number} is not positive')
    return number


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Time MMPose's codecs and dark_codec side by side."
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/benchmark_codec'),
        help='folder for json, markdown and plot (default: %(default)s)',
    )
    parser.add_argument(
        '--threads',
        choices=['one', 'all', 'both'],
        default='both',
        help='threads of the libraries (default: both, one after the other)',
    )
    parser.add_argument(
        '--quick',
        action='store_true',
        help=f'{QUICK_TURNS} turns in place of {TURNS}, one shape less, no '
        'large maps, and the first call of one decoder only',
    )
    parser.add_argument(
        '--batch-sizes',
        type=_positive,
        nargs='+',
        default=BATCHES,
        help=f'default: {" ".join(map(str, BATCHES))}',
    )
    parser.add_argument(
        '--device',
        choices=devices(),
        help='measure on this one only (default: on all that there are)',
    )
    return parser.parse_args()


def measure(
    threads: str, quick: bool, batches: Sequence[int], on: Sequence[str]
) -> dict:
    """Run the benchmark in a process of its own.

    Args:
        threads (str): ``'one'`` or ``'all'``.
        quick (bool): Whether to hurry.
        batches (Sequence[int]): Batch sizes.
        on (Sequence[str]): Devices.
    """
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in THREAD_VARIABLES
    }
    if threads == 'one':
        environment.update(dict.fromkeys(THREAD_VARIABLES, '1'))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'rows.json'
        settings = dict(
            threads=threads,
            turns=QUICK_TURNS if quick else TURNS,
            shapes=SHAPES if quick else FULL_SHAPES,
            batches=sorted(set(batches)),
            large=not quick,
            devices=list(on),
            out=str(out),
        )
        script = Path(__file__).with_name('run.py')
        subprocess.run(
            [sys.executable, str(script), json.dumps(settings)],
            env=environment,
            check=True,
        )
        return json.loads(out.read_text())


def first_calls(
    on: Sequence[str], decoders: Sequence[str]
) -> dict[str, dict[str, list[float]]]:
    """Seconds of first and second calls: without, then with a cache."""
    script = Path(__file__).with_name('first_call.py')
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            'NUMBA_CACHE_DIR': folder,
            'TRITON_CACHE_DIR': folder,
        }
        return {
            f'{device}, {cache}': json.loads(
                subprocess.run(
                    [sys.executable, str(script), device, *decoders],
                    env=environment,
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout.splitlines()[-1]
            )
            for device in on
            for cache in ('empty cache', 'full cache')
        }


def main() -> None:
    """Measure, and write it all down."""
    args = parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    on = [args.device] if args.device else devices()
    wanted = ['one', 'all'] if args.threads == 'both' else [args.threads]
    results = {}
    for threads in wanted:
        results[threads] = measure(threads, args.quick, args.batch_sizes, on)
    print('Timing first calls ...', flush=True)
    timed = DECODERS[:1] if args.quick else DECODERS
    results['first'] = first_calls(on, timed)
    stem = args.out / 'benchmark_codec'
    stem.with_suffix('.json').write_text(json.dumps(results, indent=1))
    write_report(results, stem.with_suffix('.md'))
    draw(results[wanted[0]]['rows'], stem.with_suffix('.png'))
    print(f'wrote {stem}.json, .md and .png')


if __name__ == '__main__':
    main()
