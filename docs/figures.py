"""Draws the figures of docs/concepts.md, and that of the README.

``python docs/figures.py docs/images/concepts``. Everything on them comes from
dark_codec's own functions.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import torch
from mmengine.registry import init_default_scope

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dark_codec import (  # noqa: E402
    ArgmaxDecoder,
    DARKCodec,
    GaussianFitDecoder,
    QuarterShiftDecoder,
    TaylorDecoder,
)
from dark_codec.analysis.visualization import (  # noqa: E402
    COLORS,
    draw_heatmap,
    show_window,
)
from dark_codec.functional import (  # noqa: E402
    ALIGNMENTS,
    encode_biased,
    encode_unbiased,
    gaussian_kernel,
    heatmap_to_input,
    input_to_heatmap,
    modulate,
)
from projects.quickstart.figures import FiguresDataset  # noqa: E402

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Ellipse  # noqa: E402

SIGMA = 2.0
_EXAMPLE = 2, 'left_knee'  # of the README's picture: a figure, and a joint
DECODERS = {
    'argmax': ArgmaxDecoder(),
    'quarter shift': QuarterShiftDecoder(),
    'Taylor': TaylorDecoder(sigma=SIGMA),
    'Gaussian fit': GaussianFitDecoder(sigma=SIGMA),
}


def maps_at(points: np.ndarray, size: tuple[int, int]) -> torch.Tensor:
    """Heatmaps (1, K, H, W) of K points (x, y) in heatmap px."""
    points = torch.as_tensor(points, dtype=torch.float32)[None, None]
    visible = torch.ones(points.shape[:3])
    return encode_unbiased(points, visible, size, SIGMA)[0]


def frames() -> Figure:
    """A keypoint in the picture, in the network's input and in a heatmap."""
    codec = DARKCodec(input_size=(96, 128))
    figures = FiguresDataset(
        num_samples=29,
        seed=1,
        pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=codec.input_size),
        ],
    )
    raw, crop = figures.get_data_info(28), figures[28]
    joint = figures.metainfo['keypoint_name2id']['left_knee']
    points = crop['transformed_keypoints']
    heatmap = codec.encode(points)['heatmaps'][joint]
    sizes = codec.input_size, codec.heatmap_size
    joint_at = torch.from_numpy(points[0, joint])
    place = input_to_heatmap(joint_at, *sizes, codec.alignment).numpy()
    fig, axes = plt.subplots(1, 3, figsize=(9, 4.4), layout='constrained')
    axes[0].imshow(raw['img'][..., ::-1])
    left, top, right, bottom = raw['bbox'][0]
    axes[0].plot(
        [left, right, right, left, left],
        [top, top, bottom, bottom, top],
        color=COLORS[4],
    )
    axes[1].imshow(crop['img'][..., ::-1])
    for ax, point in zip(axes, (raw['keypoints'][0, joint], points[0, joint])):
        ax.plot(*point, 'o', color=COLORS[1], markeredgecolor='white')
    draw_heatmap(axes[2], heatmap, truth=place)
    titles = 'image px', 'input px, 96 x 128', 'heatmap px, 24 x 32'
    for ax, title in zip(axes, titles):
        ax.set(title=title, xlabel='', ylabel='')
    return fig


def alignments() -> Figure:
    """Where the pixels of a row of four heatmap px lie in 16 input px."""
    fig, axes = plt.subplots(
        3, 1, figsize=(8, 4), sharex=True, layout='constrained'
    )
    row = torch.stack([torch.arange(4.0), torch.zeros(4)], 1)
    for ax, alignment in zip(axes, ALIGNMENTS):
        x = heatmap_to_input(row, (16, 16), (4, 4), alignment)[:, 0]
        ax.vlines(np.arange(17) - 0.5, -1, 1, color='0.8', linewidth=0.8)
        ax.plot(x, np.full(4, 0.35), 'o', color=COLORS[0], label='heatmap px')
        ax.plot(
            15 - x, np.full(4, -0.35), 's', color=COLORS[1], label='mirrored'
        )
        ax.set(yticks=[], ylim=(-1, 1), title=alignment)
    axes[0].legend(loc='center left', bbox_to_anchor=(1, 0.5))
    axes[-1].set(xticks=range(16), xlabel='input px')
    return fig


def encoders() -> Figure:
    """The same point by the unbiased encoder and by biased ones."""
    point, size = np.array([6.7, 5.4]), (14, 12)
    points = torch.as_tensor(point, dtype=torch.float32).reshape(1, 1, 1, 2)
    visible = torch.ones(1, 1, 1)
    fig, axes = plt.subplots(1, 4, figsize=(10, 3), layout='constrained')
    draw_heatmap(axes[0], maps_at(point[None], size)[0, 0], truth=point)
    axes[0].set_title('unbiased')
    for ax, quantise in zip(axes[1:], ('floor', 'round', 'ceil')):
        maps, _ = encode_biased(points, visible, size, SIGMA, quantise)
        draw_heatmap(ax, maps[0, 0], truth=point)
        ax.set_title(f'biased, {quantise}')
    return fig


def decoders() -> Figure:
    """Errors in x by the true place: inside of a map, and at its border."""
    fig, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout='constrained')
    ranges = {'inside the map': (20.0, 22.0), 'at its border': (-0.5, 3.5)}
    for ax, (title, (low, high)) in zip(axes, ranges.items()):
        x = np.linspace(low, high, 161)
        heatmaps = maps_at(np.column_stack([x, np.full(161, 24.3)]), (48, 64))
        for i, (name, decoder) in enumerate(DECODERS.items()):
            error = decoder(heatmaps).points[0, :, 0].numpy() - x
            ax.plot(x, error, color=COLORS[i], label=name)
        ax.set(title=title, xlabel='true x, heatmap px', ylim=(-0.55, 0.55))
    axes[0].set_ylabel('error in x, heatmap px')
    axes[1].legend(loc='center left', bbox_to_anchor=(1, 0.5))
    return fig


def modulation() -> Figure:
    """A noisy heatmap before and after Eq. 10 and 11, decoded by both."""
    truth, rng = np.array([11.3, 14.6]), np.random.default_rng(1)
    noise = torch.as_tensor(rng.normal(0, 0.12, (32, 24)), dtype=torch.float32)
    heatmap = maps_at(truth[None], (24, 32))[0, 0] + noise
    smooth = modulate(heatmap[None], gaussian_kernel(SIGMA), 'minmax')[0]
    without = TaylorDecoder(modulation=None, sigma=SIGMA)
    batch = heatmap[None, None]
    points = {
        'argmax': ArgmaxDecoder()(batch).points[0, 0],
        'Taylor without': without(batch).points[0, 0],
        'Taylor with': DECODERS['Taylor'](batch).points[0, 0],
    }
    fig, axes = plt.subplots(1, 2, figsize=(8, 4.5), layout='constrained')
    for ax, shown, title in (
        (axes[0], heatmap, 'predicted'),
        (axes[1], smooth, 'modulated'),
    ):
        draw_heatmap(ax, shown, points, truth)
        show_window(ax, truth, 7.5)
        ax.set_title(title)
    # the mark of the truth is white
    axes[1].legend(loc='center left', bbox_to_anchor=(1, 0.5), facecolor='0.6')
    return fig


def covariance() -> Figure:
    """Ellipses of one and two standard deviations on three spreads."""
    spreads = {'as trained': 0.0, 'wider': 1.5, 'along a limb': 3.0}
    decoder = TaylorDecoder(sigma=SIGMA, covariance=True)
    fig, axes = plt.subplots(1, 3, figsize=(9, 3.6), layout='constrained')
    steps = np.linspace(-1, 1, 21)
    for ax, (name, reach) in zip(axes, spreads.items()):
        y = steps if name == 'along a limb' else steps[:, None]
        x, y = np.broadcast_arrays(reach * steps, reach * y)
        places = np.stack([x.ravel(), y.ravel()], 1) + (15.4, 15.7)
        heatmap = maps_at(places, (32, 32)).mean(1, keepdim=True)
        decoded = decoder(heatmap)
        point, spread = decoded.points[0, 0], decoded.covariance[0, 0]
        draw_heatmap(ax, heatmap[0, 0])
        show_window(ax, point.tolist(), 10.5)
        for deviations in (1, 2):
            ax.add_patch(_ellipse(point, spread.numpy(), deviations))
        ax.set_title(name)
    return fig


def _ellipse(
    point: torch.Tensor, spread: np.ndarray, deviations: float
) -> Ellipse:
    lengths, axes = np.linalg.eigh(spread)
    width, height = 2 * deviations * np.sqrt(lengths)
    angle = np.degrees(np.arctan2(axes[1, 0], axes[0, 0]))
    return Ellipse(
        point.tolist(), width, height, angle=angle, fill=False, color='white'
    )


def glance() -> Figure:
    """What DARK does: a joint at pixel zoom, and errors by sub-pixel place."""
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(9.6, 4.1), layout='constrained', width_ratios=(1, 1.25)
    )
    _joint_at_pixel_zoom(left)
    _errors_by_place(right)
    return fig


def glance_dark() -> Figure:
    """The same for pages with a dark background."""
    with plt.style.context('dark_background'):
        fig = glance()
    for part in (fig, *fig.axes):
        part.set_facecolor('#0d1117')
    return fig


def _joint_at_pixel_zoom(ax: Axes) -> None:
    """A painted knee, the pixels of its heatmap, and three points."""
    magnified = 5  # the picture is painted larger than the network sees it
    codec = DARKCodec(input_size=(96, 128), alignment='half_pixel')
    sizes = codec.input_size, codec.heatmap_size, codec.alignment
    figures = FiguresDataset(
        num_samples=_EXAMPLE[0] + 1,
        seed=1,
        image_size=(640, 640),
        pipeline=[
            dict(type='LoadImage'),
            dict(type='GetBBoxCenterScale'),
            dict(type='TopdownAffine', input_size=(480, 640)),
        ],
    )
    crop = figures[_EXAMPLE[0]]
    joint = figures.metainfo['keypoint_name2id'][_EXAMPLE[1]]
    painted = crop['transformed_keypoints'][0]
    points = ((painted + 0.5) / magnified - 0.5)[None]
    at = torch.from_numpy(points[0, joint])
    truth = input_to_heatmap(at, *sizes).numpy()
    heatmap = torch.as_tensor(codec.encode(points)['heatmaps'])[None]
    heatmap = heatmap[:, joint : joint + 1]
    height, width = heatmap.shape[2:]
    outer = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    # pixels of the picture in heatmap px, so that the grid has whole numbers
    extent = outer[0, 0], outer[1, 0], outer[1, 1], outer[0, 1]
    ax.imshow(crop['img'][..., ::-1], extent=extent)
    shade = np.zeros((height, width, 4))
    shade[..., 0] = 1  # red, as strong as the heatmap
    shade[..., 3] = 0.75 * heatmap[0, 0].clamp(0, 1)
    ax.imshow(shade, extent=extent)
    ax.vlines(np.arange(width) - 0.5, -0.5, height, color='white', alpha=0.35)
    ax.hlines(np.arange(height) - 0.5, -0.5, width, color='white', alpha=0.35)
    shown = (
        ('argmax', ArgmaxDecoder(), COLORS[1], 's', 13),
        ('DARK', TaylorDecoder(sigma=codec.sigma), COLORS[4], 'o', 13),
    )
    for name, decoder, color, marker, size in shown:
        ax.plot(
            *decoder(heatmap).points[0, 0],
            marker,
            color=color,
            markersize=size,
            markeredgecolor='black',
            label=name,
        )
    ax.plot(*truth, 'x', color='black', markersize=9, mew=2, label='truth')
    x, y = np.rint(truth)
    ax.set(xlim=(x - 4.5, x + 4.5), ylim=(y + 4.5, y - 4.5))
    ax.set(xticks=[], yticks=[])
    ax.set_title('A joint on the pixels of its heatmap')
    ax.legend(loc='lower left', facecolor='white', labelcolor='black')


def _errors_by_place(ax: Axes) -> None:
    """Error in x by where in a heatmap pixel the joint lies."""
    places = np.linspace(-0.5, 0.5, 202)[1:-1]
    points = np.column_stack([24 + places, np.full(200, 24.3)])
    heatmaps = maps_at(points, (48, 64))
    shown = (
        ('argmax', 'argmax', COLORS[1], '--'),
        ('quarter shift', 'quarter shift', COLORS[2], '-.'),
        ('Taylor', 'DARK', COLORS[4], '-'),
    )
    for key, name, color, style in shown:
        x = DECODERS[key](heatmaps).points[0, :, 0].numpy()
        ax.plot(
            places, x - points[:, 0], style, color=color, lw=2.5, label=name
        )
    ax.axhline(0, color='0.5', linewidth=0.8)
    ax.set(
        xlabel='where in a heatmap pixel the joint lies, px from its centre',
        ylabel='error, heatmap px (1 is 4 px of the input)',
        title='Error of three decoders',
        xlim=(-0.5, 0.5),
    )
    ax.legend(loc='upper right')


FIGURES: dict[str, Callable[[], Figure]] = {
    draw.__name__: draw
    for draw in (
        frames,
        alignments,
        encoders,
        decoders,
        modulation,
        covariance,
        glance,
        glance_dark,
    )
}


def draw_all(folder: Path) -> None:
    """Draw every figure into a folder, which is made if need be."""
    init_default_scope('mmpose')
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        fig = draw()
        fig.savefig(folder / f'{name}.png', dpi=110)
        plt.close(fig)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='where the figures go')
    return parser.parse_args()


if __name__ == '__main__':
    draw_all(parse_args().folder)
