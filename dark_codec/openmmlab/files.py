"""Paths of the configs and tools that come with dark_codec.

A wheel holds them in ``dark_codec/.mim``, as that of MMPose does; a checkout,
also one installed in editable form, holds them at its root.
"""

import re
from difflib import get_close_matches
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def config_path(name: str) -> str:
    """Return the path of a config by its name.

    MMEngine's own look-up (``mmpose::...``) knows a closed list of packages.
    In a config, where ``_base_`` must be one expression::

        _base_ = [__import__('dark_codec').config_path('td-hm_hrnet-...')]

    Args:
        name: File name or end of the path below ``configs``, with or without
            ``.py``.

    Returns:
        The absolute path.

    Raises:
        ValueError: No config, or more than one, has this name.

    Example:
        >>> path = config_path('td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192')
        >>> path.endswith('_coco-256x192.py')
        True
    """
    return _find('configs', name, ['.py'])


def tool_path(name: str) -> str:
    """Return the path of a tool by its name.

    Args:
        name: File name or end of the path below ``tools``: ``train.py``,
            ``analysis_tools/dump_heatmaps.py``, ``dist_train.sh``.

    Returns:
        The absolute path.

    Raises:
        ValueError: No tool, or more than one, has this name.

    Example:
        >>> tool_path('train.py').endswith('tools/train.py')
        True
    """
    return _find('tools', name, ['.py', '.sh'])


def _find(folder: str, name: str, suffixes: list[str]) -> str:
    """Find the only file below `folder` whose path ends with `name`."""
    root = _PACKAGE / '.mim'
    if not root.is_dir():
        root = _PACKAGE.parent
    # without the helpers of the tools, which begin with an underscore
    paths = [
        path
        for path in sorted((root / folder).rglob('[!_]*'))
        if path.suffix in suffixes
    ]
    endings = {f'/{name}'} | {f'/{name}{suffix}' for suffix in suffixes}
    found = [p for p in paths if p.as_posix().endswith(tuple(endings))]
    if len(found) == 1:
        return str(found[0])
    if found:
        several = [p.relative_to(root / folder).as_posix() for p in found]
        raise ValueError(f'name={name!r} may be {" or ".join(several)}')
    # those with all words of the name, else those that are spelt alike
    stems = [path.stem for path in paths]
    words = re.split(r'[-_/.]', name.lower())
    near = [
        stem
        for stem in stems
        if name and all(word in stem.lower() for word in words)
    ]
    near = near[:5] or get_close_matches(name, stems, cutoff=0.4)
    raise ValueError(
        f'name={name!r}: there is no such file below {root / folder}'
        + (f'; near to it: {", ".join(near)}' if near else '')
    )
