"""Work in a process of its own, which may fail or run out of memory."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

# PyTorch's and OpenCV's
_MEMORY_ERRORS = (
    'allocate memory',
    'not enough memory',
    'out of memory',
    'Insufficient memory',
)


def run_isolated(
    work: Callable[..., dict], args: tuple, memory: float
) -> dict:
    """Call a function in a child process.

    It is forked, because the imports take longer than most configs.

    Args:
        work: Returns a row of a table.
        args: Its arguments.
        memory: That the child may have, in GB.

    Returns:
        The row, or one with a `status` and a `reason` if there is none:
        skipped for want of memory, or failed.
    """
    context: Any = multiprocessing.get_context('fork')
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(
        target=_child, args=(sender, work, args, int(memory * 2**30))
    )
    child.start()
    sender.close()
    try:
        row = receiver.recv()
    except EOFError:
        row = None
    child.join()
    return row if row is not None else _death(child.exitcode)


def _child(
    sender: Connection, work: Callable[..., dict], args: tuple, limit: int
) -> None:
    # a bar's streams have a lock, which a thread may have held at the fork
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        row = work(*args)
    except Exception as error:
        row = _failure(error)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sender.send(dict(row, peak_gb=round(peak / 2**20, 2)))


def _failure(error: Exception) -> dict:
    text = f'{type(error).__name__}: {error}'
    if isinstance(error, MemoryError) or any(
        part in text for part in _MEMORY_ERRORS
    ):
        return dict(status='skipped', reason=f'memory: {text}')
    traceback.print_exc()
    return dict(status='failed', reason=text)


def _death(exitcode: int | None) -> dict:
    if exitcode == -9:
        return dict(status='skipped', reason='memory: killed by the system')
    return dict(status='failed', reason=f'ended with exit code {exitcode}')
