"""Tables in markdown, and pages with marked places for them."""

import re
from collections.abc import Collection, Iterable, Sequence

_BLOCK = re.compile(r'(<!-- table (\S+) -->\n).*?(<!-- end -->)', re.DOTALL)


def markdown(
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    text: Collection[int] = (0,),
) -> str:
    """Make a table.

    Args:
        header (Sequence[str]): Names of the columns.
        rows (Iterable[Sequence[str]]): Their cells.
        text (Collection[int]): Numbers of the columns that hold text, on the
            left of their cells. The others hold numbers, on the right.

    Examples:
        >>> print(markdown(['decoder', 'px'], [['argmax', '0.38']]))
        | decoder | px |
        | --- | ---: |
        | argmax | 0.38 |
    """
    rule = ['---' if i in text else '---:' for i in range(len(header))]
    lines = [header, rule, *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


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
