"""The help of the tools answers at once."""

import subprocess
import sys

import pytest
from tiny_run import TOOLS, environment

FILES = [
    file.relative_to(TOOLS).as_posix()
    for file in sorted(TOOLS.rglob('[!_]*.py'))
]
# torch alone takes seconds; what is not known must not wait for it either
RUN = """
import os, runpy, sys
del sys.argv[0]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
try:
    runpy.run_path(sys.argv[0], run_name='__main__')
finally:
    assert not {'torch', 'mmengine', 'matplotlib'} & {*sys.modules}
"""


@pytest.mark.parametrize('tool', FILES)
@pytest.mark.parametrize('option, code', [('--help', 0), ('--what', 2)])
def test_nothing_is_imported(tool, option, code):
    result = subprocess.run(
        [sys.executable, '-c', RUN, TOOLS / tool, option],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == code, result.stderr
    assert 'usage: ' in result.stdout + result.stderr
    assert '../' not in result.stdout  # nothing outside of the clone
