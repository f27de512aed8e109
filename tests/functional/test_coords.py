import numpy as np
import oracles
import pytest
import torch

from dark_codec.functional import (
    ALIGNMENTS,
    heatmap_to_input,
    input_to_heatmap,
)

SIZES = [
    ((96, 128), (24, 32)),
    ((192, 256), (48, 64)),
    ((192, 256), (96, 128)),
]


@pytest.fixture(params=SIZES, ids=str)
def sizes(request):
    return request.param


@pytest.fixture(params=ALIGNMENTS)
def alignment(request):
    return request.param


def random_points(rng, size):
    return torch.tensor(rng.uniform(-50, 50 + max(size), (3, 5, 2)))


def test_equals_scalar_arithmetic(rng, sizes, alignment):
    points = random_points(rng, sizes[0])
    mapped = input_to_heatmap(points, *sizes, alignment)
    assert mapped.dtype == torch.float32
    expected = [
        [
            oracles.input_to_heatmap(
                float(point[axis]), sizes[0][axis], sizes[1][axis], alignment
            )
            for axis in (0, 1)
        ]
        for point in points.flatten(0, 1)
    ]
    np.testing.assert_allclose(mapped.flatten(0, 1), expected, atol=1e-4)


def test_inverse(rng, sizes, alignment):
    points = random_points(rng, sizes[0]).float()
    mapped = input_to_heatmap(points, *sizes, alignment)
    back = heatmap_to_input(mapped, *sizes, alignment)
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, points, atol=1e-3, rtol=0)


def test_known_places():
    corner = torch.tensor([[191.0, 255.0]])
    sizes = (192, 256), (48, 64)
    for alignment, expected in [
        ('asymmetric', [47.75, 63.75]),
        ('half_pixel', [47.375, 63.375]),
        ('align_corners', [47.0, 63.0]),
    ]:
        mapped = input_to_heatmap(corner, *sizes, alignment)
        assert mapped[0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ('alignment', 'consistent'),
    [('asymmetric', False), ('half_pixel', True), ('align_corners', True)],
)
def test_flip(rng, sizes, alignment, consistent):
    (w, _), (width, _) = sizes
    points = random_points(rng, sizes[0]).float()
    mirrored = torch.stack([w - 1 - points[..., 0], points[..., 1]], -1)
    mapped = input_to_heatmap(points, *sizes, alignment)
    expected = torch.stack([width - 1 - mapped[..., 0], mapped[..., 1]], -1)
    if not consistent:
        # 0.75 px at stride 4, of which MMPose's shift makes 1 px
        expected[..., 0] += 1 - width / w
    torch.testing.assert_close(
        input_to_heatmap(mirrored, *sizes, alignment),
        expected,
        atol=1e-4,
        rtol=0,
    )


def test_unequal_strides_stay_with_their_axes():
    point = torch.tensor([8.0, 8.0])
    mapped = input_to_heatmap(point, (16, 32), (8, 4), 'asymmetric')
    assert mapped.tolist() == [4.0, 1.0]
    back = heatmap_to_input(mapped, (16, 32), (8, 4), 'asymmetric')
    assert back.tolist() == [8.0, 8.0]


def test_half_precision_points_are_mapped_in_float32():
    point = torch.tensor([[2047.0, 1023.0]], dtype=torch.float16)
    mapped = input_to_heatmap(point, (2048, 1024), (512, 256), 'half_pixel')
    assert mapped.dtype == torch.float32
    assert mapped.tolist() == [[511.375, 255.375]]


@pytest.mark.parametrize('function', [input_to_heatmap, heatmap_to_input])
def test_refusals(function):
    points = torch.zeros(1, 2)
    with pytest.raises(ValueError, match="alignment.*half_pixel.*'corners'"):
        function(points, (8, 8), (4, 4), 'corners')
    with pytest.raises(ValueError, match='at least 2.*heatmap_size=.1, 4'):
        function(points, (8, 8), (1, 4), 'align_corners')
