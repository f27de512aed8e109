"""Which kernel decodes a tensor."""

import logging

import pytest
import torch

from dark_codec import (
    ArgmaxDecoder,
    DARKCodec,
    GaussianFitDecoder,
    GaussianModulation,
    QuarterShiftDecoder,
    TaylorDecoder,
    kernels,
)
from dark_codec.kernels import Recipe

MAPS = torch.rand(2, 3, 12, 10, generator=torch.Generator().manual_seed(0))


def fake(heatmaps, recipe):
    """A kernel that says that it was called."""
    count = heatmaps.shape[0] * heatmaps.shape[1]
    return torch.full((count, 8 if recipe.covariance else 4), 7.0)


@pytest.fixture
def loads(monkeypatch):
    """What is there to load, by name; all at first."""
    available = dict(numba=fake, triton=fake)
    monkeypatch.setattr(kernels, 'load', available.get)
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    monkeypatch.delenv('TRITON_INTERPRET', raising=False)
    return available


def test_a_kernel_decodes_what_is_on_the_host(loads, monkeypatch):
    decoder = TaylorDecoder(sigma=1.0)
    assert (decoder(MAPS).points == 7).all()
    codec = DARKCodec((40, 48), sigma=1.0)
    assert codec.batch_decode(MAPS)[1][0].tolist() == [[7.0] * 3]
    monkeypatch.setenv(kernels.VARIABLE, 'reference')
    assert (decoder(MAPS).scores <= 1).all()


def test_other_devices_are_left_to_the_reference(loads):
    assert kernels.pick(MAPS.to('meta')) is None


def test_traced_tensors_are_left_to_the_reference(loads):
    seen = []

    def function(maps):
        seen.append(kernels.pick(maps))
        return maps + 1

    torch.jit.trace(function, MAPS, check_trace=False)
    module = torch.nn.Module()
    module.forward = function
    torch.export.export(module, (MAPS,), strict=False)
    assert seen == [None, None]


def test_what_is_missing_is_said_once(loads):
    loads['numba'] = ImportError('no such module')
    said = []
    log = logging.getLogger('dark_codec')
    keep = said.append
    log.addFilter(keep)
    try:
        for _ in range(3):
            assert (ArgmaxDecoder()(MAPS).scores <= 1).all()
    finally:
        log.removeFilter(keep)
    (record,) = said
    assert 'numba (no such module)' in record.getMessage()
    assert 'times as long' in record.getMessage()


def test_a_forced_kernel_that_is_missing(loads, monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, 'numba')
    assert kernels.pick(MAPS) is fake
    loads['numba'] = ImportError('no such module')
    message = 'DARK_CODEC_KERNELS=numba, but .*no such module'
    with pytest.raises(RuntimeError, match=message):
        ArgmaxDecoder()(MAPS)


def test_triton_on_the_host_needs_its_interpreter(loads, monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, 'triton')
    with pytest.raises(RuntimeError, match='cpu; .*TRITON_INTERPRET=1'):
        ArgmaxDecoder()(MAPS)
    monkeypatch.setenv('TRITON_INTERPRET', '1')
    assert kernels.pick(MAPS) is fake


def test_an_unknown_choice(loads, monkeypatch):
    monkeypatch.setenv(kernels.VARIABLE, 'Numba')
    message = r"one of \['auto', 'reference', 'numba', 'triton'\], got 'Numba'"
    with pytest.raises(ValueError, match=message):
        ArgmaxDecoder()(MAPS)


RECIPES = [
    (ArgmaxDecoder(), Recipe('argmax')),
    (QuarterShiftDecoder(), Recipe('sign')),
    (QuarterShiftDecoder('second'), Recipe('second')),
    (
        TaylorDecoder(dict(type='GaussianModulation', kernel_size=3), 2.0),
        Recipe('taylor', (0.25, 0.5, 0.25), True, 2.0),
    ),
    (
        TaylorDecoder(
            dict(type='GaussianModulation', kernel_size=1, rescale='max'),
            sigma=0.5,
            covariance=True,
        ),
        Recipe('taylor', (1.0,), False, 1.0, covariance=True),
    ),
    (TaylorDecoder(None, 1.5), Recipe('taylor', trust_radius=1.5)),
    (GaussianFitDecoder(0.5), Recipe('fit', trust_radius=1.0, sigma=0.5)),
]


@pytest.mark.parametrize(('decoder', 'recipe'), RECIPES)
def test_recipes(decoder, recipe):
    assert decoder.recipe == recipe
    hash(recipe)


class OwnModulation(GaussianModulation):
    pass


@pytest.mark.parametrize(
    'base', [ArgmaxDecoder, QuarterShiftDecoder, TaylorDecoder]
)
def test_decoders_of_users_get_tensors_and_no_kernel(base, loads):
    seen = []

    class Own(base):
        def refine(self, heatmaps, peaks):
            seen.append(heatmaps)
            return super().refine(heatmaps, peaks)

    decoder = Own(sigma=1.0) if base is TaylorDecoder else Own()
    assert decoder.recipe is None
    assert (decoder(MAPS).scores <= 1).all()
    assert torch.equal(seen[0], MAPS.flatten(0, 1))


def test_modulations_of_users_get_tensors_and_no_kernel(loads):
    decoder = TaylorDecoder(dict(type=OwnModulation), sigma=1.0)
    assert decoder.recipe is None
    assert (decoder(MAPS).scores <= 1).all()
