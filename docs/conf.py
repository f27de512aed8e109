"""How Sphinx makes the pages: ``python -m sphinx -W docs docs/_build``."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import figures  # noqa: E402

import dark_codec  # noqa: E402

project = 'dark_codec'
copyright = 'the authors of dark_codec'
release = version = dark_codec.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
]
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = f'dark_codec {release}'

# links to headings, as GitHub names them
myst_heading_anchors = 3
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
# docstrings give the types
autodoc_typehints = 'none'


def setup(app):
    """Draw the figures of the concepts before the pages are read."""
    app.connect(
        'builder-inited',
        lambda app: figures.draw_all(HERE / 'images' / 'concepts'),
    )
