"""Termination of a run and of all its processes by SIGINT or SIGTERM.

MMEngine's runner alone may leave processes behind: a data loader's worker
whose parent has exited, or that receives SIGINT itself, leaves its loop and
joins the thread that writes its batches into a pipe. That pipe has no reader
any more, yet the worker and its siblings hold the read end open: the thread
never returns from ``write``, and the worker never exits. SIGTERM skips all
clean-up.

Here only the main process handles signals: its workers ignore SIGINT, the
kernel kills them when it dies, and it kills them before it exits.
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

# Seconds that an interrupted run has to save its state and to exit
GRACE = 5.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
# loaded before any fork, after which few calls are safe
_LIBC = ctypes.CDLL(None) if sys.platform == 'linux' else None


@contextmanager
def interruptible(message: str = 'Interrupted') -> Iterator[None]:
    """Let SIGINT and SIGTERM terminate this process and its workers.

    Both raise KeyboardInterrupt, whose ``finally`` and ``except`` clauses
    have :data:`GRACE` seconds. Then the workers are killed, and the process
    exits with 128 plus the signal's number, as in a shell: 130 or 143. A
    process that does not react by then, because it is in native code or the
    exception was caught, is terminated as well.

    Ignored signals stay ignored, as under ``nohup``. Outside of the main
    thread, where Python handles no signals, nothing is changed.

    Args:
        message: Message of an interruption, for standard error.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    guard = _Guard()
    try:
        yield
        if guard.received:
            raise KeyboardInterrupt  # the first one was caught
    except BaseException as error:
        # MMEngine turns it into others, such as a SyntaxError of the config
        if not guard.received and not isinstance(error, KeyboardInterrupt):
            raise
        _let_workers_die()  # some may have been started since
        _kill_workers()
        with suppress(OSError):
            print(f'\n{message}', file=sys.stderr)
        leave(128 + (guard.received or signal.SIGINT))
    finally:
        guard.close()


def leave(code: int) -> NoReturn:
    """Exit the process without shutting the interpreter down.

    Functions registered with ``atexit`` run. The shutdown after them may wait
    for threads and processes that never exit.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # closed by its reader
            stream.flush()
    os._exit(code)


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies.

    To be called right after a fork. Does nothing but on Linux.
    """
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class _Guard:
    """Handles SIGINT and SIGTERM until it is closed.

    Attributes:
        received: The first signal that came; 0 if none did.
    """

    def __init__(self) -> None:
        self.received = 0
        self._pid = os.getpid()
        self._former: dict[int, Any] = {}
        self._closed = threading.Event()
        # of the wakeup pipe, see signal.set_wakeup_fd
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        threading.Thread(target=self._watch, daemon=True).start()
        # written by the C handler, also while Python's cannot run
        self._former_fd = signal.set_wakeup_fd(self._write_end)
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._former[number] = signal.signal(number, self._interrupt)
        # as long as this object lives
        register_after_fork(self, _Guard._in_worker)

    def close(self) -> None:
        """Restore the former handlers."""
        for number, handler in self._former.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former_fd)
        self._closed.set()
        os.close(self._write_end)

    def _interrupt(self, number: int, frame: Any) -> None:
        if self.received:
            return  # the process is exiting already
        self.received = number
        _let_workers_die()
        raise KeyboardInterrupt

    def _watch(self) -> None:
        """Wait for a signal, and kill the process if it does not exit."""
        with open(self._read_end, 'rb', buffering=0) as pipe:
            while number := pipe.read(1):
                if number[0] in _SIGNALS and not self._closed.wait(GRACE):
                    _kill_workers()
                    os._exit(128 + number[0])

    def _in_worker(self) -> None:
        """Reset signals in a process that is forked from this one."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        die_with_parent()
        if os.getppid() != self._pid:
            os._exit(1)  # the parent died before prctl


def _let_workers_die() -> None:
    """Replace torch's handler, which raises when workers are killed.

    A data loader sets it when it starts its first worker.
    """
    signal.signal(signal.SIGCHLD, lambda *_: None)


def _kill_workers() -> None:
    """Kill the processes of multiprocessing, and join them."""
    workers = multiprocessing.active_children()
    for worker in workers:
        worker.kill()
    for worker in workers:
        worker.join(1)
