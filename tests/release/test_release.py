"""What pip users get: the wheel and the sdist, built and installed."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from config_files import ROOT
from packaging.metadata import Metadata
from tiny_run import write_config, write_data

import dark_codec

FOLDERS = ['configs', 'tools']
# What only a checkout can use.
LEFT_OUT = {
    'tools/setup_env.sh',
    'tools/quickstart.sh',
    'tools/run_tests.sh',
}
JUNK = shutil.ignore_patterns(
    '__pycache__', '.*', 'outputs', 'work_dirs', '*.egg-info'
)


def files_below(folder, *parts):
    return {
        path.relative_to(folder).as_posix()
        for part in parts
        for path in (folder / part).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }


def run(*command, cwd, **env):
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **env},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """A copy: building leaves files behind."""
    folder = tmp_path_factory.mktemp('release') / 'checkout'

    def ignored(path, names):
        # a link to the data may lie at the root
        return JUNK(path, names) | ({'data'} if Path(path) == ROOT else set())

    return shutil.copytree(ROOT, folder, ignore=ignored)


@pytest.fixture(scope='module')
def built(checkout):
    """As ``python -m build`` makes them: the wheel from the sdist."""
    run(sys.executable, '-m', 'build', '--no-isolation', cwd=checkout)
    (sdist,) = (checkout / 'dist').glob('*.tar.gz')
    (wheel,) = (checkout / 'dist').glob('*.whl')
    return sdist, wheel


@pytest.fixture(scope='module')
def installed(built, tmp_path_factory):
    """The environment of a process that sees the wheel, not the checkout."""
    site = tmp_path_factory.mktemp('site')
    _, wheel = built
    options = ['--no-deps', '--no-index', '--target', site]
    run(sys.executable, '-m', 'pip', 'install', *options, wheel, cwd=site)
    return dict(PYTHONPATH=str(site))


def test_names_hold_the_version(built):
    sdist, wheel = built
    version = dark_codec.__version__
    assert sdist.name == f'dark_codec-{version}.tar.gz'
    assert wheel.name == f'dark_codec-{version}-py3-none-any.whl'


def test_the_changelog_begins_with_this_version():
    headings = re.findall(
        r'^## (\S+)', (ROOT / 'CHANGELOG.md').read_text(), flags=re.M
    )
    assert headings[0] == dark_codec.__version__


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert citation['version'] == dark_codec.__version__
    date = citation['date-released']
    heading = f'## {dark_codec.__version__} ({date})'
    assert heading in (ROOT / 'CHANGELOG.md').read_text().splitlines()


def test_wheel(built):
    """The package with configs and tools as MMPose has them, and no more."""
    _, wheel = built
    names = set(zipfile.ZipFile(wheel).namelist())
    names = {name for name in names if '.dist-info/' not in name}
    package = {
        f'dark_codec/{name}' for name in files_below(ROOT / 'dark_codec', '.')
    }
    mim = files_below(ROOT, *FOLDERS) - LEFT_OUT | {'model-index.yml'}
    assert names == package | {f'dark_codec/.mim/{name}' for name in mim}


@pytest.fixture(scope='module')
def metadata(built):
    """What a package index is told; read as it reads it, errors included."""
    _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith('/METADATA')]
        return Metadata.from_email(archive.read(name), validate=True)


def test_metadata(metadata):
    assert metadata.version.public == dark_codec.__version__
    citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
    assert metadata.author == citation['authors'][0]['name']
    urls = metadata.project_urls
    assert urls['Paper'] == citation['preferred-citation']['url']
    assert [label for label in urls if 'placeholder' in label]


def test_what_the_wheel_asks_for(metadata):
    """torch and numpy are enough; the rest by extras, none for MMPose."""
    needs = metadata.requires_dist
    core = {need.name for need in needs if need.marker is None}
    assert core == {'numpy', 'torch'}
    assert set(metadata.provides_extra) == {'numba', 'huggingface', 'onnx'}
    for need in needs:
        assert {s.operator for s in need.specifier} <= {'>='}


def test_the_description_links_to_the_repository(metadata):
    """Every picture and link of the README, with an absolute address."""
    (repository,) = [
        url
        for label, url in metadata.project_urls.items()
        if 'placeholder' in label
    ]
    text = metadata.description
    assert metadata.description_content_type == 'text/markdown'
    addresses = re.findall(r'\]\(([^)\s]+)\)|(?:src|srcset)="([^"]+)"', text)
    addresses = [link or picture for link, picture in addresses]
    assert len(addresses) > 10
    for address in addresses:
        assert address.startswith(('https://', '#')), address
        if not address.startswith(repository):
            continue
        kind, branch, path = address[len(repository) + 1 :].split('/', 2)
        path = ROOT / path.partition('#')[0]
        is_picture = path.suffix in ('.png', '.jpg')
        assert (kind, branch) == ('raw' if is_picture else 'blob', 'main')
        assert path.exists() or 'concepts' in path.parts, address
    assert '/raw/main/' in text and '/blob/main/' in text


def test_sdist(built):
    """Enough to test and to document what it holds."""
    sdist, _ = built
    top = sdist.name.removesuffix('.tar.gz')
    with tarfile.open(sdist) as archive:
        names = {member.name for member in archive if member.isfile()}
    names = {name.removeprefix(f'{top}/') for name in names}
    folders = ['dark_codec', 'docs', 'projects', 'requirements', 'tests']
    expected = files_below(ROOT, *folders, *FOLDERS)
    drawn = ('docs/_build/', 'docs/images/concepts/')
    assert {name for name in expected if not name.startswith(drawn)} <= names
    assert {'setup.py', 'setup.cfg', 'pyproject.toml', 'LICENSE'} < names
    assert {'README.md', 'CHANGELOG.md', 'model-index.yml'} < names


def test_installed_wheel_works(installed, tmp_path):
    shutil.copy(ROOT / 'tests' / 'smoke.py', tmp_path)
    said = run(sys.executable, 'smoke.py', '.', cwd=tmp_path, **installed)
    site = installed['PYTHONPATH']
    version = dark_codec.__version__
    assert said.splitlines()[-1] == f'{version} {site}/dark_codec/__init__.py'


# Each tool asked for its help, in one process without the slow imports.
HELP = """
import contextlib, io, runpy, sys
from importlib.util import find_spec
from pathlib import Path

mim = Path(find_spec('dark_codec').origin).parent / '.mim'
sys.path.insert(0, str(mim / 'tools'))  # where train.py lies
for path in sorted(mim.glob('tools/**/[!_]*.py')):
    sys.argv = [str(path), '--help']
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_path(str(path), run_name='__main__')
    except SystemExit as end:
        usage = said.getvalue().startswith('usage: ' + path.name)
        print(path.name, end.code or 0, usage)
"""


def test_installed_tools_know_themselves(installed, tmp_path):
    said = run(sys.executable, '-c', HELP, cwd=tmp_path, **installed)
    tools = sorted((ROOT / 'tools').rglob('[!_]*.py'))
    assert said.splitlines() == [f'{path.name} 0 True' for path in tools]


def test_installed_tool_trains(installed, tmp_path):
    config = write_config(tmp_path / 'tiny.py', write_data(tmp_path / 'data'))
    tool = Path(installed['PYTHONPATH'], 'dark_codec/.mim/tools/train.py')
    options = ['--cfg-options', 'train_cfg.max_epochs=1']
    run(sys.executable, tool, config, *options, cwd=tmp_path, **installed)
    assert (tmp_path / 'work_dirs/tiny/epoch_1.pth').is_file()


def test_model_index_lists_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text())
    metafiles = {p for p in files_below(ROOT, 'configs') if p[-4:] == '.yml'}
    assert set(index['Import']) == metafiles
