"""An interruption ends a run, and every process that the run has started.

Why MMEngine's runner alone may leave some behind: a data loader's worker
whose parent is gone, or that Ctrl-C reaches itself, leaves its loop and waits
for the thread that writes its batches into a pipe. Nobody reads that pipe any
more, yet the worker and its siblings hold its other end open: the thread
never returns from ``write``, and the worker never ends. SIGTERM does not run
any clean-up at all.

So here the first process alone decides: its workers do not hear Ctrl-C, the
kernel kills them when it dies, and it ends them before it leaves.
"""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.util import register_after_fork
from typing import Any, NoReturn

# How long an interrupted run may take, in s, to save what it has and to end
GRACE = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# opened before there is a fork, after which little is safe
_LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None


@contextmanager
def interruptible(message: str = 'Interrupted') -> Iterator[None]:
    """Let SIGINT and SIGTERM end this process and its workers.

    Both raise KeyboardInterrupt, whose ``finally`` and ``except`` clauses
    have :data:`GRACE` seconds. Then the workers are killed, and the process
    exits with 128 plus the signal's number, as a shell has it: 130 or 143.
    A process that is deaf by then, in a computation or because somebody has
    swallowed the exception, ends all the same.

    A signal that was ignored stays so, as ``nohup`` wants it. Outside of the
    main thread, where Python has no signals, nothing is changed.

    Args:
        message: What an interruption prints on standard error.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    guard = _Guard()
    try:
        yield
        if guard.received:
            raise KeyboardInterrupt  # which somebody has swallowed
    except BaseException as error:
        # MMEngine turns it into others, such as a SyntaxError of the config
        if not guard.received and not isinstance(error, KeyboardInterrupt):
            raise
        _kill_workers()
        with suppress(OSError):
            print(f'\n{message}', file=sys.stderr)
        leave(128 + (guard.received or signal.SIGINT))
    finally:
        guard.close()


def leave(code: int) -> NoReturn:
    """End the process without taking the interpreter down.

    What is registered to run at exit is run. What comes after that may wait
    for threads and processes that do not end.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it dies.

    On Linux; elsewhere, nothing is changed. For a process that has just been
    forked.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Guard:
    """Handles the signals from its making until it is closed.

    Attributes:
        received: The first signal that came; 0 if none did.
    """

    def __init__(self) -> None:
        self.received = 0
        self._pid = os.getpid()
        self._former: dict[int, Any] = {}
        self._closed = threading.Event()
        self._ear, self._mouth = os.pipe()
        os.set_blocking(self._mouth, False)
        threading.Thread(target=self._watch, daemon=True).start()
        # the C handler writes, also where Python's cannot run
        self._former_fd = signal.set_wakeup_fd(self._mouth)
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._former[number] = signal.signal(number, self._interrupt)
        # as long as this object lives
        register_after_fork(self, _Guard._in_worker)

    def close(self) -> None:
        """Restore what was there before."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_fd)
        self._closed.set()
        os.close(self._mouth)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self.received:
            return  # it ends already, and must not be disturbed
        self.received = number
        # torch's would raise, once workers are killed
        signal.signal(signal.SIGCHLD, lambda *_: None)
        raise KeyboardInterrupt

    def _watch(self) -> None:
        """Wait for a signal, and end the process if it does not end."""
        with open(self._ear, 'rb', buffering=0) as ear:
            while heard := ear.read(1):
                if heard[0] in _SIGNALS and not self._closed.wait(GRACE):
                    _kill_workers()
                    os._exit(128 + heard[0])

    def _in_worker(self) -> None:
        """Undo all this in a process that is forked from this one."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent()
        if os.getppid() != self._pid:
            os._exit(1)  # it died before it could be told


def _kill_workers() -> None:
    """Kill what multiprocessing has started, and see it go."""
    workers = multiprocessing.active_children()
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join(1)
