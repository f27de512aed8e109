"""CONTRIBUTING's map of the house is that of the house."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'CONTRIBUTING.md').read_text()
ROWS = re.findall(r'^\| (`.*?) \| (.*) \|$', PAGE, flags=re.M)


def names(folder):
    """Folders in a folder, but for what running things leaves behind."""
    return {
        path.name
        for path in (ROOT / folder).iterdir()
        if path.is_dir() and path.name[0] not in '._'
    }


def test_every_folder_of_the_package_is_on_the_map():
    mapped = re.findall(
        r'`(?:dark_codec/)?(\w+)/`', ' '.join(r[0] for r in ROWS)
    )
    assert names('dark_codec') <= set(mapped)
    for row, _ in ROWS:
        first, *others = re.findall(r'`([\w/]+)/`', row)
        for name in (first, *(f'{Path(first).parent}/{o}' for o in others)):
            assert (ROOT / name).is_dir(), name


def test_every_project_is_on_the_map_and_has_a_page():
    (projects,) = (text for row, text in ROWS if row == '`projects/`')
    listed = set(re.findall(r'\w+', projects.partition(':')[2]))
    assert listed == names('projects')
    for name in listed:
        assert (ROOT / 'projects' / name / 'README.md').is_file()


def test_the_package_imports_no_project():
    for path in (ROOT / 'dark_codec').rglob('*.py'):
        text = path.read_text()
        assert not re.search(r'^\s*(from|import) projects', text, re.M), path
