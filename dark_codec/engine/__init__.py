"""Checkpoints that survive a training that is killed."""

from .atomic_backend import AtomicLocalBackend
from .resume import find_other_checkpoint
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'AtomicLocalBackend',
    'SafeCheckpointHook',
    'find_other_checkpoint',
]
