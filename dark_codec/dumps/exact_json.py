"""JSON that preserves arrays, tuples and dicts with any keys."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import torch

_ARRAY, _TUPLE, _ITEMS = '__array__', '__tuple__', '__items__'


def to_json(value: Any) -> str:
    """Write nested lists, tuples, dicts, arrays and scalars as JSON.

    Args:
        value (Any): Tensors become arrays; numpy's scalars keep their dtype.

    Returns:
        str: JSON.

    Raises:
        TypeError: If it holds anything else.

    Examples:
        >>> from_json(to_json({0: (1, np.float32([0.1]))}))
        {0: (1, array([0.1], dtype=float32))}
    """
    return json.dumps(_packed(value), separators=(',', ':'))


def from_json(text: str | bytes) -> Any:
    """Read what :func:`to_json` has written."""
    return json.loads(text, object_hook=_unpacked)


def _packed(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        # numpy's float64 is a float, too
        if not isinstance(value, np.generic):
            return value
    if isinstance(value, torch.Tensor):
        value = value.cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        return {_ARRAY: value.tolist(), 'dtype': value.dtype.str}
    if isinstance(value, tuple):
        return {_TUPLE: [_packed(item) for item in value]}
    if isinstance(value, list):
        return [_packed(item) for item in value]
    if not isinstance(value, dict):
        raise TypeError(
            'a dump holds numbers, text, arrays, lists, tuples and dicts; '
            f'got {type(value).__name__}: {value!r:.80}'
        )
    if all(isinstance(key, str) for key in value):
        return {key: _packed(item) for key, item in value.items()}
    pairs = [[_packed(key), _packed(item)] for key, item in value.items()]
    return {_ITEMS: pairs}


def _unpacked(node: dict) -> Any:
    if _ARRAY in node:
        # a 0-dimensional array becomes a numpy scalar
        return np.array(node[_ARRAY], dtype=node['dtype'])[()]
    if _TUPLE in node:
        return tuple(node[_TUPLE])
    if _ITEMS in node:
        return dict(node[_ITEMS])
    return node
