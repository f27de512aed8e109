"""Rows of the tables, and what each row is compared with."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from .evaluation import CORRECTED
from .runs import ENCODINGS, converged, short

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
        rows (list[Row]): In order.
        extra (str, optional): One more measure to show: ``'offset'``, where
            the errors point, or ``'rounding'``, how much of the labels'
            rounding is in them.
    """

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
    first, shifted = 'half_pixel', 'asymmetric, shift by 1'
    asymmetric = short('unbiased-asymmetric', '64x48')
    corrected = 'asymmetric, corrected by correct_flip_shift'
    align_corners = short('unbiased-align-corners', '64x48')
    return [
        Row(first, short('unbiased', '64x48'), 'DARK'),
        Row('align_corners', align_corners, 'DARK', first),
        Row(shifted, asymmetric, 'DARK', first),
        Row(corrected, asymmetric, CORRECTED, shifted),
    ]


def _floor() -> list[Row]:
    rows = []
    for decoder in ('Taylor without modulation', 'DARK'):
        first, config = f'round, {decoder}', short('biased', '64x48')
        floor = short('biased-floor', '64x48')
        rows += [
            Row(first, config, decoder),
            Row(f'floor, {decoder}', floor, decoder, first),
        ]
    return rows


def _by_budget(size: str, letter: str) -> dict[str, Table]:
    """Tables 1 to 3 at one size, of the long budget and of the short one."""
    tables = {}
    for prefix, stem in (('', converged), (SHORT, short)):
        network = partial(stem, size=size)
        tables |= {
            f'{prefix}1{letter}': Table(_decoding(network('biased'))),
            f'{prefix}2{letter}': Table(_modulation(network)),
            f'{prefix}3{letter}': Table(_encoding(network), 'rounding'),
        }
    return tables


SHORT = 'short-'
TABLES = {
    **_by_budget('128x96', ''),
    **_by_budget('64x48', 'b'),
    '3c': Table(_encoding(partial(short, size='96x72')), 'rounding'),
    '3d': Table(
        _encoding(lambda codec: short(f'{codec}-stride16', '128x96')),
        'rounding',
    ),
    '4': Table(_sizes()),
    '5': Table(_alignments(), 'offset'),
    '7': Table(_floor(), 'offset'),
}

# What the tables of both budgets say, side by side: size, what is compared,
# the table (with SHORT before its name for the short budget) and its row
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
}
