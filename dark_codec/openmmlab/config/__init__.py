"""Completion of configs: the ``codec`` is copied to where it is used."""

from .agreement import concerns_dark
from .apply import apply_codec
from .codecs import alignment_of
from .on_read import install
from .places import decoding_head, head_decoder

__all__ = [
    'alignment_of',
    'apply_codec',
    'concerns_dark',
    'decoding_head',
    'head_decoder',
    'install',
]
