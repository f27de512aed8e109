"""Where data are that the project does not hold."""

from __future__ import annotations

import os
from pathlib import Path

_DEFAULT = Path(__file__).resolve().parents[3] / 'shared' / 'data'


def shared_data() -> Path:
    """The folder that DARK_CODEC_DATA names, or that beside the checkout."""
    return Path(os.environ.get('DARK_CODEC_DATA', _DEFAULT))
