"""Numbers that a training logged."""

import json

import pytest

from projects.quickstart.logs import read_curve


def write_log(work_dir, session, *entries, end=''):
    folder = work_dir / session / 'vis_data'
    folder.mkdir(parents=True)
    lines = ''.join(json.dumps(entry) + '\n' for entry in entries)
    (folder / 'scalars.json').write_text(lines + end)


def trained(step, loss):
    return dict(loss=loss, epoch=step, iter=step, step=step)


@pytest.fixture
def resumed(tmp_path):
    """Killed in the third iteration, and resumed after the first."""
    work_dir = tmp_path / 'resumed'
    write_log(
        work_dir,
        '20260101_000000',
        trained(1, 8.0),
        {'coco/AP': 0.1, 'time': 1.0, 'step': 1},
        trained(2, 7.0),
        end='{"loss": 6.5, "ep',
    )
    write_log(
        work_dir,
        '20260101_000100',
        trained(2, 6.0),
        trained(3, 5.0),
        {'coco/AP': 0.3, 'time': 1.0, 'step': 3},
    )
    return work_dir


def test_sessions_are_joined(resumed):
    assert read_curve(resumed, 'loss') == {1: 8.0, 2: 6.0, 3: 5.0}
    assert read_curve(resumed, 'coco/AP') == {1: 0.1, 3: 0.3}
    assert read_curve(resumed, 'acc_pose') == {}


def test_no_log_is_no_curve(tmp_path):
    assert read_curve(tmp_path, 'loss') == {}
