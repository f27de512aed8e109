"""The help of the tools answers at once."""

import json
import subprocess
import sys

from tiny_run import TOOLS, environment

FILES = [
    file.relative_to(TOOLS).as_posix()
    for file in sorted(TOOLS.rglob('[!_]*.py'))
]
# torch alone takes seconds; what is not known must not wait for it either
RUN = """
import contextlib, io, json, os, runpy, sys
folder, *tools = sys.argv[1:]
found = {}
for tool in tools:
    path = os.path.join(folder, tool)
    sys.path.insert(0, os.path.dirname(path))
    for option in ('--help', '--what'):
        sys.argv = [path, option]
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            with contextlib.redirect_stderr(said):
                try:
                    runpy.run_path(path, run_name='__main__')
                except SystemExit as end:
                    found[f'{tool} {option}'] = end.code, said.getvalue()
        imported = {'torch', 'mmengine', 'matplotlib'} & {*sys.modules}
        assert not imported, f'{tool} {option} imports {imported}'
print(json.dumps(found))
"""


def test_nothing_is_imported():
    result = subprocess.run(
        [sys.executable, '-c', RUN, TOOLS, *FILES],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    for tool in FILES:
        code, said = found[f'{tool} --help']
        assert code == 0 and 'usage: ' in said, tool
        assert '../' not in said, tool  # nothing outside of the clone
        code, said = found[f'{tool} --what']
        assert code == 2 and 'usage: ' in said, tool
