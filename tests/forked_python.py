"""A ``python`` whose programs are forked from a process with the imports.

The imports take longer than most runs. ``VENV/bin/python``, for VENV as
:func:`forked_python` makes it, is a client that hands its arguments, folder,
environment and files to a server, passes signals on, and ends as the program
does. The server has imported what tools import.

Libraries read the number of threads when they are imported, and a module that
is run as such may want to be the first: then the client becomes Python itself.
Tests of how a tool finds its checkout, or how it dies with its group, start
Python themselves.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from functools import cache

MODULE = 'torch.distributed.run'
CLIENT = """\
#!/bin/sh
exec "{python}" -I -S "{file}" client "{path}" "$@"
"""


@cache
def forked_python():
    """Folder of the environment, whose server this process starts once."""
    # the client can do without
    import atexit
    import shutil
    import subprocess
    import tempfile
    from pathlib import Path

    folder = Path(tempfile.mkdtemp())
    path = folder / 'socket'
    program = folder / 'bin' / 'python'
    program.parent.mkdir()
    program.write_text(
        CLIENT.format(python=sys.executable, file=__file__, path=path)
    )
    program.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, __file__, 'server', path],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )

    def end():
        # whatever has outlived its client goes, too
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    assert process.stdout.readline() == b'ready\n'
    return folder


def client(path, *arguments):
    """Be the program's standing in this place of the process tree."""
    first = arguments[0] if arguments else '-'
    known = first[0] != '-' or first in ('-c', '-u')
    known = known or arguments[:2] == ('-m', MODULE)
    if not known or os.environ.get('OMP_NUM_THREADS') != '1':
        os.execv(sys.executable, [sys.executable, *arguments])
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    job = dict(arguments=arguments, cwd=os.getcwd(), env=dict(os.environ))
    content = json.dumps(job).encode()
    size = len(content).to_bytes(8, 'big')
    socket.send_fds(connection, [size], [0, 1, 2])
    connection.sendall(content)
    with connection.makefile() as answers:
        pid = int(answers.readline())
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: os.kill(pid, number))
        code = int(answers.readline())
    if code < 0:
        with suppress(OSError):  # of SIGKILL, which has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


def server(path):
    """Import, then fork."""
    from pathlib import Path
    from select import select

    root = str(Path(__file__).resolve().parents[1])
    sys.path.insert(1, root)
    from forks import import_for_tools, spare_time

    import_for_tools()
    import killed_training  # noqa: F401  its hooks

    spare_time()
    sys.path.remove(root)  # a tool puts it there
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print('ready', flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    # until the process is gone that holds the other end of stdin
    while sys.stdin not in select([listener, sys.stdin], [], [])[0]:
        connection, _ = listener.accept()
        if not os.fork():
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection)
        connection.close()


def serve(connection):
    """Run one program, and tell the client what became of it."""
    from forks import in_a_fork

    size, files, *_ = socket.recv_fds(connection, 8, 3)
    left = int.from_bytes(size, 'big')
    content = b''
    while len(content) < left:
        content += connection.recv(left - len(content))
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    job = json.loads(content)

    def begun(pid):
        connection.sendall(f'{pid}\n'.encode())

    code = in_a_fork(run, **job, begun=begun)
    connection.sendall(f'{code}\n'.encode())
    os._exit(0)


def run(arguments, cwd, env):
    """Run a program in this process."""
    import runpy

    from forks import run_script

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[1:1] = filter(None, env.get('PYTHONPATH', '').split(os.pathsep))
    first, *rest = arguments
    if first == '-u':
        first, *rest = rest
    if first not in ('-m', '-c'):
        run_script(first, *rest)
        return
    sys.path[0] = ''
    sys.argv = rest
    if first == '-m':
        runpy.run_module(rest[0], run_name='__main__', alter_sys=True)
    else:
        exec(rest[0], {'__name__': '__main__'})


if __name__ == '__main__':
    dict(client=client, server=server)[sys.argv[1]](*sys.argv[2:])
