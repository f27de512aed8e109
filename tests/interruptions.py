"""Interrupts runs at random moments, and sees whether anything is left.

    python tests/interruptions.py 50

starts the tools as a shell does, each in a process group of its own, while
other processes keep the machine busy. SIGINT or SIGTERM goes to the group or
to the first process alone. Whatever a run has started holds the pipe of its
output, which closes when the last of it is gone.
"""

import argparse
import itertools
import os
import random
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(ROOT / 'tests')]
CONFIG = (
    ROOT / 'projects/quickstart/configs'
    '/td-hm_res18-slim_dark-half-pixel-1xb32-12e_figures-128x96.py'
)
QUICKSTART = ROOT / 'projects/quickstart/run.py'
LIMIT = 10  # s until all is gone
WORKERS = [
    '--cfg-options',
    'train_dataloader.num_workers=2',
    'test_dataloader.num_workers=2',
    'val_dataloader.num_workers=2',
]
# program -> the longest time for which it runs before it is interrupted, in s
PROGRAMS = {'train.py': 12, 'test.py': 8, 'quickstart': 40}
WAYS = list(
    itertools.product((signal.SIGINT, signal.SIGTERM), ('group', 'first'))
)


class Run:
    """A program that has been started.

    Args:
        program: A tool, forked from this process, which has imported what
            takes long; or ``quickstart``, a process from scratch.
        folder: Where its results go.
        arguments: Further ones of a tool.
    """

    def __init__(self, program, folder, arguments=()):
        self.output = b''
        self.pipe, pipe = os.pipe()
        if program == 'quickstart':
            command = [sys.executable, QUICKSTART, '--work-dir', folder]
            self.pid = subprocess.Popen(
                command, stdout=pipe, stderr=pipe, start_new_session=True
            ).pid
        else:
            self.pid = _fork(program, arguments, folder, pipe)
        os.close(pipe)

    def read(self, seconds, until=None):
        """Read its output; False when nobody is left who could write more."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if until is not None and until in self.output:
                return True
            if select.select([self.pipe], [], [], left)[0]:
                read = os.read(self.pipe, 65536)
                self.output += read
                if not read:
                    return False
        return True

    def interrupt(self, number, whom):
        """Send a signal; True if all was gone within the limit.

        The first process is then reaped into :attr:`code`.
        """
        began = time.monotonic()
        (os.killpg if whom == 'group' else os.kill)(self.pid, number)
        gone = not self.read(LIMIT)
        self.seconds = time.monotonic() - began
        if not gone:
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self.pipe)
        status = os.waitpid(self.pid, 0)[1]
        self.code = os.waitstatus_to_exitcode(status)
        return gone


def _fork(program, arguments, folder, pipe):
    """A tool in a process like one that a shell has started."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.dup2(pipe, 1)
        os.dup2(pipe, 2)
        os.close(pipe)
        sys.argv = [program, *arguments, f'--work-dir={folder}']
        runpy.run_path(str(ROOT / 'tools' / program), run_name='__main__')
    except SystemExit as leave:
        code = leave.code or 0
    except KeyboardInterrupt:
        # before the tool has taken over; as Python does
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    else:
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def import_once():
    """Import what the tools do; they are forked from here."""
    import torch

    import dark_codec  # noqa: F401  before MMPose

    # isort: split
    import mmpose.models  # noqa: F401

    torch.set_num_threads(1)


def as_of_an_interrupt(code, number):
    """Whether a shell sees it so; before the tool begins, by the signal."""
    return code in (128 + number, -number)


def save_network(path):
    """A checkpoint for test.py."""
    from tiny_run import save_weights

    save_weights(CONFIG, path)


def main():
    """Interrupt so many runs, and tell of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('count', type=int, help='how many runs')
    parser.add_argument('--load', type=int, default=os.cpu_count())
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS='1')
    import_once()
    busy = [
        subprocess.Popen([sys.executable, '-c', 'while True: pass'])
        for _ in range(args.load)
    ]
    rng = random.Random(args.seed)
    failures = 0
    try:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = Path(folder, 'network.pth')
            save_network(checkpoint)
            arguments = {
                'train.py': [CONFIG, *WORKERS],
                'test.py': [CONFIG, checkpoint, *WORKERS],
                'quickstart': [],
            }
            for i in range(args.count):
                # a quickstart now and then: it imports all by itself
                program = ('train.py', 'test.py')[i % 2]
                if i % 8 == 7:
                    program = 'quickstart'
                number, whom = WAYS[i // 2 % len(WAYS)]
                run = Run(
                    program,
                    Path(folder, f'{i}'),
                    [str(a) for a in arguments[program]],
                )
                moment = rng.uniform(0, PROGRAMS[program])
                alive = run.read(moment)
                gone = run.interrupt(number, whom) if alive else True
                good = alive and gone and as_of_an_interrupt(run.code, number)
                failures += not good
                print(
                    f'{i + 1:3} {program:10} {number.name} to {whom:5} after '
                    f'{moment:4.1f} s: '
                    + ('ended before' if not alive else
                    f'exit code {run.code}, all gone in {run.seconds:.1f} s'
                    if gone
                    else f'exit code {run.code}, SOMETHING IS LEFT'),
                    flush=True,
                )
                if not good:
                    print(run.output.decode(errors='replace')[-3000:])
    finally:
        for process in busy:
            process.kill()
    print(f'{failures} of {args.count} failed')
    sys.exit(bool(failures))


if __name__ == '__main__':
    main()
