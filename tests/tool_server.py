"""Runs of tools without their imports, which take longer than most runs.

``python tool_server.py`` imports what tools import, then reads jobs from
stdin, a line of JSON each, and runs each in a fork of itself. What a job
prints goes to the files that it names; its exit code, below 0 for a
signal, to stdout. :class:`ToolServer` is the other end.

Libraries read the number of threads when they are imported, and a tool finds
its checkout when dark_codec is not imported yet: tests of either start a
process of their own.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from forks import (
    import_for_tools,
    in_a_fork,
    redirect,
    run_script,
    spare_time,
)

ROOT = Path(__file__).resolve().parents[1]


class ToolServer:
    """Starts a process when it is first asked for a run."""

    process = None

    def run(self, command, cwd, env, timeout):
        """Run a tool as ``subprocess.run`` does.

        Args:
            command (list[str]): Script and arguments.
            cwd (Path): Folder to run it in.
            env (dict[str, str]): Its environment.
            timeout (float): Seconds until it is killed.
        """
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, name) for name in ('out', 'err')]
            code = self.log(command, cwd, env, timeout, *files)
            said = [Path(file).read_text() for file in files]
        return subprocess.CompletedProcess(command, code, *said)

    def log(self, command, cwd, env, timeout, *files):
        """Run a tool whose output goes to one file, or to two.

        Returns:
            int: The exit code, below 0 for a signal.
        """
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, __file__],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            atexit.register(self.process.kill)
        job = dict(command=command, cwd=str(cwd), env=env, files=files)
        timer = threading.Timer(timeout, self.process.kill)
        timer.start()
        self.process.stdin.write(json.dumps(job) + '\n')
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        timer.cancel()
        if not answer:
            self.process = None
            raise subprocess.TimeoutExpired(command, timeout)
        return int(answer)


def run_tool(command, cwd, env, files):
    """Run a tool in this process, with this folder and environment."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    redirect(*files)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    run_script(*command)


def main():
    """Import, then serve."""
    sys.path.insert(1, str(ROOT))
    import_for_tools()
    import killed_training  # noqa: F401  its hooks

    spare_time()
    sys.path.remove(str(ROOT))  # a tool puts it there
    for line in sys.stdin:
        print(in_a_fork(run_tool, **json.loads(line)), flush=True)


if __name__ == '__main__':
    main()
