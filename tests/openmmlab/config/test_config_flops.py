"""FLOPs that pages have, which MMPose's own get_flops.py counts."""

import pytest
import torch
from config_files import (
    FILES,
    TOPDOWN,
    described,
    load,
    network_of,
    rows,
)
from mmengine.analysis import get_model_complexity_info
from mmpose.registry import MODELS
from torch import nn


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


def test_mmengine_counts_the_same():
    """By what MMPose's get_flops.py calls."""
    file = f'{TOPDOWN}/coco/td-hm_res50_dark-8xb64-140e_coco-128x96.py'
    model = MODELS.build(load(file).model).eval()
    picture = torch.zeros(1, 3, 128, 96)
    expected = counted(model, picture)
    model.forward = model._forward
    found = get_model_complexity_info(
        model, inputs=picture, show_table=False, show_arch=False
    )
    assert found['flops'] == pytest.approx(expected, rel=1e-3)
    assert found['params'] == sum(p.numel() for p in model.parameters())


def test_the_pages_flops_are_the_models():
    """All rows, by the count that the test above compares with MMEngine's."""
    for file in FILES:
        name = described(file)
        if name['codec'] != 'dark' or file.endswith('_test-dev.py'):
            continue
        height, width = (int(n) for n in name['size'].split('x'))
        model = network_of(file)
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
    flops = counted(network_of(file), picture, convolutions_only=True)
    assert round(flops / 2**30, 1) == stated
