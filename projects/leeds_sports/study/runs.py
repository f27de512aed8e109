"""The trainings of the study, in order of worth."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CONFIGS = Path(__file__).parent / 'configs'


class Run(NamedTuple):
    """One training.

    Attributes:
        config (str): Stem of its config.
        seed (int): Of weights, order and augmentation.
    """

    config: str
    seed: int

    @property
    def path(self) -> Path:
        """Its config file."""
        return CONFIGS / f'{self.config}.py'

    def folder(self, work_dir: Path) -> Path:
        """Return where it logs and saves, below the folder of them all."""
        return work_dir / self.config / f'seed_{self.seed}'


def lsp(codec: str, size: str) -> str:
    """Stem of a config on Leeds Sports."""
    return f'td-hm_efficientnet-lite0_{codec}-1xb16-2e_lsp-{size}'


def figures(codec: str) -> str:
    """Stem of a config on the synthetic figures."""
    return f'td-hm_res18-slim_{codec}-1xb32-6e_figures-64x48'


RUNS = [
    *(Run(lsp(codec, '128x96'), 0) for codec in ('unbiased', 'biased')),
    *(
        Run(lsp(codec, '64x48'), seed)
        for seed in range(2)
        for codec in ('unbiased', 'biased')
    ),
    *(Run(lsp(codec, '96x72'), 0) for codec in ('unbiased', 'biased')),
    Run(lsp('unbiased-align-corners', '64x48'), 0),
    Run(lsp('unbiased-asymmetric', '64x48'), 0),
    Run(lsp('biased-floor', '64x48'), 0),
    *(
        Run(lsp(f'{codec}-stride16', '128x96'), 0)
        for codec in ('unbiased', 'biased')
    ),
    *(
        Run(figures(codec), 0)
        for codec in ('unbiased', 'biased', 'biased-floor')
    ),
]
