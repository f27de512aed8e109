"""tools/analysis_tools/get_flops.py, and the numbers that pages have of it."""

import copy
import re
import sys
from pathlib import Path

import pytest
import torch
from config_files import (
    CONFIGS,
    FILES,
    TOPDOWN,
    described,
    model_of,
    on_meta,
    rows,
)
from mmengine.config import Config
from torch import nn

from dark_codec import apply_codec


@pytest.fixture
def get_flops(monkeypatch):
    from tools.analysis_tools import get_flops

    return get_flops


def counted(model, picture, convolutions_only=False):
    """What MMEngine calls FLOPs, added up module by module."""
    total = 0

    def count(module, inputs, output):
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):
            total += inputs[0].numel() * module.weight[0].numel()
        elif isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif convolutions_only:
            pass
        elif isinstance(module, nn.BatchNorm2d):
            total += 2 * output.numel()
        elif isinstance(module, nn.Upsample):
            total += output.numel()

    hooks = [m.register_forward_hook(count) for m in model.modules()]
    model._forward(picture)
    for hook in hooks:
        hook.remove()
    return total


def test_flops_are_counted_rightly(get_flops):
    file = f'{TOPDOWN}/coco/td-hm_res50_dark-8xb64-140e_coco-128x96.py'
    for shape in (None, (64, 32)):
        cfg = Config.fromfile(CONFIGS / file)
        found = get_flops.measure(copy.deepcopy(cfg), shape)
        assert (found.height, found.width) == (shape or (128, 96))
        model = on_meta(apply_codec(cfg))
        size = (1, 3, found.height, found.width)
        assert found.flops == counted(model, torch.empty(size, device='meta'))
        assert found.params == sum(p.numel() for p in model.parameters())


def test_the_pages_flops_are_the_models(get_flops):
    """All rows, by the count that the test above compares with the tool's."""
    for file in FILES:
        name = described(file)
        if name['codec'] != 'dark' or file.endswith('_test-dev.py'):
            continue
        height, width = (int(n) for n in name['size'].split('x'))
        model = model_of(file)
        picture = torch.empty(1, 3, height, width, device='meta')
        flops = f'{counted(model, picture) / 1e9:.1f}'
        params = sum(p.numel() for p in model.parameters())
        key = (name['backbone'], 'dark', name['size'])
        (row,) = rows(f'{TOPDOWN}/{name["data"]}', *key)
        assert f'| {flops} | {params / 1e6:.1f} |' in row, file
        if name['backbone'] == 'hrnet-w32' and name['data'] == 'coco':
            key = ('hrnet-w32', 'unbiased-taylor', name['size'])
            *_, row = rows('ablation', *key)
            assert row.startswith(f'| {name["size"]} | {flops} |'), file


@pytest.mark.parametrize(
    ('size', 'stated'), [('128x96', 1.8), ('256x192', 7.1), ('384x288', 16.0)]
)
def test_the_papers_flops(size, stated):
    """Of HRNet-W32: convolutions, counted in units of 2 ** 30."""
    file = f'{TOPDOWN}/coco/td-hm_hrnet-w32_dark-8xb64-210e_coco-{size}.py'
    height, width = (int(n) for n in size.split('x'))
    picture = torch.empty(1, 3, height, width, device='meta')
    flops = counted(model_of(file), picture, convolutions_only=True)
    assert round(flops / 2**30, 1) == stated


def test_flops_from_the_command_line(get_flops, monkeypatch, capsys):
    file = f'{TOPDOWN}/coco/td-hm_res50_dark-8xb64-140e_coco-128x96.py'
    arguments = [str(CONFIGS / file), '--input-shape', '64']
    monkeypatch.setattr(sys, 'argv', ['get_flops.py', *arguments])
    get_flops.main()
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(
        rf'\| {Path(file).stem} \| 64x64 \| 0\.\d \| 34\.0 \|', printed[-1]
    )
