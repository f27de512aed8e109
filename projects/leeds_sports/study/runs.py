"""The trainings of the study, in order of worth."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

CONFIGS = Path(__file__).parent / 'configs'
ENCODINGS = ('unbiased', 'biased')


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


def converged(codec: str, size: str) -> str:
    """Stem of a config of ten epochs."""
    batch = {'128x96': 32, '64x48': 16}[size]
    return f'td-hm_efficientnet-lite0_{codec}-1xb{batch}-10e_lsp-{size}'


def short(codec: str, size: str) -> str:
    """Stem of a config of two epochs."""
    return f'td-hm_efficientnet-lite0_{codec}-1xb16-2e_lsp-{size}'


RUNS = [
    *(
        Run(converged(codec, size), seed)
        for seed in range(2)
        for size in ('128x96', '64x48')
        for codec in ENCODINGS
    ),
    *(Run(short(codec, '128x96'), 0) for codec in ENCODINGS),
    *(
        Run(short(codec, '64x48'), seed)
        for seed in range(2)
        for codec in ENCODINGS
    ),
    *(Run(short(codec, '96x72'), 0) for codec in ENCODINGS),
    Run(short('unbiased-align-corners', '64x48'), 0),
    Run(short('unbiased-asymmetric', '64x48'), 0),
    Run(short('biased-floor', '64x48'), 0),
    *(Run(short(f'{codec}-stride16', '128x96'), 0) for codec in ENCODINGS),
]
