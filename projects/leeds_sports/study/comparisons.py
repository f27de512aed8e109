"""Rows of the tables, and what each row is compared with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .evaluation import CORRECTED
from .runs import figures, lsp


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


def _decoding(codec: str, size: str) -> list[Row]:
    config, first = lsp(codec, size), 'none (argmax)'
    return [
        Row(first, config, 'argmax'),
        Row('quarter shift', config, 'quarter shift', first),
        Row('DARK', config, 'DARK', first),
    ]


def _modulation(size: str) -> list[Row]:
    rows = []
    for codec in ('biased', 'unbiased'):
        config, first = lsp(codec, size), f'{codec}, without modulation'
        rows += [
            Row(first, config, 'Taylor without modulation'),
            Row(f'{codec}, half the kernel', config, 'half the kernel', first),
            Row(f'{codec}, with modulation', config, 'DARK', first),
            Row(f'{codec}, rescaled by max', config, 'rescaled by max', first),
            Row(f'{codec}, Gaussian fit', config, 'Gaussian fit', first),
        ]
    return rows


def _encoding(config: Callable[[str], str]) -> list[Row]:
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
            Row(first, lsp('biased', size), 'quarter shift'),
            Row(f'{size}, DARK', lsp('unbiased', size), 'DARK', first),
            Row(
                f'{size}, unbiased, Taylor without modulation',
                lsp('unbiased', size),
                'Taylor without modulation',
                first,
            ),
        ]
    return rows


def _alignments() -> list[Row]:
    configs = {
        'half_pixel': lsp('unbiased', '64x48'),
        'align_corners': lsp('unbiased-align-corners', '64x48'),
        'asymmetric, shift by 1': lsp('unbiased-asymmetric', '64x48'),
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


def _floor(config: Callable[[str], str]) -> list[Row]:
    rows = []
    for decoder in ('Taylor without modulation', 'DARK'):
        first = f'round, {decoder}'
        rows += [
            Row(first, config('biased'), decoder),
            Row(f'floor, {decoder}', config('biased-floor'), decoder, first),
        ]
    return rows


def _at(size: str) -> Callable[[str], str]:
    return lambda codec: lsp(codec, size)


TABLES = {
    '1': Table(
        'Decoding; biased encoding, 128x96', _decoding('biased', '128x96')
    ),
    '2': Table('Modulation, 128x96', _modulation('128x96')),
    '2b': Table('Modulation, 64x48', _modulation('64x48')),
    '3': Table('Encoding, 128x96', _encoding(_at('128x96')), 'rounding'),
    '3b': Table('Encoding, 96x72', _encoding(_at('96x72')), 'rounding'),
    '3c': Table('Encoding, 64x48', _encoding(_at('64x48')), 'rounding'),
    '3d': Table(
        'Encoding, 128x96 with heatmaps of 8x6',
        _encoding(lambda codec: lsp(f'{codec}-stride16', '128x96')),
        'rounding',
    ),
    '4': Table('Input sizes', _sizes()),
    '5': Table('Alignments, 64x48, flip test', _alignments(), 'offset'),
    '6': Table(
        'Encoding with exact labels: synthetic figures, 64x48',
        _encoding(figures),
        'rounding',
    ),
    '7': Table('Rounding down, 64x48', _floor(_at('64x48')), 'offset'),
    '7b': Table('Rounding down, figures', _floor(figures), 'offset'),
}
