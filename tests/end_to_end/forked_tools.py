"""Runs MMPose's and our tools one after the other, with one start for all.

``python forked_tools.py < JOBS`` runs a JSON list of [log, program,
*arguments], each in a process of its own that is forked from this one, and
prints the list of their exit codes. Imported before are torch, MMEngine and
libraries that MMPose uses, but neither MMPose nor dark_codec: they come as
they do for users, by a config's custom_imports.
"""

import json
import sys
from contextlib import suppress
from pathlib import Path

import matplotlib.pyplot  # noqa: F401
import mmcv  # noqa: F401
import scipy.stats  # noqa: F401
import torch
import torchvision  # noqa: F401
import xtcocotools.coco  # noqa: F401
from mmengine.runner import Runner  # noqa: F401

with suppress(ImportError):
    import numba  # noqa: F401


def run(log, *command):
    redirect(log)
    run_script(*command)


if __name__ == '__main__':
    sys.path.insert(1, str(Path(__file__).parents[1]))
    from forks import in_a_fork, redirect, run_script, spare_time

    del sys.path[1]  # users do not have it
    torch.set_num_threads(1)
    assert not {'dark_codec', 'mmpose'} & {*sys.modules}
    spare_time()
    jobs = json.load(sys.stdin)
    print(json.dumps([in_a_fork(run, *job) for job in jobs]))
