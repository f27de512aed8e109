"""What tests of the tools share: a tiny run."""

import pytest
from tiny_run import write_config, write_data


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A folder, with a blank in its name, that holds data and a config."""
    folder = tmp_path_factory.mktemp('a run')
    write_data(folder / 'data')
    write_config(folder / 'tiny.py', folder / 'data')
    return folder
