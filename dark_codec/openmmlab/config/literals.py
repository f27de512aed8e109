"""Values in the text of a config, read without running it."""

from __future__ import annotations

import ast
from typing import Any


def read_literals(text: str) -> dict[str, Any]:
    """Parse the values that a config's text assigns, without running it.

    A checkpoint may come from anywhere, and MMEngine's ``fromstring`` would
    execute it.

    Args:
        text: As ``Config.pretty_text`` writes it.

    Returns:
        dict: Values by name. Tuples become lists; expressions that are no
            literals become their text.

    Raises:
        SyntaxError: It is no Python.
    """
    return {
        statement.targets[0].id: _literal(statement.value)
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
    }


def _literal(node: ast.expr) -> Any:
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {
            _literal(key): _literal(value)  # type: ignore[arg-type]
            for key, value in zip(node.keys, node.values)
        }
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        return {key.arg: _literal(key.value) for key in node.keywords}
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)
