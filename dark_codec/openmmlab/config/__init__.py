"""Completion of configs: the ``codec`` is copied to where it is used."""

from .apply import apply_codec
from .on_read import install
from .places import decoding_head, head_decoder
from .settings import alignment_of
from .spelling import concerns_dark

__all__ = [
    'alignment_of',
    'apply_codec',
    'concerns_dark',
    'decoding_head',
    'head_decoder',
    'install',
]
