"""Runs MMPose's and our tools one after the other, with one start for all.

``python forked_tools.py < JOBS`` runs a JSON list of [log, program,
*arguments], each in a process of its own that is forked from this one, and
prints the list of their exit codes. Only torch and MMEngine are imported
before: dark_codec comes as it does for users, by a config's custom_imports.
"""

import sys
from pathlib import Path

import mmcv  # noqa: F401
import torch
from mmengine.runner import Runner  # noqa: F401

if __name__ == '__main__':
    sys.path.insert(1, str(Path(__file__).parents[1]))
    from forks import run_jobs, run_script

    del sys.path[1]  # users do not have it
    torch.set_num_threads(1)
    assert 'dark_codec' not in sys.modules
    run_jobs(run_script)
