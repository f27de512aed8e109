"""The command that makes the tables of docs/decoders.md."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'projects' / 'decoder_study' / 'decoder_accuracy.py'
TABLES = [
    'accuracy-rmse',
    'accuracy-bound-inside',
    'accuracy-bound-whole',
    'accuracy-border-32x24',
    'accuracy-border-64x48',
    'accuracy-border-96x72',
]


def run(*args):
    command = [sys.executable, str(TOOL), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True)


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
                float(number) for cell in row[1:] for number in cell.split('/')
            ]
            for row in rows
            if len(row) > 1
        }
    return tables


def test_renews_the_page(tmp_path):
    result = run('--maps', 60, '--out', tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / 'images' / 'decoder_border.png').stat().st_size > 1e4
    renewed = read_tables(tmp_path / 'decoders.md')
    published = read_tables(ROOT / 'docs' / 'decoders.md')
    assert list(renewed) == list(published) == TABLES
    for name, table in published.items():
        assert list(renewed[name]) == list(table)
        assert len(table) == 7
    # 120 numbers each: a relative error of 7 %
    for name in TABLES[:3]:
        for decoder in ('argmax', 'Gaussian fit'):
            assert renewed[name][decoder] == pytest.approx(
                published[name][decoder], rel=0.3, abs=1e-4
            )


def test_what_the_page_says_of_its_tables():
    """The prose is by hand: it must follow from the numbers."""
    tables = read_tables(ROOT / 'docs' / 'decoders.md')
    clean = slice(0, None, 2)
    rmse = tables['accuracy-rmse']
    fit, default = rmse['Gaussian fit'], rmse['DARK, Eq. 10-11 (default)']
    assert fit[clean] == [0, 0, 0]
    assert [round(value, 2) for value in default[clean]] == [0.06, 0.02, 0.01]
    gain = [
        theirs / ours
        for theirs, ours in zip(
            rmse["MMPose's own code"][clean], default[clean]
        )
    ]
    assert 2.5 < min(gain) and 10.5 < max(gain) < 11.5
    inside = tables['accuracy-bound-inside']
    assert max(inside['Gaussian fit']) <= 1.03
    assert max(tables['accuracy-bound-whole']['Gaussian fit']) <= 1.2
    for name in TABLES[3:]:
        border = tables[name]
        for column in (1, 3):
            others = [
                row[column] for key, row in border.items() if 'fit' not in key
            ]
            ratio = min(others) / border['Gaussian fit'][column]
            assert 1.25 < ratio < 7


def test_a_wrong_count_is_refused():
    result = run('--maps', 0)
    assert result.returncode == 2
    assert '--maps must be positive, got 0' in result.stderr
