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

# autosummary writes these pages anew; none of a former module stays
shutil.rmtree(HERE / 'api', ignore_errors=True)

project = 'dark_codec'
copyright = 'the authors of dark_codec'
release = version = dark_codec.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
root_doc = 'docs/index'
include_patterns = [
    'docs/*.md',
    'docs/api/*.rst',  # written by autosummary, from docs/api.md
    'configs/**/*.md',
    'projects/**/README.md',
    'projects/*/*.md',
    'README.md',
    'CONTRIBUTING.md',
    'CHANGELOG.md',
    'tests/data/README.md',
]
exclude_patterns = ['.*', 'data', 'docs/_build', 'outputs', 'work_dirs']
html_theme = 'furo'
html_static_path = ['site']
html_css_files = ['site.css']
html_js_files = ['site.js']
html_title = f'dark_codec {release}'

# links to headings, as GitHub names them
myst_heading_anchors = 3
myst_enable_extensions = ['html_image']
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
# docstrings give the types
autodoc_typehints = 'none'


def is_skipped(app, what, name, obj, skip, options):
    """Leave out fields of named tuples: their class describes them."""
    return True if type(obj).__name__ == '_tuplegetter' else None


def show_pictures(app, docname, source):
    """Let pictures for dark pages follow the theme's switch."""
    source[0] = re.sub(
        r'<picture>.*?srcset="(.*?)".*?<img (.*?)src="(.*?)">.*?</picture>',
        r'<img class="only-light" \2src="\3">'
        r'\n\n<img class="only-dark" \2src="\1">',
        source[0],
        flags=re.S,
    )


def finish(app, exception):
    """Add the entrance, which leads to the first page."""
    if exception is None and app.builder.name == 'html':
        shutil.copy(HERE / 'site' / 'index.html', app.outdir)


def setup(app):
    """Called by Sphinx."""
    app.connect('build-finished', finish)
    app.connect('source-read', show_pictures)
    app.connect('autodoc-skip-member', is_skipped)
