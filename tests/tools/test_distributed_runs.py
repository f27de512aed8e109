"""docs/distributed.md, done as it says: two nodes, a kill, a resumption.

The network has no batch norm: its gradients do not depend on how a batch is
split, and what several processes do has to be what one does.
"""

import json
import re
import signal
import subprocess

import pytest
import torch
from tiny_run import (
    NUM_IMAGES,
    RECORD,
    TOOLS,
    call,
    environment,
    free_port,
    on_cpu,
    recorded,
    stand_in,
    write_config,
    write_data,
)

pytestmark = on_cpu
ROOT = TOOLS.parent
PAGE = (ROOT / 'docs' / 'distributed.md').read_text()
# Two processes with batches of 2, two of which make a step
LR, BASE_BATCH_SIZE = 1.6, 16
EXTRA = f"""
custom_imports = dict(
    imports=['dark_codec', 'killed_training'], allow_failed_imports=False)
model['backbone'].update(
    norm_cfg=dict(type='GN', num_groups=4),
    strides=(1, 1, 1, 1),
    zero_init_residual=False)
model['head'].update(deconv_out_channels=None, deconv_kernel_sizes=None)
optim_wrapper = dict(
    optimizer=dict(type='SGD', lr={LR}, momentum=0.9), accumulative_counts=2)
auto_scale_lr = dict(base_batch_size={BASE_BATCH_SIZE})
param_scheduler = None
train_cfg.update(max_epochs=3, val_interval=3)
targets_on_device = True
test_dataloader['dataset']['indices'] = 7
test_evaluator = [
    test_evaluator, dict(type='PCKAccuracy', thr=0.3), dict(type='EPE')]
"""
# What a single process needs to take the same steps
ONE = f"""
targets_on_device = False
train_dataloader['batch_size'] = {NUM_IMAGES}
optim_wrapper['accumulative_counts'] = 1
optim_wrapper['optimizer']['lr'] = {LR * 2 * 2 / BASE_BATCH_SIZE}
"""


def commands(heading):
    """Those of a section of the page, with the shell's variables in them."""
    section = re.search(rf'## {heading}\n(.*?)(\n## |\Z)', PAGE, re.DOTALL)[1]
    blocks = re.findall(r'```bash\n(.*?)```', section, re.DOTALL)
    text = ''.join(blocks).replace('\\\n', ' ')
    return [line for line in text.splitlines() if not line.startswith('#')]


class Runs:
    """The page's commands, with the configs that they are given."""

    def __init__(self, folder):
        self.folder = folder
        self.started = []
        data = write_data(folder / 'data')
        write_config(folder / 'two.py', data, extra=EXTRA)
        write_config(folder / 'one.py', data, extra=EXTRA + ONE)
        killed = EXTRA + "custom_hooks = [dict(type='KillAll')]\n"
        write_config(folder / 'killed.py', data, extra=killed)

    def start(self, command, log, config, **env):
        """Start a command in the checkout, as it is written."""
        with open(self.folder / log, 'w') as file:
            process = subprocess.Popen(
                ['bash', '-c', command],
                cwd=ROOT,
                env=environment(
                    PYTHONPATH=str(ROOT / 'tests'),
                    CONFIG=str(self.folder / f'{config}.py'),
                    **{key: str(value) for key, value in env.items()},
                ),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def wait(self, process, log, expected=0):
        """The log, if the exit code is as expected."""
        code = process.wait(timeout=600)
        text = (self.folder / log).read_text()
        assert code == expected, text
        return text

    def run(self, command, config, expected=0, **env):
        """Run a command on one machine; its log."""
        log = f'{config}.log'
        process = self.start(command, log, config, PORT=free_port(), **env)
        return self.wait(process, log, expected)

    def on_two_nodes(self, nodes, name, **env):
        """Start one process on each; the log of the first."""
        env.update(FIRST='127.0.0.1', PORT=free_port(), GPUS=1)
        logs = [f'{name} {rank}.log' for rank in range(2)]
        started = [
            self.start(command, log, 'two', **env)
            for command, log in zip(nodes, logs)
        ]
        return [self.wait(*each) for each in zip(started, logs)][0]


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    made = Runs(tmp_path_factory.mktemp('runs'))
    yield made
    # torchrun ends its processes; those that have ended are left alone
    for process in made.started:
        process.terminate()


@pytest.fixture(scope='module')
def two_nodes(runs):
    """The work dir of a training on two nodes."""
    work_dir = runs.folder / 'two'
    nodes = commands('Two machines')[:2]
    log = runs.on_two_nodes(nodes, 'train', WORK_DIR=work_dir)
    assert 'Epoch(train) [3][2/2]' in log
    return work_dir


def state(path):
    return torch.load(path, map_location='cpu')['state_dict']


def test_two_nodes_train_as_one_process_does(runs, two_nodes):
    result = call(
        'train.py',
        'one.py',
        '--no-validate',
        '--work-dir=one',
        cwd=runs.folder,
    )
    assert result.returncode == 0, result.stderr
    one = runs.folder / 'one'
    before, expected = state(one / 'epoch_1.pth'), state(one / 'epoch_3.pth')
    found = state(two_nodes / 'epoch_3.pth')
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        moved = (value - before[name]).abs().max()
        assert moved > 0, name
        error = (found[name] - value).abs().max()
        assert error < 1e-3 * moved, f'{name}: {error / moved}'


def test_the_learning_rate_is_scaled(two_nodes):
    (log,) = two_nodes.glob('*/vis_data/scalars.json')
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    rates = {line['lr'] for line in lines if 'lr' in line}
    assert rates == {LR * 2 * 2 / BASE_BATCH_SIZE}


def printed(log):
    """The metrics in the last line of a test."""
    (line,) = re.findall(r'Epoch\(test\).*(coco/AP:.*?)data_time', log)
    return line


def test_two_nodes_score_as_one_process_does(runs, two_nodes):
    checkpoint = two_nodes / 'epoch_3.pth'
    nodes = commands('Two machines')[2:]
    log = runs.on_two_nodes(
        nodes, 'test', WORK_DIR=runs.folder, CHECKPOINT=checkpoint
    )
    assert 'Epoch(test) [2/2]' in log
    single = call(
        'test.py',
        'two.py',
        checkpoint,
        '--out=one.json',
        cwd=runs.folder,
    )
    assert single.returncode == 0, single.stderr
    assert 'Epoch(test) [4/4]' in single.stdout
    assert printed(log) == printed(single.stdout)
    two, one = (
        json.loads((runs.folder / name).read_text())
        for name in ('metrics.json', 'one.json')
    )
    assert two == pytest.approx(one, rel=1e-6)
    # no metric that is what an empty prediction gets
    assert 1 < one['EPE'] < 100 and 0 < one['PCK'] < 1


def test_killed_and_resumed(runs, two_nodes):
    work_dir = runs.folder / 'killed'
    env = dict(WORK_DIR=work_dir, GPUS=2)
    train, _ = commands('One machine')
    runs.run(train, 'killed', -signal.SIGKILL, **env)
    assert (work_dir / 'epoch_2.pth').is_file()
    assert not (work_dir / 'epoch_3.pth').exists()
    (resume,) = commands('Continuing after a kill')
    log = runs.run(resume, 'two', **env)
    assert 'resumed epoch: 2, ' in log
    expected = state(two_nodes / 'epoch_3.pth')
    for name, value in state(work_dir / 'epoch_3.pth').items():
        assert torch.equal(value, expected[name]), name


def test_the_other_commands(runs, tmp_path):
    """What torchrun and srun are asked; test_launchers.py starts them."""
    path = stand_in(tmp_path / 'bin', 'srun', RECORD)
    stand_in(tmp_path / 'bin', 'python', RECORD)
    env = dict(VENV=tmp_path, PATH=path, RECORD=tmp_path / 'args')
    env.update(WORK_DIR='work', CHECKPOINT='x.pth', GPUS=2)
    env.update(PARTITION='p', JOB_NAME='job')
    config = str(runs.folder / 'two.py')
    asked = []
    for command in (commands('One machine')[1], *commands('Slurm')):
        runs.run(command, 'two', **env)
        asked.append(recorded(tmp_path / 'args'))
    assert '--nproc_per_node=2' in asked[0]
    for arguments in asked[1:]:
        assert {'--ntasks=16', '--ntasks-per-node=8'} <= set(arguments)
    for arguments, (tool, *rest) in zip(
        asked,
        [
            ('test.py', 'x.pth', '--out', 'work/metrics.json'),
            ('train.py', '--work-dir=work'),
            ('test.py', 'x.pth'),
        ],
    ):
        start = arguments.index(str(TOOLS / tool))
        assert arguments[start + 1 : -2] == [config, *rest]
