"""Interrupts runs at random moments, and sees whether anything is left.

    python tests/interruptions.py 50

starts the tools as a shell does, each in a process group of its own, while
other processes keep the machine busy. SIGINT or SIGTERM goes to the group or
to the first process alone. Whatever a run has started holds the pipe of its
output, which closes when the last of it is gone.
"""

import argparse
import atexit
import itertools
import os
import random
import runpy
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(ROOT / 'tests')]
QUICKSTART = [sys.executable, '-m', 'projects.quickstart', '--work-dir']
LIMIT = 10  # s until all is gone
# Batches that the pipe to the trainer has no room for
EXTRA = """
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader.update(batch_size=32, num_workers=2, persistent_workers=True)
train_cfg.update(max_epochs=1000)
"""
# program -> the longest time for which it runs before it is interrupted, in s
PROGRAMS = {'train.py': 5, 'test.py': 4, 'quickstart': 60}
WAYS = [
    (signal.SIGINT, 'group'),
    (signal.SIGTERM, 'first'),
    (signal.SIGINT, 'first'),
    (signal.SIGTERM, 'group'),
]


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
            command = [*QUICKSTART, folder]
            self.pid = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=pipe,
                stderr=pipe,
                start_new_session=True,
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
        sys.excepthook(*sys.exc_info())
        atexit._run_exitfuncs()
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


def write_all(folder):
    """Arguments of each program, with the files that they name."""
    from tiny_run import save_weights, write_config, write_data

    data_root = write_data(folder / 'data', num_images=600)
    config = write_config(folder / 'tiny.py', data_root, extra=EXTRA)
    save_weights(config, folder / 'network.pth')
    return {
        'train.py': [str(config)],
        'test.py': [str(config), str(folder / 'network.pth')],
        'quickstart': [],
    }


def interrupted(program, arguments, folder, rng, number, whom):
    """Interrupt a run at a random moment; a line that tells, and the run."""
    for attempt in itertools.count():
        run = Run(program, folder / f'{attempt}', arguments)
        moment = rng.uniform(0, PROGRAMS[program])
        if not run.read(moment):
            # it has ended by itself: once more
            os.close(run.pipe)
            assert os.waitpid(run.pid, 0)[1] == 0, run.output.decode()
            continue
        gone = run.interrupt(number, whom)
        if run.code or run.seconds > 1:
            break
        # It was leaving as the signal came: the kernel, which takes a large
        # process down for a while before it closes the pipe, ignores
        # signals to it. Once more.
    # before the tool has begun, it dies by the signal
    run.good = gone and run.code in (128 + number, -number)
    end = f'all gone in {run.seconds:.1f} s' if gone else 'SOMETHING IS LEFT'
    return run, (
        f'{program:10} {number.name:7} to {whom:5} after {moment:4.1f} s: '
        f'exit code {run.code}, {end}'
    )


def import_for_tools():
    """Import what takes long: the tools are forked from this process."""
    import torch

    torch.set_num_threads(1)
    import dark_codec.cli  # noqa: F401

    # isort: split
    import mmpose.apis  # noqa: F401
    import unformatted_configs  # noqa: F401


def main():
    """Interrupt so many runs, and tell of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('count', type=int, help='how many runs')
    parser.add_argument(
        '--load', type=int, default=os.cpu_count(), help='busy processes'
    )
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    os.environ['OMP_NUM_THREADS'] = '1'
    import_for_tools()
    # a shell starts what is in the background without it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = random.Random(args.seed)
    loop = [sys.executable, '-c', 'while True: pass']
    busy = [subprocess.Popen(loop) for _ in range(args.load)]
    # no TemporaryDirectory: what is forked from here would delete it
    folder = Path(tempfile.mkdtemp())
    good = 0
    try:
        arguments = write_all(folder)
        for i in range(args.count):
            # a quickstart now and then: it imports all by itself
            program = ['train.py', 'test.py'][i % 2]
            program = 'quickstart' if i % 8 == 7 else program
            run, line = interrupted(
                program,
                arguments[program],
                folder / f'{i}',
                rng,
                *WAYS[(i // 2 + i // 8) % len(WAYS)],
            )
            good += run.good
            print(f'{i + 1:3} {line}', flush=True)
            if not run.good:
                print(run.output.decode(errors='replace')[-3000:])
    finally:
        for process in busy:
            process.kill()
        shutil.rmtree(folder)
    print(f'{good} of {args.count} as they should')
    sys.exit(good < args.count)


if __name__ == '__main__':
    main()
