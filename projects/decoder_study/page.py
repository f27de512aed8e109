"""The pages of the study: prose by hand, tables by the command."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = 'real_heatmaps.md'
TABLES = 'real_heatmaps_tables.md'
# Tables whose names begin so are for the second page
EVERY_KERNEL = 'every-kernel: '
_BLOCK = re.compile(r'(<!-- table (\S+) -->\n).*?(<!-- end -->)', re.DOTALL)
_INTRO = f"""# Real heatmaps: every kernel

Made by `tools/analysis_tools/study_heatmaps.py`; [the study]({PAGE}) says
what the columns mean. Each PCK in %, then its difference from MMPose's DARK.
"""


def fill(page: str, tables: dict[str, str]) -> str:
    """Put tables in their places on the page.

    Raises:
        ValueError: If the page has not exactly one place for each table.
    """
    places = [name for _, name, _ in _BLOCK.findall(page)]
    if sorted(places) != sorted(tables):
        raise ValueError(
            f'the page must have one place for each of {sorted(tables)}, '
            f'has {sorted(places)}'
        )
    return _BLOCK.sub(
        lambda block: f'{block[1]}\n{tables[block[2]]}\n\n{block[3]}', page
    )


def write_page(source: Path, out: Path, tables: dict[str, str]) -> None:
    """Write both pages.

    Args:
        source: The page with the prose.
        out: The folder to write to; may be that of the source.
        tables: By their names.
    """
    sections = [_INTRO]
    places = {}
    for name, table in tables.items():
        if name.startswith(EVERY_KERNEL):
            title = name.removeprefix(EVERY_KERNEL).capitalize()
            sections.append(f'## {title}\n\n{table}\n')
        else:
            places[name] = table
    page = fill(source.read_text(), places)
    (out / PAGE).write_text(page)
    (out / TABLES).write_text('\n'.join(sections))
