"""The command that makes the tables of docs/decoders.md."""

import re
from pathlib import Path

import pytest
from tiny_run import call, refused

ROOT = Path(__file__).parents[2]
TOOL = '../projects/decoder_study/decoder_accuracy.py'
TABLES = [
    'accuracy-rmse',
    'accuracy-bound-inside',
    'accuracy-bound-whole',
    'accuracy-border-32x24',
    'accuracy-border-64x48',
    'accuracy-border-96x72',
    'accuracy-sigma',
]


def read_tables(page):
    """Rows of numbers by decoder, by the name of the table."""
    blocks = re.findall(
        r'<!-- table (\S+) -->\n(.*?)<!-- end -->', page.read_text(), re.DOTALL
    )
    tables = {}
    for name, block in blocks:
        rows = [line.strip('|').split('|') for line in block.split('\n')[3:]]
        tables[name] = {
            row[0].strip(): [
                float(number)
                for cell in row[1:]
                for number in cell.replace('%', '').split('/')
            ]
            for row in rows
            if len(row) > 1
        }
    return tables


def test_renews_the_page(tmp_path):
    result = call(TOOL, '--maps', 60, '--out', tmp_path, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'images' / 'decoder_border.png').stat().st_size > 1e4
    renewed = read_tables(tmp_path / 'decoders.md')
    published = read_tables(ROOT / 'docs' / 'decoders.md')
    assert list(renewed) == list(published) == TABLES
    for name, table in published.items():
        assert list(renewed[name]) == list(table)
        assert len(table) == (11 if name == 'accuracy-sigma' else 7)
    # 120 numbers each: a relative error of 7 %
    for name in TABLES[:3]:
        for decoder in ('argmax', 'Gaussian fit'):
            assert renewed[name][decoder] == pytest.approx(
                published[name][decoder], rel=0.3, abs=1e-4
            )


def test_a_wrong_count_is_refused(tmp_path):
    message = refused(call(TOOL, '--maps', 0, cwd=tmp_path))
    assert '--maps must be positive, got 0' in message
