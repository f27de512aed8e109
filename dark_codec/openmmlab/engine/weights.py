"""Loading of weights that must be the model's own."""

from __future__ import annotations

import textwrap
from urllib.error import URLError

from mmengine.runner import load_checkpoint
from torch import nn


def load_weights(model: nn.Module, path: str) -> dict:
    """Load a checkpoint that has all weights of a model, and no others.

    MMEngine's runner only warns where some are missing, or do not fit.

    Args:
        model (nn.Module): Changed in place.
        path (str): A file or a URL.

    Returns:
        dict: The content of the checkpoint.

    Raises:
        ValueError: If it is another network's, or cannot be read.
        URLError: If it cannot be downloaded.
    """
    try:
        return load_checkpoint(model, path, map_location='cpu', strict=True)
    except URLError:
        raise
    except Exception as error:  # torch has one for every way to fail
        reason = textwrap.shorten(str(error), 400, placeholder=' ...')
        raise ValueError(
            f'the checkpoint {path} does not fit the config: {reason}'
        ) from error
