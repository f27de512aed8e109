"""Every command, snippet and link of the pages, and the pages themselves."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from doc_pages import (
    FOLDERS,
    LANGUAGES,
    OTHERS,
    PAGES,
    ROOT,
    check_command,
    commands,
    loose_commands,
    read_blocks,
    run_session,
)
from mmengine.config import Config
from mmpose.registry import KEYPOINT_CODECS
from tiny_run import environment

from dark_codec import DARKCodec, apply_codec

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
pages = pytest.mark.parametrize('page', PAGES, ids=NAMES)


@pytest.fixture
def sandbox(tmp_path):
    """The repository as seen from its root; what is written stays here."""
    files = [path.name for path in ROOT.iterdir() if path.is_file()]
    for name in [*FOLDERS, *files]:
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / 'docs', tmp_path / 'docs')
    return tmp_path


def run_shell(text, folder):
    path = f'{Path(sys.executable).parent}:'
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', text],
        cwd=folder,
        env=environment(PATH=path + os.environ['PATH']),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, text + done.stdout + done.stderr


def run_config(text, folder):
    """A config on a base: its codec arrives at the head."""
    (folder / 'snippet.py').write_text(text)
    cfg = apply_codec(Config.fromfile(folder / 'snippet.py'))
    assert isinstance(KEYPOINT_CODECS.build(cfg.model.head.decoder), DARKCodec)


def run_python(text, names):
    """A script, or a part of a config, whose codec can be built."""
    names.pop('codec', None)
    exec(compile(text, 'page', 'exec'), names)
    if isinstance(names.get('codec'), dict):
        KEYPOINT_CODECS.build(names['codec'])


@pages
def test_blocks_run_as_written(page, sandbox, monkeypatch):
    monkeypatch.chdir(sandbox)
    names = {'__name__': 'page'}
    for block in read_blocks(page):
        if block.mark or block.language not in LANGUAGES:
            continue
        if block.language == 'bash':
            run_shell(block.text, sandbox)
        elif block.language == 'pycon':
            run_session(block.text, names)
        elif '_base_' in block.text:
            run_config(block.text, sandbox)
        else:
            run_python(block.text, names)


@pages
def test_commands_that_are_not_run_are_right(page, monkeypatch):
    fenced = [b.text for b in read_blocks(page) if b.language == 'bash']
    for words in commands('\n'.join([*fenced, *loose_commands(page)])):
        check_command(words, monkeypatch)


@pages
def test_no_block_escapes(page):
    """Each has a known language; what another test runs is run there."""
    for block in read_blocks(page):
        where = f'{page.name}:{block.line}'
        assert block.language in LANGUAGES | OTHERS, where
        if block.mark and block.mark['kind'] == 'run by':
            test = (ROOT / block.mark['what']).read_text()
            assert page.name in test or all(
                Path(words[1]).name in test for words in commands(block.text)
            ), where


@pages
def test_links_lead_somewhere(page):
    links = re.findall(r'\]\((?!https?:)([^)#\s]+)', page.read_text())
    for link in links:
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize(
    'expression',
    [
        found
        for page in PAGES
        for found in re.findall(
            r'`(?:codec|decoder) ?= ?(dict\([^`]*\))`',
            page.read_text().replace('\n', ' '),
        )
    ],
)
def test_parts_of_codecs_as_written(expression):
    part = eval(expression, {'dict': dict, 'DARKCodec': DARKCodec})
    part.pop('_delete_', None)  # a word to MMEngine
    if part['type'] not in ('DARKCodec', DARKCodec):
        part = dict(type='DARKCodec', decoder=part)
    KEYPOINT_CODECS.build(part)


def test_sphinx_builds_the_pages_without_warnings(sandbox):
    run_shell('python -m sphinx -c docs -W --keep-going -q . html', sandbox)
    site = sandbox / 'html'
    for module, name in (
        ('codec', 'DARKCodec.batch_decode'),
        ('functional.fit', 'fit_gaussian'),
        ('openmmlab.files', 'config_path'),
    ):
        page = (site / f'docs/api/dark_codec.{module}.html').read_text()
        assert name in page
        source = f'_modules/dark_codec/{module.replace(".", "/")}.html'
        assert f'{source}#' in page and (site / source).is_file()
    assert 'url=docs/index.html' in (site / 'index.html').read_text()
    start = (site / 'docs/index.html').read_text()
    assert 'site.js' in start and (site / '_static/site.js').is_file()
    for page in ('docs/index.html', 'README.html'):
        text = (site / page).read_text()
        for theme in ('light', 'dark'):
            assert re.search(f'<img [^>]*class="only-{theme}"', text), page
        for picture in re.findall(r'src="([^":]+\.(?:png|jpg))"', text):
            assert ((site / page).parent / picture).is_file(), picture


def test_each_page_is_once_in_the_navigation():
    """Sphinx warns of pages that are nowhere, not of those that are twice."""
    text = (ROOT / 'docs/index.md').read_text()
    trees = re.findall(r'```{toctree}\n(.*?)```', text, flags=re.S)
    lines = [line for tree in trees for line in tree.splitlines()]
    pages = [line for line in lines if line and line[0] != ':']
    assert len(pages) == len(set(pages)) > 30


def test_figures_of_the_concepts_are_drawn_again(tmp_path):
    run_shell(f'python {ROOT}/docs/figures.py figures', tmp_path)
    drawn = {path.name for path in (tmp_path / 'figures').iterdir()}
    pages = [ROOT / 'docs/concepts.md', ROOT / 'README.md']
    text = ''.join(page.read_text() for page in pages)
    assert drawn == set(re.findall(r'images/concepts/(\w+\.png)', text))


@pytest.mark.parametrize(
    'call',
    [
        'python tools/no_such.py',
        'python tools/train.py CONFIG --no-such-option',
        'python tools/train.py configs/no_such.py',
        'bash tools/dist_train.sh CONFIG 8 --no-such-option',
        'python -m no_such_module',
        'python -m projects.no_such',
        'python -m projects.topdown_demo PHOTO.jpg --no-such-option',
        'python -m projects.zoo_sweep --no-such-option',
    ],
)
def test_wrong_commands_would_be_found(call, monkeypatch):
    (words,) = commands(call)
    with pytest.raises(AssertionError):
        check_command(words, monkeypatch)


def test_wrong_snippets_would_be_found(tmp_path):
    with pytest.raises(AssertionError):
        run_session('>>> 1 + 1\n3\n', {})
    with pytest.raises(AssertionError):
        run_shell('false\ntrue', tmp_path)
    with pytest.raises(KeyError):
        run_python("codec = dict(type='NoSuchCodec')", {})
