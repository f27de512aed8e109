"""The pages of the study: prose by hand, tables by the command."""

from __future__ import annotations

from pathlib import Path

from dark_codec.analysis.report import fill

PAGE = 'README.md'
TABLES = 'every_kernel.md'
# Tables whose names begin so are for the second page
EVERY_KERNEL = 'every-kernel: '
_INTRO = f"""# Every kernel of that study

Made by `projects/decoder_study/study_heatmaps.py`; [the study]({PAGE}) says
what the columns mean. Each PCK in %, then its difference from MMPose's DARK.
"""


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
