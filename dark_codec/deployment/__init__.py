"""Models with their decoder in one ONNX graph.

Needs ``onnx``, ``onnxscript`` and ``onnxruntime``, which dark_codec itself
does without: nothing else imports this package.
"""

from .check import TOLERANCE, MismatchError, check_onnx, session_of
from .export import OPSET, describe, drop_output, export_onnx, subgraph
from .modules import ExportedDecoder, ExportedEstimator

__all__ = [
    'OPSET',
    'TOLERANCE',
    'ExportedDecoder',
    'ExportedEstimator',
    'MismatchError',
    'check_onnx',
    'describe',
    'drop_output',
    'export_onnx',
    'session_of',
    'subgraph',
]
