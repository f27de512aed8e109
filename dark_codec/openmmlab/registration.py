"""Makes the codec one of MMPose's, and its log messages MMEngine's."""

import logging

from mmengine.logging import print_log
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.registry import KEYPOINT_CODECS

from ..codec import DARKCodec

KEYPOINT_CODECS.register_module(module=DARKCodec)
BaseKeypointCodec.register(DARKCodec)


class _ToMMEngine(logging.Handler):
    """Hands the core's messages to the logger of the current run."""

    def emit(self, record: logging.LogRecord) -> None:
        print_log(record.getMessage(), 'current', record.levelno)


_core = logging.getLogger('dark_codec')
_core.addHandler(_ToMMEngine())
_core.propagate = False
