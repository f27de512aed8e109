"""Runs that are interrupted: what they leave, and what they do not."""

from .atomic_backend import AtomicLocalBackend
from .interruption import die_with_parent, interruptible, leave
from .resume import find_other_checkpoint
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'AtomicLocalBackend',
    'SafeCheckpointHook',
    'die_with_parent',
    'find_other_checkpoint',
    'interruptible',
    'leave',
]
