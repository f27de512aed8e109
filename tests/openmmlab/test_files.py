"""Configs and tools of the package by their names."""

from pathlib import Path

import pytest

from dark_codec import config_path, tool_path


def test_by_the_end_of_a_path():
    name = 'coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192'
    assert Path(config_path(name)).is_file()
    assert Path(tool_path('train')).name == 'train.py'


@pytest.mark.parametrize(
    'name',
    [
        'hrnet_dark',  # its words
        'td-hm_hrnet-w32_drak-8xb64-210e_coco-128x96',  # misspelt
    ],
)
def test_suggestions(name):
    near = 'td-hm_hrnet-w32_dark-8xb64-210e_coco-128x96'
    with pytest.raises(ValueError, match=f"'{name}'.*near to it: .*{near}"):
        config_path(name)


def test_nothing_near():
    with pytest.raises(ValueError, match='no such file below .*configs$'):
        config_path('zebra')
