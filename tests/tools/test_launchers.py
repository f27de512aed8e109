"""dist_*.sh and slurm_*.sh: how several processes are started."""

import json

import pytest
from tiny_run import (
    RECORD,
    TOOLS,
    call,
    free_port,
    on_cpu,
    recorded,
    refused,
    save_weights,
    stand_in,
)


@pytest.mark.parametrize(
    'script, arguments, expected',
    [
        ('dist_train.sh', ['tiny.py'], 'CONFIG and GPUS are needed'),
        ('dist_train.sh', ['no.py', '2'], 'no.py does not exist'),
        ('dist_train.sh', ['tiny.py', 'two'], "got 'two'"),
        ('dist_test.sh', ['tiny.py', '2'], 'CHECKPOINT and GPUS are needed'),
        ('slurm_train.sh', ['a', 'b', 'tiny.py'], 'WORK_DIR are needed'),
        ('slurm_test.sh', ['a', 'b', 'no.py', 'x'], 'no.py does not exist'),
    ],
)
def test_scripts_say_how_they_are_called(folder, script, arguments, expected):
    message = refused(call(script, *arguments, cwd=folder))
    assert expected in message
    assert f'Usage: bash tools/{script}' in message


EXTRA = ['--work-dir', 'with blank', '--cfg-options', 'a="[1, 2]"']


@pytest.mark.parametrize(
    'arguments, env, expected',
    [
        (
            ['dist_train.sh', 'tiny.py', '4', *EXTRA],
            dict(NNODES='3', NODE_RANK='1', MASTER_ADDR='host', PORT='1234'),
            '-m torch.distributed.run --nnodes=3 --node_rank=1 '
            '--master_addr=host --master_port=1234 --nproc_per_node=4 '
            'TOOLS/train.py tiny.py EXTRA --launcher pytorch',
        ),
        (
            ['dist_test.sh', 'tiny.py', 'x.pth', '8'],
            dict(),
            '-m torch.distributed.run --nnodes=1 --node_rank=0 '
            '--master_addr=127.0.0.1 --master_port=29500 --nproc_per_node=8 '
            'TOOLS/test.py tiny.py x.pth --launcher pytorch',
        ),
        (
            ['slurm_train.sh', 'part', 'job', 'tiny.py', 'work', *EXTRA],
            dict(
                GPUS='16',
                GPUS_PER_NODE='4',
                CPUS_PER_TASK='2',
                SRUN_ARGS='--quotatype=auto --exclude=n1',
            ),
            '--partition=part --job-name=job --gres=gpu:4 --ntasks=16 '
            '--ntasks-per-node=4 --cpus-per-task=2 --kill-on-bad-exit=1 '
            '--quotatype=auto --exclude=n1 PYTHON -u TOOLS/train.py tiny.py '
            '--work-dir=work EXTRA --launcher slurm',
        ),
        (
            ['slurm_test.sh', 'part', 'job', 'tiny.py', 'x.pth'],
            dict(),
            '--partition=part --job-name=job --gres=gpu:8 --ntasks=8 '
            '--ntasks-per-node=8 --cpus-per-task=5 --kill-on-bad-exit=1 '
            'PYTHON -u TOOLS/test.py tiny.py x.pth --launcher slurm',
        ),
    ],
)
def test_processes_are_started_with(
    arguments, env, expected, folder, tmp_path
):
    """By the environment's Python, or by srun and that Python."""
    (tmp_path / 'venv/bin').mkdir(parents=True)
    stand_in(tmp_path / 'venv/bin', 'python', RECORD)
    path = stand_in(tmp_path / 'bin', 'srun', RECORD)
    env.update(VENV=str(tmp_path / 'venv'), RECORD=str(tmp_path / 'args'))
    call(*arguments, cwd=folder, PATH=path, **env)
    words = []
    for word in expected.split():
        word = word.replace('TOOLS', str(TOOLS))
        word = word.replace('PYTHON', str(tmp_path / 'venv/bin/python'))
        words += EXTRA if word == 'EXTRA' else [word]
    assert recorded(tmp_path / 'args') == words


def test_without_environment_the_python_on_path_is_used(folder, tmp_path):
    path = stand_in(tmp_path / 'bin', 'python', RECORD)
    env = dict(VENV=str(tmp_path / 'none'), RECORD=str(tmp_path / 'args'))
    call('dist_train.sh', 'tiny.py', 1, cwd=folder, PATH=path, **env)
    assert recorded(tmp_path / 'args')[1] == 'torch.distributed.run'


@on_cpu
def test_slurm_tasks_find_each_other(folder, tmp_path):
    """Two tasks, with the variables that slurm sets.

    Other launchers and trainings: test_distributed_runs.py.
    """
    path = stand_in(
        tmp_path / 'bin',
        'srun',
        """
while [[ $1 == --* ]]; do shift; done
export SLURM_NTASKS=2 SLURM_NODELIST=here
SLURM_PROCID=1 SLURM_LOCALID=1 "$@" &
SLURM_PROCID=0 SLURM_LOCALID=0 "$@" && wait $!
""",
    )
    save_weights(folder / 'tiny.py', folder / 'weights.pth')
    result = call(
        'slurm_test.sh',
        'part',
        'job',
        'tiny.py',
        'weights.pth',
        '--out=slurm.json',
        cwd=folder,
        PATH=path,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(free_port()),
    )
    assert result.returncode == 0, result.stderr
    # 8 pictures, batches of 2, 2 processes
    assert 'Epoch(test) [2/2]' in result.stdout
    assert 'coco/AP' in json.loads((folder / 'slurm.json').read_text())
