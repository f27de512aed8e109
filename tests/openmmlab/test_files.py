"""Configs and tools of the package by their names."""

from pathlib import Path

import pytest
from config_files import CONFIGS, FILES
from mmengine.config import Config

from dark_codec import config_path, tool_path


def test_every_config_is_found_by_its_name():
    for file in FILES:
        path = CONFIGS / file
        for name in (path.stem, path.name, file, file.removesuffix('.py')):
            assert config_path(name) == str(path)


def test_tools_are_found_by_name():
    for name in ('train.py', 'dump_heatmaps', 'dist_train.sh'):
        assert Path(tool_path(name)).stem == name.split('.')[0]


def test_a_config_of_the_package_as_base(tmp_path):
    name = 'td-hm_res50_dark-8xb64-140e_coco-256x192'
    path = tmp_path / 'mine.py'
    path.write_text(
        f"_base_ = [__import__('dark_codec').config_path({name!r})]\n"
        'model = dict(backbone=dict(depth=101))\n'
    )
    mine, base = Config.fromfile(path), Config.fromfile(config_path(name))
    assert mine.codec == base.codec
    assert (mine.model.backbone.depth, base.model.backbone.depth) == (101, 50)


@pytest.mark.parametrize(
    'name',
    [
        'hrnet_dark',  # its words
        'td-hm_hrnet-w32_drak-8xb64-210e_coco-128x96',  # misspelt
        'hrnet-w32_dark-8xb64-210e_coco-128x96',  # cut off
    ],
)
def test_suggestions(name):
    near = 'td-hm_hrnet-w32_dark-8xb64-210e_coco-128x96'
    with pytest.raises(ValueError, match=f"'{name}'.*near to it: .*{near}"):
        config_path(name)


def test_nothing_near():
    with pytest.raises(ValueError, match='no such file below .*configs$'):
        config_path('zebra')
    with pytest.raises(ValueError, match="name='': there is no such file"):
        config_path('')
    with pytest.raises(ValueError, match=r"'trian.py'.*near to it: train"):
        tool_path('trian.py')
    # the helpers of the tools are no tools
    with pytest.raises(ValueError, match='_env'):
        tool_path('_env.sh')
