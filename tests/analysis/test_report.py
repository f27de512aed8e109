"""The tables of a page, which a command renews."""

import pytest

from dark_codec.analysis.report import fill


def test_a_page_needs_a_place_for_each_table():
    page = '# A\n<!-- table a -->\nold\n<!-- end -->\ntext\n'
    assert fill(page, dict(a='new')) == (
        '# A\n<!-- table a -->\n\nnew\n\n<!-- end -->\ntext\n'
    )
    with pytest.raises(ValueError, match=r"one block for each of \['b'\]"):
        fill(page, dict(b='new'))
