"""Trains as MMEngine's runner does, without what ``tools/train.py`` adds.

``python mmengine_runner.py CONFIG WORK_DIR`` resumes what is in WORK_DIR.
"""

import sys

from mmengine.config import Config
from mmengine.runner import Runner

if __name__ == '__main__':
    cfg = Config.fromfile(sys.argv[1])
    cfg.update(work_dir=sys.argv[2], resume=True)
    Runner.from_cfg(cfg).train()
