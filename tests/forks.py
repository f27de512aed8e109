"""Programs run in forks of a process that has done their imports.

The imports take longer than most runs. For :mod:`tool_server`,
:mod:`killed_training` and ``end_to_end/forked_tools.py``, which differ in what
they import first, and in how they are given their jobs.
"""

import atexit
import json
import os
import runpy
import sys
import threading
import traceback
from pathlib import Path


def in_a_fork(function, *args, **kwargs):
    """Call a function in a fork of this process.

    Returns:
        int: The exit code of the fork; below 0 for a signal.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _exit_with(function, args, kwargs)
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


def redirect(out, err=None):
    """Send the output of this process to files, by default to one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    file = os.open(out, flags)
    os.dup2(file, 1)
    os.dup2(file if err is None else os.open(err, flags), 2)


def run_script(script, *arguments):
    """Run a script as ``python script *arguments`` would."""
    sys.argv = [str(script), *arguments]
    sys.path[0] = str(Path(script).parent)
    runpy.run_path(str(script), run_name='__main__')


def run_jobs(run):
    """Run the jobs that stdin has as a JSON list of [log, *arguments].

    Prints the list of their exit codes.

    Args:
        run (Callable): Called with the arguments of each, in a fork whose
            output goes to the log.
    """
    jobs = json.load(sys.stdin)
    print(json.dumps([in_a_fork(_logged, run, *job) for job in jobs]))


def _logged(run, log, *arguments):
    redirect(log)
    run(*arguments)
