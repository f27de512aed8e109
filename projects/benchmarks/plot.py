"""Draw how the cost of decoding and encoding grows."""

from __future__ import annotations

from pathlib import Path

import matplotlib

from dark_codec.analysis.visualization import line_style
from projects.benchmarks.cases import LARGE, SIZES
from projects.benchmarks.methods import DARK, PLAIN, UDP

matplotlib.use('Agg')
from matplotlib import pyplot as plt

SHOWN = dict(
    decode=[PLAIN, DARK, UDP, 'Taylor, max', 'Taylor, minmax', 'GaussianFit'],
    encode=[PLAIN, DARK, UDP, 'Unbiased, one by one', 'Unbiased, batch'],
)


def draw(rows: list[dict], path: Path) -> None:
    """Draw milliseconds over batch, keypoints and size of the heatmaps."""
    rows = [r for r in rows if 'real' not in r['maps'] and r['size'] != LARGE]
    most = max(row['batch'] for row in rows)
    panels = {
        'batch (17 keypoints, 64x48)': lambda r: (
            r['keypoints'] == 17 and r['size'] == SIZES[1] and r['batch']
        ),
        f'keypoints (batch {most}, 64x48)': lambda r: (
            r['batch'] == most and r['size'] == SIZES[1] and r['keypoints']
        ),
        f'pixels of a heatmap (17 keypoints, batch {most})': lambda r: (
            r['batch'] == most
            and r['keypoints'] == 17
            and r['size'][0] * r['size'][1]
        ),
    }
    figure, grid = plt.subplots(2, 3, figsize=(13, 8), sharey='row')
    for axes, (task, names) in zip(grid, SHOWN.items()):
        for ax, (label, place) in zip(axes, panels.items()):
            for index, name in enumerate(names):
                points = sorted(
                    (place(row), *(1000 * s for s in row['seconds']))
                    for row in rows
                    if (row['task'], row['name']) == (task, name)
                    and place(row)
                )
                x, y, low, high = zip(*points)
                style = line_style(index)
                ax.plot(x, y, label=name, **style)
                ax.fill_between(x, low, high, color=style['color'], alpha=0.2)
            ax.set(xscale='log', yscale='log', xlabel=label)
            ax.set_xticks(x, [str(tick) for tick in x])
            ax.minorticks_off()
            ax.grid(color='#dddddd', linewidth=0.6)
        axes[0].set_ylabel(f'{task}: ms a batch')
        axes[2].legend(bbox_to_anchor=(1, 0.5), loc='center left')
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
