"""The pages of the repository: their code blocks, and how these are checked.

A fenced block of ``bash``, ``python`` or ``pycon`` is run as it stands (see
test_docs.py), unless one of these comments stands before it, or with ``page``
in front anywhere on the page, for all of its blocks::

    <!-- not run: why -->
    <!-- run by tests/test_x.py -->
    <!-- page run by tests/test_x.py -->
    <!-- page not run: why -->

Such commands, those of indented blocks, and those in backticks are checked
instead: the script is there, its parser takes the arguments, and what lies in
the repository exists.
"""

import doctest
import re
import runpy
import shlex
import sys
from functools import cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from string import Template
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / 'README.md',
    ROOT / 'CONTRIBUTING.md',
    *sorted((ROOT / 'docs').glob('*.md')),
    *sorted((ROOT / 'projects').rglob('README.md')),
    *sorted((ROOT / 'projects').glob('*/[!R]*.md')),
]
LANGUAGES = {'bash', 'python', 'pycon'}
# Sphinx's own, and what is no code
OTHERS = {'{toctree}', '{eval-rst}', 'bibtex', 'text'}
MARK = re.compile(
    r'<!-- (?P<page>page )?(?P<kind>run by|not run:) (?P<what>.+?) -->'
)
FENCE = re.compile(
    r'^```(?P<language>\S*)\n(?P<text>.*?)^```$', flags=re.M | re.S
)
INDENTED = re.compile(r'(?:^    (?! ).*\n(?:^     .*\n)*)+', flags=re.M)
FOLDERS = (
    'configs',
    'dark_codec',
    'projects',
    'requirements',
    'tests',
    'tools',
)
OUTPUTS = {'--out', '--work-dir', '--show-dir'}


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    language: str
    text: str
    mark: re.Match | None


def read_blocks(page):
    """All fenced blocks of a page, with what is said of them."""
    text = page.read_text()
    of_page = [mark for mark in MARK.finditer(text) if mark['page']]
    blocks = []
    for fence in FENCE.finditer(text):
        before = text[: fence.start()].rstrip('\n').rpartition('\n')[2]
        mark = MARK.fullmatch(before.strip()) or (of_page or [None])[0]
        line = text.count('\n', 0, fence.start()) + 2
        blocks.append(Block(line, fence['language'], fence['text'], mark))
    return blocks


def loose_commands(page):
    """Commands outside of fenced blocks."""
    text = FENCE.sub('', page.read_text())
    inline = re.findall(r'`((?:python|bash)\s[^`]+)`', text)
    indented = [
        block
        for block in INDENTED.findall(text)
        if re.search(r'^    (?:\w+=\S+ )*(?:python|bash) ', block, flags=re.M)
    ]
    return [*indented, *(call.replace('\n', ' ') for call in inline)]


def commands(text):
    """Words of each call of python or bash in a piece of shell."""
    variables = {}
    # optional arguments in brackets, and "...", as usages have them
    text = re.sub(r'\\\n|(?<=\s)\[|\](?=\s|$)', ' ', text)
    text = text.replace('--cfg-options ...', '--cfg-options key=value')
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars='&|;')
        lexer.whitespace_split = True
        words = []
        for word in [*lexer, ';']:
            word = Template(word).safe_substitute(variables)
            name, equals, value = word.partition('=')
            if set(word) <= set('&|;'):
                if words and Path(words[0]).name in ('python', 'bash'):
                    yield words
                words = []
            elif not words and equals and name.isidentifier():
                variables[name] = value
            else:
                words.append(word)


def check_command(words, monkeypatch):
    """Fail if such a call cannot be meant."""
    call = ' '.join(words)
    script, *arguments = words[1:]
    if script == '-m' and arguments[0].startswith('projects.'):
        module, arguments = arguments[0].replace('.', '/'), arguments[1:]
        is_folder = (ROOT / module).is_dir()
        script = f'{module}/__main__.py' if is_folder else f'{module}.py'
    elif script == '-m':
        assert find_spec(arguments[0].partition('.')[0]), call
        return
    if script == '-c' or '$' in script:
        return
    assert (ROOT / script).is_file(), f'{call}: no {script}'
    before = ['', *arguments]
    for previous, word in zip(before, arguments):
        option, _, value = word.rpartition('=')
        of_repository = value.split('/')[0] in (*FOLDERS, 'docs')
        if of_repository and not {previous, option} & OUTPUTS:
            assert (ROOT / value).exists(), f'{call}: no {value}'
    if script.endswith('.py') and parser_of(script):
        parse(script, arguments, call, monkeypatch)
        return
    known = (ROOT / script).read_text()
    if script.endswith('__main__.py'):  # its commands are in other modules
        known = ''.join(
            path.read_text() for path in (ROOT / script).parent.glob('*.py')
        )
    if launched := re.search(r'\b(train|test)\.py', known):
        known += (ROOT / 'tools/_arguments.py').read_text()
        known += (ROOT / 'tools' / launched[0]).read_text()
    for word in arguments:
        option = word.partition('=')[0]
        assert word[0] != '-' or option in known, f'{call}: no {option}'


@cache
def parser_of(script):
    """The function of a script that reads its command line, if it has one."""
    names = runpy.run_path(str(ROOT / script), run_name='read')
    return names.get('parse_args')


def parse(script, arguments, call, monkeypatch):
    """Let a script's own parser read its arguments."""
    with monkeypatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(sys, 'argv', [script, *arguments])
        try:
            parser = parser_of(script)
            parser(*[arguments] * len(signature(parser).parameters))
        except SystemExit as end:
            assert not end.code, f'{call}: refused by its parser'


def run_session(text, names):
    """What an interactive session prints is what the page says."""
    session = doctest.DocTestParser().get_doctest(text, names, 'page', '', 0)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    printed = []
    runner = doctest.DocTestRunner(optionflags=flags)
    runner.run(session, out=printed.append, clear_globs=False)
    assert not printed, ''.join(printed)
    names.update(session.globs)
