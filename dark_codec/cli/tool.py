"""Run the main function of a tool: its errors, interruption and exit."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch.distributed as dist

from ..openmmlab.engine import interruptible, leave
from .errors import UserError


def run_tool(main: Callable[[], None]) -> None:
    """Run `main`; a :class:`UserError` becomes one message and exit code 2.

    An interruption ends the tool, see :func:`interruptible`.
    """
    program = Path(sys.argv[0])
    # python -m NAME
    is_package = program.name == '__main__.py'
    name = program.parent.name if is_package else program.name
    with interruptible(f'{name}: interrupted'):
        try:
            main()
        except UserError as error:
            print(f'{name}: error: {error}', file=sys.stderr)
            sys.exit(2)
        if dist.is_available() and dist.is_initialized():
            _end_distributed()


def _end_distributed() -> None:
    """Destroy the process group, and with gloo exit the process.

    DDP keeps the threads of gloo alive. One that releases a tensor while the
    interpreter shuts down cannot acquire its lock, and aborts the process at
    its very end.
    """
    backend = dist.get_backend()
    dist.destroy_process_group()
    if backend == 'gloo':
        leave(0)
