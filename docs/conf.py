"""How Sphinx makes the pages: ``python -m sphinx -c docs . docs/_build``.

The sources are the whole repository, so that a link that works on GitHub works
here as well, from and to the README and the pages beside configs and projects.
"""

import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import dark_codec  # noqa: E402

project = 'dark_codec'
copyright = 'the authors of dark_codec'
release = version = dark_codec.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
]
root_doc = 'docs/index'
include_patterns = [
    'docs/*.md',
    'configs/**/*.md',
    'projects/**/README.md',
    'projects/*/*.md',
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
]
exclude_patterns = ['.*', 'data', 'docs/_build', 'outputs', 'work_dirs']
html_theme = 'furo'
html_static_path = ['site']
html_css_files = ['copy.css']
html_js_files = ['copy.js']
html_title = f'dark_codec {release}'

# links to headings, as GitHub names them
myst_heading_anchors = 3
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
# docstrings give the types
autodoc_typehints = 'none'


def is_skipped(app, what, name, obj, skip, options):
    """Leave out fields of named tuples: their class describes them."""
    return True if type(obj).__name__ == '_tuplegetter' else None


def finish(app, exception):
    """Add what Sphinx does not see: the entrance, and pictures in HTML."""
    if exception is None and app.builder.name == 'html':
        shutil.copy(HERE / 'site' / 'index.html', app.outdir)
        readme = (HERE.parent / 'README.md').read_text()
        for picture in re.findall(r'(?:src|srcset)="([^"]+)"', readme):
            copy = Path(app.outdir, picture)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HERE.parent / picture, copy)


def setup(app):
    """Called by Sphinx."""
    app.connect('build-finished', finish)
    app.connect('autodoc-skip-member', is_skipped)
