"""Facts that all samples of a heatmap dump share."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

FORMAT, VERSION = 'dark_codec heatmap dump', 2
INFO_FILE, CONFIG_FILE = 'dump.json', 'config.py'
# fields that may differ between the runs that write one dump
NOT_COMPARED = ('checkpoint', 'software', 'dataset_meta')
# of MMPose's metainfo: JSON turns them into lists
_ARRAYS = {
    'keypoint_colors': np.uint8,
    'skeleton_link_colors': np.uint8,
    'dataset_keypoint_weights': np.float32,
    'sigmas': np.float32,
}


class DumpError(ValueError):
    """Error of reading or writing a dump; the message says how to fix it."""


@dataclass(frozen=True)
class DumpInfo:
    """Facts that are the same for all samples of a dump.

    Attributes:
        kind (str): ``'patch'`` (windows round the peaks) or ``'full'``.
        dtype (str): ``'float16'`` or ``'float32'``, of the stored values.
        patch_radius (int, optional): Of the windows in heatmap px; None for
            full maps.
        codec (dict): A DARKCodec: ``input_size``, ``heatmap_size``,
            ``sigma``, ``alignment``, ...
        flip_test (bool): Whether the maps are means over a flip test.
        shift_heatmap (bool): Whether it shifted the flipped maps by 1 px.
        num_samples (int): Of the test set.
        shard_size (int): Samples per shard; the last one may have fewer.
        batch_size (int): Samples per batch of the network.
        dataset_meta (dict): The dataset's ``metainfo``.
        config_hash (dict): SHA-256 of the parts of the config that the
            content follows from.
        checkpoint (str): Its path, or URL.
        checkpoint_hash (str): SHA-256 of the file; of a URL, the URL.
        software (dict): Versions.
    """

    kind: str
    dtype: str
    patch_radius: int | None
    codec: dict
    flip_test: bool
    shift_heatmap: bool
    num_samples: int
    shard_size: int
    batch_size: int
    dataset_meta: dict
    config_hash: dict
    checkpoint: str
    checkpoint_hash: str
    software: dict

    @property
    def num_shards(self) -> int:
        """Number of files of the complete dump."""
        return -(-self.num_samples // self.shard_size)

    @property
    def shared(self) -> dict:
        """What all runs that write this dump have in common, as in JSON."""
        facts = {k: x for k, x in vars(self).items() if k not in NOT_COMPARED}
        return json.loads(as_json(facts))

    @property
    def hash(self) -> str:
        """SHA-256 of :attr:`shared`."""
        text = json.dumps(self.shared, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def shard_index(self, number: int) -> range:
        """Return the indices in the dataset of a shard's samples."""
        start = number * self.shard_size
        return range(start, min(start + self.shard_size, self.num_samples))


def as_json(value: Any) -> str:
    """Write JSON: arrays and tuples as lists, numpy's scalars as numbers.

    Raises:
        TypeError: If it holds anything else.
    """

    def to_list(value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            return value.tolist()
        raise TypeError(
            'a dump holds numbers, text, arrays, lists and dicts; '
            f'got {type(value).__name__}: {value!r:.80}'
        )

    return json.dumps(value, default=to_list)


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a shard."""
    return folder / f'shard_{number:06}.npz'


def read_info(folder: str | Path) -> DumpInfo:
    """Read ``dump.json``.

    Args:
        folder (str | Path): Of the dump.

    Raises:
        DumpError: If there is none, or it is of another format.
    """
    path = Path(folder) / INFO_FILE
    try:
        found = json.loads(path.read_text())
        known = found.pop('format'), found.pop('version')
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise DumpError(
            f'{folder} is no heatmap dump: cannot read {path} ({error}); '
            'make one with tools/analysis_tools/dump_heatmaps.py'
        ) from error
    names = {field.name for field in fields(DumpInfo)}
    if known != (FORMAT, VERSION) or set(found) != names:
        raise DumpError(
            f'{path} is of format {known}, but this version of dark_codec '
            f'reads {(FORMAT, VERSION)}: dump again into a new folder, with '
            'tools/analysis_tools/dump_heatmaps.py'
        )
    for name in ('input_size', 'heatmap_size'):
        found['codec'][name] = tuple(found['codec'][name])
    # as MMPose's datasets hold it
    metainfo = found['dataset_meta']
    if 'keypoint_id2name' in metainfo:
        names = metainfo['keypoint_id2name'].items()
        metainfo['keypoint_id2name'] = {int(i): name for i, name in names}
    for name, dtype in _ARRAYS.items():
        if metainfo.get(name) is not None:
            metainfo[name] = np.array(metainfo[name], dtype)
    return DumpInfo(**found)
