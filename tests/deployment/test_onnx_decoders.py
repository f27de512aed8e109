"""Decoders inside ONNX graphs, run by onnxruntime, against PyTorch."""

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from bad_maps import MAPS

from dark_codec import DARKCodec
from dark_codec.deployment import (
    TOLERANCE,
    ExportedDecoder,
    MismatchError,
    check_onnx,
    export_onnx,
    session_of,
)


def taylor(**modulation):
    return dict(
        type='TaylorDecoder',
        modulation=dict(type='GaussianModulation', **modulation),
    )


DECODERS = {
    'argmax': dict(type='ArgmaxDecoder'),
    'shift': dict(type='QuarterShiftDecoder'),
    'second': dict(type='QuarterShiftDecoder', variant='second'),
    'minmax': taylor(rescale='minmax'),
    # narrow: graphs grow with the kernel, and 'minmax' has a wide one
    'max': taylor(rescale='max', kernel_size=5),
    'raw': dict(type='TaylorDecoder', modulation=None),
    'fit': dict(type='GaussianFitDecoder'),
}
# Frames are mapped outside of the decoder: the cheapest shows them all
FRAMES = {
    'half_pixel': dict(alignment='half_pixel'),
    'align_corners, udp': dict(alignment='align_corners', use_udp=True),
    'flip shift': dict(correct_flip_shift=True),
}
SCORES = {
    'raw, OKS': dict(
        decoder=DECODERS['raw'],
        scores=dict(type='ExpectedOKS', sigmas=np.linspace(0.03, 0.1, 12)),
    ),
}
every_decoder = pytest.mark.parametrize('name', DECODERS)


@cache  # an export takes seconds
def exported(name):
    """The codec, its graph, and the graph in onnxruntime."""
    if name in DECODERS:
        codec = DARKCodec(decoder=DECODERS[name])
    elif name in SCORES:
        codec = DARKCodec(**SCORES[name])
    else:
        codec = DARKCodec(decoder='ArgmaxDecoder', **FRAMES[name])
    graph = export_onnx(ExportedDecoder(codec))
    return codec, graph, session_of(graph, threads=1)


def assert_same(codec, session, heatmaps):
    keypoints, scores = session.run(None, dict(heatmaps=heatmaps))
    expected = codec.batch_decode(torch.from_numpy(heatmaps))
    points, values = (np.concatenate(part) for part in expected)
    assert keypoints.dtype == scores.dtype == np.float32
    np.testing.assert_allclose(keypoints, points, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(scores, values)


@every_decoder
def test_real_heatmaps(name, real_heatmaps):
    codec, _, session = exported(name)
    assert_same(codec, session, real_heatmaps[:1])
    assert_same(codec, session, real_heatmaps[::5])


@every_decoder
def test_nobody(name, real_heatmaps):
    """A batch without people, as a detector that finds nobody asks for."""
    session = exported(name)[2]
    keypoints, scores = session.run(None, dict(heatmaps=real_heatmaps[:0]))
    assert keypoints.shape == (0, 12, 2) and scores.shape == (0, 12)


@every_decoder
def test_bad_maps(name):
    """Those of docs/decoders.md, one by one, so that each is named."""
    codec, _, session = exported(name)
    for title, (heatmap, *_) in MAPS.items():
        if heatmap.shape != (64, 48):
            continue
        with np.errstate(over='ignore'):
            heatmaps = heatmap.astype(np.float32)[None, None]
        try:
            assert_same(codec, session, heatmaps)
        except AssertionError as error:
            raise AssertionError(title) from error


@pytest.mark.parametrize('name', FRAMES)
def test_frames(name, real_heatmaps):
    codec, _, session = exported(name)
    assert_same(codec, session, real_heatmaps[:5])


@pytest.mark.parametrize('name', SCORES)
def test_expected_oks(name, real_heatmaps):
    codec, _, session = exported(name)
    keypoints, scores = session.run(None, dict(heatmaps=real_heatmaps))
    expected = codec.batch_decode(torch.from_numpy(real_heatmaps))
    points, values = (np.concatenate(part) for part in expected)
    np.testing.assert_allclose(keypoints, points, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores, values, rtol=0, atol=1e-4)
    assert not np.allclose(scores, real_heatmaps.max((2, 3)), atol=0.05)


@pytest.mark.parametrize('name', ['argmax', 'minmax', 'fit', 'raw, OKS'])
def test_the_check_accepts_what_is_right(name):
    codec, graph, _ = exported(name)
    found = check_onnx(graph, ExportedDecoder(codec))
    assert found['keypoints'] <= TOLERANCE


WRONG = [
    # another decoder; half a pixel off; another kernel
    ('argmax', DECODERS['minmax'], {}),
    ('half_pixel', 'ArgmaxDecoder', {}),
    ('minmax', taylor(sigma=1.9), {}),
    ('fit', DECODERS['fit'], dict(sigma=1.9)),
]


@pytest.mark.parametrize(('name', 'decoder', 'settings'), WRONG, ids=str)
def test_the_check_refuses_what_is_wrong(name, decoder, settings):
    graph = exported(name)[1]
    other = DARKCodec(decoder=decoder, **settings)
    with pytest.raises(MismatchError, match='keypoints differ by .* input px'):
        check_onnx(graph, ExportedDecoder(other))


def test_the_check_refuses_what_is_no_graph():
    codec, graph, _ = exported('argmax')
    broken = onnx.ModelProto()
    broken.CopyFrom(graph)
    broken.graph.node[0].op_type = 'NoSuchOperator'
    with pytest.raises(MismatchError, match='not valid: .*NoSuchOperator'):
        check_onnx(broken, ExportedDecoder(codec))
