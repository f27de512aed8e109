"""Nothing waits for the device before the final small copy.

Tensors on the meta device have shapes and no values: whoever asks for one, by
``.item()``, ``.cpu()``, a branch, or a shape that depends on data, gets an
error. A dispatch mode sees whatever is computed, and refuses host tensors in
it: a constant that is copied at each call would wait, too.
"""

import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from dark_codec import (
    ArgmaxDecoder,
    BatchGenerateTarget,
    DARKCodec,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
    kernels,
)

SIZE = (2, 5, 32, 24)


def taylor(**modulation):
    return dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', **modulation),
    )


DECODERS = [
    dict(type='ArgmaxDecoder'),
    dict(type='QuarterShiftDecoder', variant='sign'),
    dict(type='QuarterShiftDecoder', variant='second'),
    taylor(rescale='minmax'),
    taylor(rescale='max'),
    taylor(rescale='none'),
    taylor(kernel_size=11, rescale='max'),
    dict(type='TaylorDecoder', modulation=None),
    dict(type='TaylorDecoder', covariance=True),
    dict(type='GaussianFitDecoder'),
    dict(type='GaussianFitDecoder', covariance=True),
]
every_decoder = pytest.mark.parametrize('decoder', DECODERS, ids=str)
ENCODERS = ['UnbiasedEncoder'] + [
    dict(type='BiasedEncoder', quantise=rule)
    for rule in ('floor', 'ceil', 'round')
]
every_encoder = pytest.mark.parametrize('encoder', ENCODERS, ids=str)


def codec(**settings):
    return DARKCodec(input_size=(96, 128), use_udp=True, **settings)


class DeviceOnly(TorchDispatchMode):
    """Refuses every operation that reads or makes a tensor on the host."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_flatten((args, kwargs, result))[0]:
            if isinstance(leaf, torch.Tensor) and leaf.device.type == 'cpu':
                raise AssertionError(f'{func} has a tensor on the host')
        return result


def on_device_only(function, *args):
    """Call twice: constants may be made and copied the first time."""
    function(*args)
    with DeviceOnly():
        return function(*args)


def noisy_maps(rng):
    y, x = torch.meshgrid(
        torch.arange(32.0), torch.arange(24.0), indexing='ij'
    )
    centres = torch.from_numpy(rng.uniform(0, 23, (*SIZE[:2], 2, 1, 1)))
    maps = torch.exp(
        -((x - centres[:, :, 0]) ** 2 + (y - centres[:, :, 1]) ** 2) / 2
    )
    maps = maps + torch.from_numpy(rng.normal(0, 0.03, SIZE))
    maps[0, 0], maps[0, 1, 3, 3], maps[0, 2] = 0, torch.nan, 1
    return maps.float()


def decode(codec, heatmaps):
    return [
        part for part in codec.decode_on_device(heatmaps) if part is not None
    ]


@every_decoder
def test_decoding_stays_on_the_device(decoder):
    whole = codec(decoder=decoder)
    for dtype in (torch.float32, torch.float16, torch.float64):
        heatmaps = torch.zeros(SIZE, dtype=dtype, device='meta')
        for part in on_device_only(decode, whole, heatmaps):
            assert part.device.type == 'meta'


def test_flip_correction_stays_on_the_device():
    whole = DARKCodec(input_size=(96, 128), correct_flip_shift=True)
    heatmaps = torch.zeros(SIZE, device='meta')
    assert on_device_only(decode, whole, heatmaps)[0].is_meta


@every_decoder
def test_one_copy_of_a_table(decoder, monkeypatch):
    """`batch_decode`, which ends on the host."""
    whole = codec(decoder=decoder)
    copied = []

    def copy(tensor):
        copied.append(tuple(tensor.shape))
        return torch.zeros(tensor.shape)

    monkeypatch.setattr(torch.Tensor, 'cpu', copy)
    heatmaps = torch.zeros(SIZE, device='meta')
    keypoints, scores = whole.batch_decode(heatmaps)
    batch, count = SIZE[:2]
    columns = 8 if decoder.get('covariance') else 4
    assert copied == [(batch * count, columns)]
    assert [k.shape for k in keypoints] == [(1, count, 2)] * batch
    assert [s.shape for s in scores] == [(1, count)] * batch


@every_encoder
@pytest.mark.parametrize('instances', [1, 3])
def test_encoding_stays_on_the_device(encoder, instances):
    points = torch.zeros(2, instances, 5, 2, device='meta')
    visible = torch.ones(2, instances, 5, device='meta')
    encode = codec(encoder=encoder).batch_encode
    heatmaps, weights = on_device_only(encode, points, visible)
    assert heatmaps.shape == SIZE and heatmaps.is_meta
    assert weights.shape == visible.shape and weights.is_meta


def test_targets_copy_the_keypoints_once():
    """From the host to the device, which nothing waits for."""
    sample = PoseDataSample()
    sample.gt_instances = InstanceData(
        transformed_keypoints=torch.zeros(1, 5, 2).numpy(),
        keypoints_visible=torch.ones(1, 5).numpy(),
    )
    sample.gt_instance_labels = InstanceData()
    settings = dict(type='DARKCodec', input_size=(96, 128))
    augment = BatchGenerateTarget([settings] * 2, multilevel=True)
    copies = []

    class CountHost(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            leaves, _ = tree_flatten((args, kwargs))
            tensors = [x for x in leaves if isinstance(x, torch.Tensor)]
            if any(tensor.device.type == 'cpu' for tensor in tensors):
                copies.append(func)
            return func(*args, **(kwargs or {}))

    with CountHost():
        augment(torch.empty(2, 3, 128, 96, device='meta'), [sample] * 2)
    copies.remove(torch.ops.aten.lift_fresh.default)  # from_numpy, no copy
    assert copies == [torch.ops.aten._to_copy.default]
    assert sample.gt_fields[1].heatmaps.is_meta
    assert sample.gt_instance_labels.keypoint_weights.shape == (2, 1, 5)


# A graph without breaks: no Python branch on data, and the same numbers


compiled_or_exported = pytest.mark.usefixtures('compiler')


# Each path of a decoder once
PATHS = pytest.mark.parametrize(
    'module',
    [
        ArgmaxDecoder(),
        QuarterShiftDecoder('sign'),
        QuarterShiftDecoder('second'),
        TaylorDecoder(sigma=1.0, covariance=True),
        TaylorDecoder(modulation=None, sigma=1.0),
        GaussianFitDecoder(sigma=1.0, covariance=True),
    ],
    ids=lambda module: type(module).__name__,
)


def assert_same(found, module, heatmaps, atol=0.0):
    """What the reference decodes."""
    for part, expected in zip(found, module(heatmaps)):
        if expected is not None:
            torch.testing.assert_close(part, expected, rtol=0, atol=atol)


@compiled_or_exported
@PATHS
def test_decoders_are_one_graph(module, rng, monkeypatch):
    """For torch.compile and torch.export."""
    heatmaps = noisy_maps(rng)
    compiled = torch.compile(module, fullgraph=True, backend='eager')
    program = torch.export.export(module, (torch.zeros(SIZE),)).module()
    found = compiled(heatmaps), program(heatmaps)
    monkeypatch.setenv(kernels.VARIABLE, 'reference')
    for result in found:
        assert_same(result, module, heatmaps)


@compiled_or_exported
def test_a_codec_is_one_graph(rng, monkeypatch):
    heatmaps = noisy_maps(rng)
    whole = codec()
    compiled = torch.compile(decode, fullgraph=True, backend='eager')
    found = compiled(whole, heatmaps)
    monkeypatch.setenv(kernels.VARIABLE, 'reference')
    for part, expected in zip(found, decode(whole, heatmaps), strict=True):
        torch.testing.assert_close(part, expected, rtol=0, atol=0)


# Narrow kernels: what is compiled grows with them, and takes its time
@compiled_or_exported
@pytest.mark.parametrize(
    'module',
    [TaylorDecoder(sigma=0.3), GaussianFitDecoder(sigma=0.6)],
    ids=lambda module: type(module).__name__,
)
def test_decoders_are_compiled(module, rng, monkeypatch):
    """By the backend that users have, for batches of any size."""
    # what all steps have in common is compiled with two of them, too
    monkeypatch.setattr('dark_codec.functional.fit.FIT_STEPS', 2)
    counters = torch._dynamo.utils.counters['stats']
    before = counters['unique_graphs']
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    heatmaps = noisy_maps(rng)[..., :14, :12].contiguous()
    batches = [heatmaps, heatmaps[:, 1:].repeat(3, 1, 1, 1)]
    found = [compiled(batch) for batch in batches]
    monkeypatch.setenv(kernels.VARIABLE, 'reference')
    for decoded, batch in zip(found, batches):
        assert_same(decoded, module, batch, atol=1e-4)
    assert counters['unique_graphs'] == before + 1


@compiled_or_exported
@every_encoder
def test_encoding_is_one_graph(encoder, rng):
    points = torch.from_numpy(rng.uniform(-30, 130, (2, 1, 5, 2)))
    points[0, 0, 0] = torch.nan
    visible = torch.ones(2, 1, 5)
    encode = codec(encoder=encoder).batch_encode
    compiled = torch.compile(encode, fullgraph=True, backend='eager')
    for part, expected in zip(
        compiled(points, visible), encode(points, visible)
    ):
        torch.testing.assert_close(part, expected, rtol=0, atol=0)


# What these tests would say of a decoder that waits


def by_item(refinement):
    refinement.offset.sum().item()


def by_copy(refinement):
    refinement.offset.cpu()


def by_branch(refinement):
    if refinement.solved.all():
        return


def by_shape(refinement):
    _ = refinement.offset[refinement.solved]


def by_constant(refinement):
    _ = refinement.offset + torch.tensor([0.5, 0.5]).to(
        refinement.offset.device
    )


class Waiting(ArgmaxDecoder):
    def __init__(self, wait):
        super().__init__()
        self.wait = wait

    def refine(self, heatmaps, peaks):
        refinement = super().refine(heatmaps, peaks)
        self.wait(refinement)
        return refinement


@pytest.mark.parametrize(
    'wait', [by_item, by_copy, by_branch, by_shape, by_constant]
)
def test_a_decoder_that_waits_fails(wait, rng):
    whole = codec()
    whole.decoder = Waiting(wait)
    heatmaps = torch.zeros(SIZE, device='meta')
    with pytest.raises((RuntimeError, AssertionError)):
        on_device_only(decode, whole, heatmaps)


@compiled_or_exported
def test_a_decoder_that_branches_is_no_graph(rng):
    waiting = Waiting(by_branch)
    compiled = torch.compile(waiting, fullgraph=True, backend='eager')
    with pytest.raises(torch._dynamo.exc.TorchDynamoException):
        compiled(noisy_maps(rng))
