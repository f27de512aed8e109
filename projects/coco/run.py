"""Fetch, predict and report."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mmengine.config import Config
from mmengine.dist import get_world_size, is_main_process

from dark_codec.analysis.machine import describe_run
from dark_codec.analysis.report import write_report
from dark_codec.cli import UserError, prepare
from dark_codec.dumps.format import DumpError, DumpInfo
from dark_codec.dumps.reader import HeatmapDump
from dark_codec.dumps.run import dump_heatmaps, hash_config, plan_dump
from dark_codec.dumps.writer import check_folder, missing_shards
from projects.coco.download import check_room, fetch, fetch_all, size_of
from projects.coco.networks import (
    ANNOTATIONS,
    Network,
    People,
    choose_people,
    make_config,
    seconds_per_person,
)
from projects.coco.table import measure, table

ARCHIVE = (
    'http://images.cocodataset.org/annotations/annotations_trainval2017.zip'
)
IMAGE_BYTES = 165e3  # mean of val2017
# patches and labels of a person in two dumps, zipped, at most
PERSON_BYTES = 50e3
PASSES = {True: 2, False: 1}  # of a network, by flip test


def get_files(args: argparse.Namespace, networks: list[Network]) -> People:
    """Fetch annotations, images and weights, and choose the people.

    Raises:
        UserError: If there is no room, or it cannot be fetched.
    """

    def address(url: str) -> str:
        return (
            args.mirror.rstrip('/') + urlsplit(url).path
            if args.mirror
            else url
        )

    weights = {_weights(args, n): address(n.weights) for n in networks}
    missing = [url for path, url in weights.items() if not path.is_file()]
    check_room(args.weights, sum(map(size_of, missing)))
    annotations = args.data / ANNOTATIONS
    if not annotations.is_file():
        archive = args.data / Path(ARCHIVE).name
        check_room(args.data, 1.1 * size_of(address(ARCHIVE)))
        fetch(address(ARCHIVE), archive)
        try:
            with zipfile.ZipFile(archive) as opened:
                opened.extract(ANNOTATIONS, args.data)
        except (zipfile.BadZipFile, KeyError, EOFError) as error:
            archive.unlink()
            raise UserError(
                f'{archive} is damaged ({error}): removed, start again to '
                'fetch it anew'
            ) from error
    people = choose_people(annotations, args.detections, args.images, args.out)
    folder = args.data / 'val2017'
    images = [
        (address(image['coco_url']), folder / image['file_name'])
        for image in people.images
    ]
    lacking = sum(not path.is_file() for _, path in images)
    check_room(args.data, lacking * IMAGE_BYTES)
    check_room(args.out, len(networks) * people.number * PERSON_BYTES)
    fetch_all(images, 'Fetching images')
    for path, url in weights.items():
        fetch(url, path)
    return people


def _weights(args: argparse.Namespace, network: Network) -> Path:
    return args.weights / Path(urlsplit(network.weights).path).name


class Run(NamedTuple):
    """A network that is tested with or without flip test, and its dump."""

    network: Network
    flip: bool
    cfg: Config
    folder: Path
    info: DumpInfo


def predict(
    args: argparse.Namespace, networks: list[Network], people: People
) -> dict[str, dict[bool, Path]]:
    """Run each network with and without flip test, and dump its heatmaps.

    Returns:
        dict[str, dict[bool, Path]]: Folders of the dumps by the network's
        name and flip test.

    Raises:
        UserError: If a folder holds a dump of other images.
    """
    runs = [
        _plan(args, network, people, flip)
        for network in networks
        for flip in PASSES
    ]
    try:
        for run in runs:
            check_folder(run.folder, run.info)
        if is_main_process():
            _print_estimate(runs, people)
        for run in runs:
            dump_heatmaps(run.cfg, run.folder, run.info)
    except DumpError as error:
        raise UserError(str(error)) from error
    dumps: dict[str, dict[bool, Path]] = {n.name: {} for n in networks}
    for run in runs:
        dumps[run.network.name][run.flip] = run.folder
    return dumps


def _plan(
    args: argparse.Namespace, network: Network, people: People, flip: bool
) -> Run:
    name = f'{network.name}{"_flip" if flip else ""}'
    cfg = make_config(network, people, args.data / 'val2017', flip)
    cfg.load_from = str(_weights(args, network))
    cfg.launcher = args.launcher
    cfg.work_dir = str(args.out / 'logs' / name)
    config_hash = hash_config(cfg)
    prepare(cfg, ('test',))
    info = plan_dump(cfg, config_hash)
    return Run(network, flip, cfg, args.out / 'dumps' / name, info)


def _print_estimate(runs: list[Run], people: People) -> None:
    """Say how long the runs take whose dumps are not complete."""
    passes: dict[str, int] = {}
    configs: dict[str, Config] = {}
    for run in runs:
        name = run.network.name
        if missing_shards(run.folder, run.info):
            passes[name] = passes.get(name, 0) + PASSES[run.flip]
            configs[name] = run.cfg
    if not passes:
        return
    seconds = people.number * sum(
        passes[name] * seconds_per_person(cfg) for name, cfg in configs.items()
    )
    print(
        f'{people.number} people in {len(people.images)} images: about '
        f'{seconds / get_world_size() / 60:.0f} minutes for the layers of '
        f'{len(passes)} networks, if images are read as fast'
    )


def report(
    args: argparse.Namespace,
    networks: list[Network],
    people: People,
    dumps: dict[str, dict[bool, Path]],
) -> None:
    """Decode, score and write ``coco.md`` and ``coco.json``."""
    run = describe_run()
    boxes = 'annotated' if people.boxes is None else 'detected'
    lines = [
        '# COCO val2017 with published weights',
        f'`{run["command"]}`',
        ', '.join(f'{key} {text}' for key, text in run['machine'].items()),
        f'{len(people.images)} images, {people.number} {boxes} boxes; AP with '
        f'95 % intervals over images ({args.draws} resamples), paired for the '
        'differences. The published numbers are those of detected boxes, the '
        'flip test and all images.',
    ]
    record: dict[str, Any] = dict(run, boxes=boxes, networks={})
    for network in networks:
        rows = []
        for flip in sorted(PASSES, reverse=True):
            dump = HeatmapDump(dumps[network.name][flip])
            decoder = dump.config.model.head.decoder
            own = 'dark-max' if decoder.get('unbiased') else 'shift'
            for row in measure(dump, own, args.draws):
                rows.append(dict(row, flip_test=flip))
        record['networks'][network.name] = dict(
            published=network.published,
            checkpoint_hash=dump.info.checkpoint_hash,
            rows=rows,
        )
        lines += [
            f'## {network.name}',
            f'Weights {dump.info.checkpoint_hash[:8]}',
            table(rows, network.published),
        ]
    page = '\n\n'.join(lines) + '\n'
    write_report(args.out, 'coco', page, record, {})
    print(page, f'More in {args.out / "coco.json"}', sep='\n')
