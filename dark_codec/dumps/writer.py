"""Write the files of a heatmap dump, and find those that are missing."""

from __future__ import annotations

import io
import zipfile
from logging import WARNING
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmpose.structures import PoseDataSample

from ..openmmlab.engine.atomic_backend import (
    AtomicLocalBackend,
    remove_unfinished,
)
from .format import (
    CONFIG_FILE,
    FORMAT,
    INFO_FILE,
    VERSION,
    DumpError,
    DumpInfo,
    as_json,
    read_info,
    shard_path,
)
from .patches import cut_patches
from .reader import FlipPoints, Shard

_ARRAYS = (np.ndarray, np.generic)


def check_folder(folder: Path, info: DumpInfo) -> None:
    """Refuse a folder that holds anything but a part of this dump.

    Args:
        folder (Path): Of the dump; need not exist.
        info (DumpInfo): What the dump is to be.

    Raises:
        DumpError: If another dump, or anything else, is there.
    """
    if not (folder / INFO_FILE).exists():
        others = [
            path.name
            for path in sorted(folder.glob('*'))
            # a dump may have been killed right after it wrote this
            if not path.name.startswith((CONFIG_FILE, INFO_FILE))
        ]
        if others:
            raise DumpError(
                f'{folder} holds other files than a heatmap dump, such as '
                f'{others[0]}; choose a new folder'
            )
        return
    old, new = (
        {**some.pop('config_hash'), **some}
        for some in (read_info(folder).shared, info.shared)
    )
    different = [
        f'{name} ({_short(old.get(name))} there, {_short(value)} now)'
        for name, value in new.items()
        if old.get(name) != value
    ]
    if different:
        raise DumpError(
            f'{folder} holds another dump, which differs in '
            f'{", ".join(different)}; choose a new folder, or remove it'
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else f'{text[:12]}...'


def write_head(folder: Path, info: DumpInfo, config: str) -> None:
    """Write the shared files that are missing; remove unfinished ones.

    Args:
        folder (Path): Of the dump; made if need be.
        info (DumpInfo): What the dump is.
        config (str): Of the run, as a config file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_unfinished(folder)  # of a run that was killed
    backend = AtomicLocalBackend()
    new = not (folder / INFO_FILE).exists()
    if new or not (folder / CONFIG_FILE).exists():
        backend.put_text(config, folder / CONFIG_FILE)
    if new:
        facts = dict(format=FORMAT, version=VERSION, **vars(info))
        backend.put_text(as_json(facts), folder / INFO_FILE)


def missing_shards(folder: Path, info: DumpInfo) -> list[int]:
    """Return the numbers of absent, damaged or foreign shards, in order."""
    return [
        number
        for number in range(info.num_shards)
        if not _is_intact(Shard(folder, number, info))
    ]


def _is_intact(shard: Shard) -> bool:
    if not shard.path.exists():
        return False
    try:
        shard.check()
        with zipfile.ZipFile(shard.path) as archive:
            if not archive.testzip():
                return True
    except (DumpError, zipfile.BadZipFile, OSError, EOFError):
        pass
    print_log(
        f'{shard.path} is damaged, or of another dump, and will be renewed',
        logger='current',
        level=WARNING,
    )
    return False


def write_shard(
    folder: Path,
    number: int,
    info: DumpInfo,
    maps: np.ndarray,
    flips: FlipPoints | None,
    samples: list[PoseDataSample],
) -> None:
    """Write one shard atomically.

    Args:
        folder (Path): Of the dump.
        number (int): Of the shard.
        info (DumpInfo): Of the dump.
        maps (np.ndarray): Heatmaps of its samples, (n, K, H, W), in the
            dump's dtype.
        flips (FlipPoints, optional): Keypoints of the flip test's halves.
        samples (list[PoseDataSample]): Metainfo and labels of its samples.

    Raises:
        TypeError: If the metainfo holds what a dump cannot.
    """
    arrays: dict[str, np.ndarray] = dict(
        dump=np.array(info.hash),
        number=np.array(number),
        index=np.array(info.shard_index(number), dtype=np.int64),
    )
    if info.patch_radius is None:
        arrays['heatmaps'] = maps
    else:
        patches, corners = cut_patches(maps, info.patch_radius)
        arrays.update(patches=patches, corners=corners)
    if flips is not None:
        arrays.update(flips._asdict())
    arrays.update(_packed_samples(samples))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    AtomicLocalBackend().put(buffer.getvalue(), shard_path(folder, number))


def _packed_samples(samples: list[PoseDataSample]) -> dict[str, np.ndarray]:
    """Stack arrays of one shape and dtype; pack the rest as JSON."""
    rows = [_fields(sample) for sample in samples]
    arrays: dict[str, np.ndarray] = {}
    for name in list(rows[0]):
        column: list[Any] = [row.get(name) for row in rows]
        if (
            all(isinstance(value, _ARRAYS) for value in column)
            and len({(value.shape, value.dtype) for value in column}) == 1
        ):
            arrays[name] = np.stack([row.pop(name) for row in rows])
    rest: list[dict] = [dict(gt_instances={}) for _ in rows]
    for row, sample in zip(rows, rest):
        for name, value in row.items():
            field, _, key = name.partition('.')
            target = sample if field == 'metainfo' else sample[field]
            target[key] = value
    text = as_json(rest).encode()
    return dict(arrays, samples=np.frombuffer(text, np.uint8))


def _fields(sample: PoseDataSample) -> dict[str, Any]:
    """Return metainfo and labels by full names, tensors as arrays."""
    found = {f'metainfo.{key}': x for key, x in sample.metainfo_items()}
    for key, value in sample.gt_instances.items():
        if isinstance(value, torch.Tensor):
            value = value.cpu().numpy()
        found[f'gt_instances.{key}'] = value
    annotation = found.get('metainfo.raw_ann_info')
    if isinstance(annotation, dict):
        # long, and no metric of keypoints reads it
        found['metainfo.raw_ann_info'] = {
            key: x for key, x in annotation.items() if key != 'segmentation'
        }
    # MMEngine keeps them in a set: their order differs between processes
    return dict(sorted(found.items()))
