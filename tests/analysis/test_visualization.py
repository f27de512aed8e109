"""Heatmaps lie where they belong on a picture."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dark_codec import DARKCodec
from dark_codec.analysis.visualization import (
    draw_picture,
    line_style,
    overlay_heatmap,
)


@pytest.fixture
def ax():
    figure = Figure(figsize=(0.75, 1), dpi=128)
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1))


def pixels(ax):
    """What is drawn: red, green, blue, (128, 96, 3)."""
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())[..., :3].astype(int)


def test_a_picture_stays_what_it_is(ax, rng):
    picture = rng.integers(0, 256, (128, 96, 3), dtype=np.uint8)
    draw_picture(ax, picture)
    np.testing.assert_array_equal(pixels(ax)[..., ::-1], picture)


@pytest.mark.parametrize(
    'alignment', ['asymmetric', 'half_pixel', 'align_corners']
)
def test_a_heatmap_lies_on_its_keypoint(ax, alignment):
    """Its centre of mass, in any alignment, to a fifth of a pixel."""
    codec = DARKCodec((96, 128), alignment=alignment, sigma=2)
    point = np.array([40.3, 70.8])
    heatmap = codec.encode(point[None, None])['heatmaps'][0]
    corners = torch.tensor([[-0.5, -0.5], [23.5, 31.5]])
    draw_picture(ax, np.zeros((128, 96, 3), np.uint8))
    overlay_heatmap(ax, heatmap, codec.to_input(corners).numpy(), opacity=1)
    weight = pixels(ax).sum(2)
    assert weight[0, 0] == 0 and weight.max() > 550
    rows, columns = np.mgrid[:128, :96]
    centre = [(weight * c).sum() / weight.sum() for c in (columns, rows)]
    np.testing.assert_allclose(centre, point, atol=0.2)


def test_twelve_lines_differ_in_what_a_grey_print_shows():
    styles = [line_style(number) for number in range(12)]
    seen = {(style['marker'], style['linestyle']) for style in styles}
    assert len(seen) == 12
    assert line_style(12) == styles[0]
