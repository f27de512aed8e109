"""Runs MMPose's and our tools one after the other, with one start for all.

``python forked_tools.py < JOBS`` runs a JSON list of [log, program,
*arguments], each in a process of its own that is forked from this one, and
prints the list of their exit codes. Only torch and MMEngine are imported
before: dark_codec comes as it does for users, by a config's custom_imports.
"""

import json
import os
import runpy
import sys
from pathlib import Path

import mmcv  # noqa: F401
import torch
from mmengine.runner import Runner  # noqa: F401


def in_a_process(log, program, *arguments):
    """The exit code of a program whose output goes to a file."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = [program, *arguments]
        sys.path[0] = str(Path(program).parent)
        runpy.run_path(program, run_name='__main__')
        code = 0
    except SystemExit as leave:
        code = leave.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == '__main__':
    torch.set_num_threads(1)
    assert 'dark_codec' not in sys.modules
    print(json.dumps([in_a_process(*job) for job in json.load(sys.stdin)]))
