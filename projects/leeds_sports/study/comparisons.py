"""Rows of the tables, and what each row is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .evaluation import CORRECTED
from .runs import ENCODINGS, converged, figures, short

Network = Callable[[str], str]  # stem of a config, by how labels are encoded


class Row(NamedTuple):
    """A network and a decoder.

    Attributes:
        label (str): In the table; unique there.
        config (str): Stem of the network's config.
        decoder (str): One of those that were evaluated.
        against (str, optional): Label of the row to compare with.
    """

    label: str
    config: str
    decoder: str
    against: str | None = None


class Table(NamedTuple):
    """Rows that belong together.

    Attributes:
        title (str): What the table shows.
        rows (list[Row]): In order.
        extra (str, optional): One more measure to show: ``'offset'``, where
            the errors point, or ``'rounding'``, how much of the labels'
            rounding is in them.
    """

    title: str
    rows: list[Row]
    extra: str | None = None


def _decoding(config: str) -> list[Row]:
    first = 'none (argmax)'
    return [
        Row(first, config, 'argmax'),
        Row('quarter shift', config, 'quarter shift', first),
        Row('DARK', config, 'DARK', first),
    ]


def _modulation(network: Network) -> list[Row]:
    rows = []
    for codec in reversed(ENCODINGS):
        config, first = network(codec), f'{codec}, without modulation'
        rows += [
            Row(first, config, 'Taylor without modulation'),
            Row(f'{codec}, half the kernel', config, 'half the kernel', first),
            Row(f'{codec}, with modulation', config, 'DARK', first),
            Row(f'{codec}, rescaled by max', config, 'rescaled by max', first),
            Row(f'{codec}, Gaussian fit', config, 'Gaussian fit', first),
        ]
    return rows


def _encoding(config: Network) -> list[Row]:
    rows = []
    for decoder in (
        'quarter shift',
        'Taylor without modulation',
        'DARK',
        'Gaussian fit',
    ):
        first = f'biased, {decoder}'
        rows += [
            Row(first, config('biased'), decoder),
            Row(f'unbiased, {decoder}', config('unbiased'), decoder, first),
        ]
    return rows


def _sizes() -> list[Row]:
    rows = []
    for size in ('64x48', '96x72', '128x96'):
        first = f'{size}, baseline'
        rows += [
            Row(first, short('biased', size), 'quarter shift'),
            Row(f'{size}, DARK', short('unbiased', size), 'DARK', first),
            Row(
                f'{size}, unbiased, Taylor without modulation',
                short('unbiased', size),
                'Taylor without modulation',
                first,
            ),
        ]
    return rows


def _alignments() -> list[Row]:
    configs = {
        'half_pixel': short('unbiased', '64x48'),
        'align_corners': short('unbiased-align-corners', '64x48'),
        'asymmetric, shift by 1': short('unbiased-asymmetric', '64x48'),
    }
    rows = [
        Row(
            name,
            config,
            'DARK',
            None if name == 'half_pixel' else 'half_pixel',
        )
        for name, config in configs.items()
    ]
    name, config = 'asymmetric, shift by 1', rows[-1].config
    corrected = 'asymmetric, corrected by correct_flip_shift'
    return [*rows, Row(corrected, config, CORRECTED, name)]


def _floor(config: Network) -> list[Row]:
    rows = []
    for decoder in ('Taylor without modulation', 'DARK'):
        first = f'round, {decoder}'
        rows += [
            Row(first, config('biased'), decoder),
            Row(f'floor, {decoder}', config('biased-floor'), decoder, first),
        ]
    return rows


def _converged(size: str) -> Network:
    return lambda codec: converged(codec, size)


def _short(size: str) -> Network:
    return lambda codec: short(codec, size)


TABLES = {
    '1': Table(
        'Decoding; biased encoding, 128x96',
        _decoding(converged('biased', '128x96')),
    ),
    '1b': Table(
        'Decoding; biased encoding, 64x48',
        _decoding(converged('biased', '64x48')),
    ),
    '2': Table('Modulation, 128x96', _modulation(_converged('128x96'))),
    '2b': Table('Modulation, 64x48', _modulation(_converged('64x48'))),
    '3': Table(
        'Encoding, 128x96', _encoding(_converged('128x96')), 'rounding'
    ),
    '3b': Table('Encoding, 64x48', _encoding(_converged('64x48')), 'rounding'),
    'short-1': Table(
        'Decoding; biased encoding, 128x96, short budget',
        _decoding(short('biased', '128x96')),
    ),
    'short-2': Table(
        'Modulation, 128x96, short budget', _modulation(_short('128x96'))
    ),
    'short-2b': Table(
        'Modulation, 64x48, short budget', _modulation(_short('64x48'))
    ),
    'short-3': Table(
        'Encoding, 128x96, short budget',
        _encoding(_short('128x96')),
        'rounding',
    ),
    'short-3b': Table(
        'Encoding, 64x48, short budget',
        _encoding(_short('64x48')),
        'rounding',
    ),
    '3c': Table(
        'Encoding, 96x72, short budget',
        _encoding(_short('96x72')),
        'rounding',
    ),
    '3d': Table(
        'Encoding, 128x96 with heatmaps of 8x6, short budget',
        _encoding(lambda codec: short(f'{codec}-stride16', '128x96')),
        'rounding',
    ),
    '4': Table('Input sizes, short budget', _sizes()),
    '5': Table(
        'Alignments, 64x48, flip test, short budget', _alignments(), 'offset'
    ),
    '6': Table(
        'Encoding with exact labels: synthetic figures, 64x48',
        _encoding(figures),
        'rounding',
    ),
    '7': Table(
        'Rounding down, 64x48, short budget',
        _floor(_short('64x48')),
        'offset',
    ),
    '7b': Table('Rounding down, figures', _floor(figures), 'offset'),
}

# What the tables of both budgets say, side by side: size, what is compared,
# the table (with SHORT before its name for the short budget) and its row
SHORT = 'short-'
BUDGETS = [
    *(
        ('128x96', f'{label} against argmax', '1', label)
        for label in ('quarter shift', 'DARK')
    ),
    *(
        (size, f'{label} against none', table, label)
        for size, table in (('128x96', '2'), ('64x48', '2b'))
        for label in (
            'biased, half the kernel',
            'biased, with modulation',
            'unbiased, half the kernel',
            'unbiased, with modulation',
        )
    ),
    *(
        (size, f'{label} against biased', table, label)
        for size, table in (('128x96', '3'), ('64x48', '3b'))
        for label in (
            'unbiased, quarter shift',
            'unbiased, Taylor without modulation',
            'unbiased, DARK',
        )
    ),
]

# Tables of encodings, and what pictures call them
ENCODING_TABLES = {
    '3': '128x96',
    '3b': '64x48',
    'short-3': '128x96, short budget',
    '3c': '96x72, short budget',
    'short-3b': '64x48, short budget',
    '3d': '128x96 at stride 16, short budget',
    '6': 'figures, 64x48',
}
