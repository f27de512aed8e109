"""Check that all places of a config have the same DARKCodec."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from ...functional import get_alignment
from .places import codec_places, decoding_head, warps
from .settings import COMPLETED, alignment_of, build_codec, same_codec
from .tree import as_levels, plain, type_name, unscoped


def check_agreement(cfg: Config, levels: list[dict]) -> None:
    """Refuse a head or target whose DARKCodec is not the top-level one.

    Where all places have the same one, it stems from a base or from an
    earlier completion, and the top-level codec may replace it; likewise where
    a place has the codec of a file that this one is based on.

    Args:
        cfg (Config): A config whose top-level ``codec`` is DARKCodec.
        levels (list[dict]): That codec, completed, one of each level.

    Raises:
        ValueError: With the place that has another DARKCodec.
    """
    # the levels of a list differ in sigma
    found = [
        (path, level, isinstance(codec, (list, tuple)))
        for path, codec in codec_places(cfg)
        for level in as_levels(codec)
    ]
    first = found[0][1]
    if all(same_codec(level, first, any_sigma=m) for _, level, m in found):
        return
    others = [
        (path, level)
        for path, level, of_many in found
        if type_name(level) == 'DARKCodec'
        and not any(
            same_codec(_filled(level, wanted), wanted, any_sigma=of_many)
            for wanted in levels
        )
    ]
    inherited = _codecs_of_files(cfg.filename) if others else []
    for path, level in others:
        if not any(same_codec(level, codec) for codec in inherited):
            raise ValueError(
                f'{path} is {plain(level)}, but codec is '
                f'{plain(levels[-1])}: leave it out there, and set it in codec'
            )


def _filled(codec: dict, wanted: dict) -> dict:
    """Fill in what ``wanted`` itself has from the codec that it replaces.

    A file's ``encoder=codec`` copies its codec as it stands there.
    """
    taken = {key: wanted[key] for key in COMPLETED if key in wanted}
    return {**taken, **unscoped(codec)}


def _codecs_of_files(file: str | None) -> list:
    """Return the codecs of a config file and of all that it is based on."""
    found: list = []
    try:
        if file is not None:
            found += as_levels(Config._file2dict(file)[0].get('codec'))
            for base in Config._get_base_files(file):
                path, _ = Config._get_cfg_path(base, file)
                found += _codecs_of_files(path)
    except (ImportError, OSError, RuntimeError, SyntaxError):
        pass  # moved since, or lazy: unknown
    return found


def check_replaced(cfg: Config) -> None:
    """Refuse places whose codecs, to be replaced, are not of one type.

    Raises:
        ValueError: Names two of them.
    """
    names = {
        type_name(codec): path
        for path, codec in codec_places(cfg)
        if isinstance(codec, dict) and type_name(codec) != 'DARKCodec'
    }
    if len(names) > 1:
        places = ', but '.join(f'{names[name]} is {name}' for name in names)
        raise ValueError(
            f'codec is DARKCodec, and it would replace two kinds: {places}; '
            'leave out the one that differs from its base'
        )


def _check_not_taken_back(cfg: Config, path: str) -> None:
    """Refuse another codec at the top of a config that DARKCodec completed.

    A config that only says itself where DARKCodec is used may have another
    one there, which is its base's.
    """
    codec = cfg.get('codec')
    if codec is not None and any(
        type_name(level) == 'DARKCodec'
        for level in _codecs_of_files(cfg.filename)
    ):
        raise ValueError(
            f'codec is {plain(codec)}, but {path} is still DARKCodec, which '
            'this config had as its codec before: for a run without it, take '
            'a config that does not name it'
        )


def check_explicit(cfg: Config) -> None:
    """Refuse places that name DARKCodec themselves and disagree.

    Raises:
        ValueError: If one has another codec, or warps or the flip test do
            not fit it.
    """
    model = cfg.get('model') or {}
    if not isinstance(model.get('head'), dict):
        return
    # a val_dataloader may have other targets
    places: dict[str, Any] = {
        path: codec
        for path, codec in codec_places(cfg)
        if path.startswith(('model.', 'train_dataloader.'))
    }
    dark = {p: c for p, c in places.items() if type_name(c) == 'DARKCodec'}
    if not dark:
        return
    _check_not_taken_back(cfg, next(iter(dark)))
    head = decoding_head(cfg)[1]
    if len(dark) < len(places) or any(
        not same_codec(codec, head['decoder']) for codec in dark.values()
    ):
        raise ValueError(
            'DARKCodec must be the same in all places, or stand in the '
            'top-level codec and be carried there. Got: '
            + '; '.join(f'{path} = {codec}' for path, codec in places.items())
        )
    _check_warps(cfg, head['decoder'])
    shift = (model.get('test_cfg') or {}).get('shift_heatmap', False)
    alignment = alignment_of(head['decoder'])
    fits = get_alignment(alignment).shift_heatmap
    if (model.get('test_cfg') or {}).get('flip_test') and shift != fits:
        raise ValueError(
            f'model.test_cfg.shift_heatmap={shift} does not fit '
            f'alignment={alignment!r}; '
            f'set it to {fits}'
        )


def _check_warps(cfg: Config, decoder: dict) -> None:
    """Check the crops' size and kind against the codec."""
    codec = build_codec(decoder)
    for path, warp in warps(cfg):
        found = dict(
            input_size=tuple(warp['input_size']),
            use_udp=bool(warp.get('use_udp', False)),
        )
        for key, value in found.items():
            if value != getattr(codec, key):
                raise ValueError(
                    f'{path}.{key}={value} does not fit the codec, which has '
                    f'{key}={getattr(codec, key)}; make them agree'
                )
