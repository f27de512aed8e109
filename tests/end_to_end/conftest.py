"""A network that several tests need, trained once."""

import pytest
from samples import COCO_SAMPLES, succeed
from tiny_run import call


@pytest.fixture(scope='session')
def coco_run(data_root, tmp_path_factory):
    """Work dir of a network that learnt COCO's samples by heart."""
    folder = tmp_path_factory.mktemp('coco samples')
    succeed(
        call(
            'train.py',
            COCO_SAMPLES,
            '--work-dir=run',
            cwd=folder,
            DARK_CODEC_DATA=str(data_root),
        )
    )
    return folder / 'run'
