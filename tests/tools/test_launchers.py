"""dist_*.sh and slurm_*.sh: how several processes are started."""

import json
import pickle

import numpy as np
import pytest
from tiny_run import (
    NUM_IMAGES,
    RECORD,
    TOOLS,
    call,
    free_port,
    on_cpu,
    recorded,
    refused,
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


# several processes


def keypoints(path):
    """Image id -> predicted keypoints, of what --dump wrote."""
    with open(path, 'rb') as file:
        return {
            sample['img_id']: sample['pred_instances']['keypoints']
            for sample in pickle.load(file)
        }


@pytest.fixture(scope='module')
def trained(folder):
    """What dist_train.sh printed, and the checkpoint that it left."""
    result = call(
        'dist_train.sh',
        'tiny.py',
        2,
        '--work-dir=two processes',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'model.backbone.norm_cfg.type=SyncBN',
        cwd=folder,
        PORT=str(free_port()),
    )
    assert result.returncode == 0, result.stderr
    return result.stdout, folder / 'two processes' / 'epoch_1.pth'


@on_cpu
def test_dist_train_runs_two_processes_without_a_gpu(trained):
    log, checkpoint = trained
    # 8 pictures, batches of 2, 2 processes
    assert 'Epoch(train) [1][2/2]' in log
    assert 'SyncBN does not run on the CPU' in log
    assert checkpoint.is_file()


@on_cpu
def test_dist_test_predicts_what_one_process_does(folder, trained):
    _, checkpoint = trained
    result = call(
        'dist_test.sh',
        'tiny.py',
        checkpoint,
        2,
        '--dump=two.pkl',
        '--out=two.json',
        cwd=folder,
        PORT=str(free_port()),
    )
    assert result.returncode == 0, result.stderr
    assert 'Epoch(test) [2/2]' in result.stdout
    assert 'coco/AP' in json.loads((folder / 'two.json').read_text())
    single = call('test.py', 'tiny.py', checkpoint, '--dump=1.pkl', cwd=folder)
    assert single.returncode == 0, single.stderr
    two, one = keypoints(folder / 'two.pkl'), keypoints(folder / '1.pkl')
    assert sorted(two) == sorted(one) and len(one) == NUM_IMAGES
    for image in one:
        np.testing.assert_allclose(two[image], one[image], atol=1e-3)


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
def test_slurm_tasks_find_each_other(folder, trained, tmp_path):
    # Starts two tasks here, with the variables that slurm sets.
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
    result = call(
        'slurm_test.sh',
        'part',
        'job',
        'tiny.py',
        trained[1],
        '--out=slurm.json',
        cwd=folder,
        PATH=path,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(free_port()),
    )
    assert result.returncode == 0, result.stderr
    assert 'Epoch(test) [2/2]' in result.stdout
    assert 'coco/AP' in json.loads((folder / 'slurm.json').read_text())
