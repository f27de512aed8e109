"""Programs run in forks of a process that has done their imports.

The imports take longer than most runs. For :mod:`forked_python`,
:mod:`interruptions` and ``end_to_end/forked_tools.py``, which differ in what
they import first, and in how they are given their jobs.
"""

import atexit
import gc
import os
import runpy
import sys
import threading
import traceback
from pathlib import Path


def import_for_tools():
    """Import what tools do; dark_codec has to be found already."""
    import torch

    torch.set_num_threads(1)
    import matplotlib.pyplot  # noqa: F401
    import mmengine.runner  # noqa: F401

    import dark_codec.cli  # noqa: F401

    # isort: split
    import mmpose.apis  # noqa: F401
    import mmpose.datasets  # noqa: F401
    import mmpose.evaluation  # noqa: F401
    import mmpose.models  # noqa: F401

    from dark_codec import kernels

    kernels.load('numba')


def spare_time():
    """Spare this process, and its forks, work without a use for tests.

    MMEngine formats the config of a run five times, which takes half of a
    short one: the same text is formatted once. And the garbage collector,
    which its datasets call, no longer visits what has been imported.
    """
    from mmengine.config import config

    formatted = {}
    format_code = config.FormatCode

    def format_once(text, **settings):
        key = text, str(settings)
        if key not in formatted:
            formatted[key] = format_code(text, **settings)
        return formatted[key]

    config.FormatCode = format_once
    gc.collect()
    gc.freeze()


def in_a_fork(function, *args, begun=lambda pid: None, **kwargs):
    """Call a function in a fork of this process.

    Returns:
        int: The exit code of the fork; below 0 for a signal.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _exit_with(function, args, kwargs)
    begun(child)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _exit_with(function, args, kwargs):
    """Exit as Python does after a script that calls the function."""
    code = 1
    try:
        function(*args, **kwargs)
        code = 0
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def redirect(log):
    """Send the output of this process to a file."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)


def run_script(script, *arguments):
    """Run a script as ``python script *arguments`` would."""
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(str(script), run_name='__main__')
