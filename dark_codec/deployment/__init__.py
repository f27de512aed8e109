"""Decoders, and models with their decoder, as ONNX graphs.

Needs ``onnx``, ``onnxscript`` and ``onnxruntime``, which dark_codec itself
does without: nothing else imports this package. Models need MMPose, too:
:mod:`dark_codec.deployment.estimator`.
"""

from .check import TOLERANCE, MismatchError, check_onnx, session_of
from .decoder import ExportedDecoder
from .export import OPSET, describe, drop_output, export_onnx, subgraph

__all__ = [
    'OPSET',
    'TOLERANCE',
    'ExportedDecoder',
    'MismatchError',
    'check_onnx',
    'describe',
    'drop_output',
    'export_onnx',
    'session_of',
    'subgraph',
]
