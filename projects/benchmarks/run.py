"""One process of the benchmark, with one thread or with all.

Started by ``benchmark_codec.py``, which sets the libraries' thread counts in
the environment: they are read when numpy is imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import cv2
import torch

from dark_codec.analysis.machine import (
    describe_machine,
    describe_threads,
)
from dark_codec.openmmlab.engine.progress import track
from projects.benchmarks.cases import LARGE, SYNTHETIC, Case, all_cases
from projects.benchmarks.contestants import (
    LIMIT,
    Contestant,
    decoding,
    encoding,
)
from projects.benchmarks.timing import extra_memory, time_in_turns
from projects.shared_data import shared_data


def measure_case(case: Case, device: str, turns: int) -> Iterator[dict]:
    """Rows of results, one for each contestant."""
    heatmaps = torch.from_numpy(case.heatmaps()).to(device)
    teams = dict(decode=decoding(case, heatmaps))
    if case.maps == SYNTHETIC and case.size != LARGE:
        teams.update(encode=encoding(case, device))
    for task, contestants in teams.items():
        timings = time_in_turns(contestants, device, turns)
        limit = next(c.name for c in contestants if c.side == LIMIT)
        for contestant in contestants:
            timing = timings[contestant.name]
            row = dict(
                task=task,
                device=device,
                size=list(case.size),
                keypoints=case.keypoints,
                maps=case.title,
                batch=case.batch,
                name=contestant.name,
                side=contestant.side,
                rival=contestant.rival,
                **vars(timing),
                passes=timing.median / timings[limit].median,
                check=_checked(contestant),
            )
            if contestant.rival is not None:
                rival = timings[contestant.rival].median
                row['speedup'] = rival / timing.median
            if task == 'decode':
                extra = extra_memory(contestant.call, device)
                row['extra_memory'] = extra
                if extra is not None:
                    row['memory_share'] = extra / heatmaps.nbytes
            yield row


def _checked(contestant: Contestant) -> float | None:
    if contestant.check is None:
        return None
    return contestant.check(contestant.call())


def main() -> None:
    """Measure, and write json."""
    settings = json.loads(sys.argv[1])
    if settings['threads'] == 'one':
        # these do not read the environment, or not all of it
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
    result = dict(machine=describe_machine(), threads=describe_threads())
    cases = [
        (case, device)
        for device in settings['devices']
        for case in all_cases(
            settings['shapes'],
            settings['batches'],
            shared_data(),
            settings['large'],
        )
    ]
    rows: list[dict] = []
    with torch.inference_mode():
        for case, device in track(cases, f'Threads: {settings["threads"]}'):
            rows.extend(measure_case(case, device, settings['turns']))
    result['rows'] = rows
    Path(settings['out']).write_text(json.dumps(result))


if __name__ == '__main__':
    main()
