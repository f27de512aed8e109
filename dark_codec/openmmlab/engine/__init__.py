"""Interruption of runs: checkpoints, resuming, clean-up."""

from .atomic_backend import AtomicLocalBackend
from .checkpoints import (
    CheckpointCodecHook,
    codec_differences,
    read_checkpoint,
    warn_of_another_codec,
)
from .interruption import die_with_parent, interruptible, leave
from .resume import find_other_checkpoint
from .safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'AtomicLocalBackend',
    'CheckpointCodecHook',
    'SafeCheckpointHook',
    'codec_differences',
    'die_with_parent',
    'find_other_checkpoint',
    'interruptible',
    'leave',
    'read_checkpoint',
    'warn_of_another_codec',
]
