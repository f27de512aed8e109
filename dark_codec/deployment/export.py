"""Modules to ONNX graphs that describe themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import onnx
import torch

from ..version import __version__
from .decoder import ExportedDecoder

if TYPE_CHECKING:
    from .estimator import ExportedEstimator

# the oldest that torch's exporter writes without conversion
OPSET = 18


def export_onnx(
    module: ExportedDecoder | ExportedEstimator,
    metadata: dict[str, str] | None = None,
) -> onnx.ModelProto:
    """Export a module to one graph.

    Args:
        module (ExportedDecoder | ExportedEstimator): What to export.
        metadata (dict[str, str], optional): For the graph's
            ``metadata_props``; see :func:`describe`.

    Returns:
        onnx.ModelProto: With the module's inputs and outputs, and any number
        of samples in a batch, without external data files.
    """
    # not 1, which the exporter takes for a constant
    example = (module.example(batch=2),)
    with torch.no_grad():
        program: Any = torch.onnx.export(
            module,
            example,
            dynamo=True,
            input_names=module.inputs,
            output_names=module.outputs,
            dynamic_shapes=(dict(module.dynamic_axes),),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    proto = program.model_proto
    onnx.helper.set_model_props(proto, metadata or {})
    return proto


def subgraph(
    model: onnx.ModelProto, inputs: list[str], outputs: list[str]
) -> onnx.ModelProto:
    """Return the part of a graph between these names."""
    extractor = onnx.utils.Extractor(model)
    return extractor.extract_model(inputs, outputs)


def drop_output(model: onnx.ModelProto, name: str) -> None:
    """Turn an output into an inner value of a graph, in place."""
    outputs = model.graph.output
    index = [output.name for output in outputs].index(name)
    model.graph.value_info.append(outputs.pop(index))


def describe(
    module: ExportedDecoder | ExportedEstimator,
    keypoint_names: list[str] | None,
) -> dict[str, str]:
    """Describe a graph to its users, for its ``metadata_props``.

    Args:
        module (ExportedDecoder | ExportedEstimator): What is exported.
        keypoint_names (list[str], optional): In the order of the output.

    Returns:
        dict[str, str]: All values but ``dark_codec`` are json.
    """
    facts: dict[str, Any] = dict(
        opset=OPSET,
        codec=module.codec.settings,
        decoder=type(module.codec.decoder).__name__,
        input_size=module.codec.input_size,
        heatmap_size=module.codec.heatmap_size,
        keypoint_names=keypoint_names,
    )
    if not isinstance(module, ExportedDecoder):
        facts.update(
            flip_test=module.flip_indices is not None,
            uint8=module.uint8,
            **_normalisation(module.model.data_preprocessor),
        )
    texts = {key: json.dumps(value) for key, value in facts.items()}
    return dict(dark_codec=__version__, **texts)


def _normalisation(preprocessor: Any) -> dict[str, Any]:
    """Return the data preprocessor's settings; None for absent ones."""
    numbers = {
        key: getattr(preprocessor, key, None) for key in ('mean', 'std')
    }
    facts: dict[str, Any] = {
        key: None if value is None else value.flatten().tolist()
        for key, value in numbers.items()
    }
    swaps = getattr(preprocessor, '_channel_conversion', False)
    return dict(facts, swaps_red_and_blue=swaps)
