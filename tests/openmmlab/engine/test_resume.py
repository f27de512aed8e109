"""A training killed while it saves goes on from its last checkpoint."""

import signal
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.fileio import FileClient, LocalBackend, register_backend
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.runner import Runner
from tiny_run import call_all, ended, write_config, write_data
from torch.utils.data import DataLoader

from dark_codec.openmmlab.engine import (
    AtomicLocalBackend,
    find_other_checkpoint,
)

MMENGINE = Path(__file__).parents[2] / 'mmengine_runner.py'
# Each with the signal that it dies by.
MOMENTS = {
    'half': signal.SIGXFSZ,
    'in_last_checkpoint': signal.SIGXFSZ,
    'before_removal': signal.SIGKILL,
}
# Those at which MMEngine's hook leaves nothing that MMEngine can resume.
FATAL = ['half', 'in_last_checkpoint']

EXTRA = """
train_cfg.update(max_epochs=3)
default_hooks['checkpoint'] = dict(
    type='{hook}', interval=1, max_keep_ckpts=1{save_best})
model['backbone'].update(base_channels=8)
val_evaluator = dict(type='Epochs')
"""


class Trainings:
    """Runs to do; what came of them."""

    def __init__(self, folder):
        self.folder = folder
        self.data = write_data(folder / 'data', num_images=4)
        self.jobs = {}

    def config(self, name, hook, moment=None, best=False):
        save_best = ", save_best='epochs', rule='greater'" if best else ''
        extra = EXTRA.format(hook=hook, save_best=save_best)
        if moment:
            kill = dict(type='KillAt', moment=moment)
            extra += f'custom_hooks = [{kill!r}]\n'
        path = self.folder / f'{name}.py'
        return str(write_config(path, self.data, extra=extra))

    def add(self, name, program, config, *arguments, work_dir):
        if program == 'train.py':
            arguments = f'--work-dir={work_dir}', *arguments
        else:
            arguments = (work_dir,)
        self.jobs[name] = [program, config, *arguments]

    def run(self):
        call_all(self.jobs, self.folder)
        self.codes = {name: ended(self.folder, name)[0] for name in self.jobs}

    def log(self, name):
        return (self.folder / f'{name}.log').read_text()


@pytest.fixture(scope='module')
def trainings(tmp_path_factory):
    """All that the tests look at."""
    folder = tmp_path_factory.mktemp('killed')
    made = Trainings(folder)
    validate = '--no-validate'
    whole = made.config('whole', 'CheckpointHook')
    made.add('whole', 'train.py', whole, validate, work_dir=folder / 'whole')
    for hook in ('CheckpointHook', 'PlainCheckpointHook'):
        again = made.config(hook, hook)
        plain = hook == 'PlainCheckpointHook'
        for moment in FATAL if plain else MOMENTS:
            name = f'plain {moment}' if plain else moment
            work_dir = folder / name
            killed = made.config(name, hook, moment)
            made.add(name, 'train.py', killed, validate, work_dir=work_dir)
            if plain:
                copy = f'{name} mmengine'
                made.add(copy, MMENGINE, again, work_dir=work_dir)
            made.add(
                f'{name} resumed',
                'train.py',
                again,
                validate,
                '--resume',
                work_dir=work_dir,
            )
    best = made.config('best', 'CheckpointHook', 'half of the best', best=True)
    made.add('best', 'train.py', best, work_dir=folder / 'best')
    made.run()
    return made


def state(path):
    return torch.load(path, map_location='cpu')['state_dict']


def assert_complete(trainings, name):
    """It ended where a training that nobody kills ends."""
    folder = trainings.folder / name
    kept = sorted(path.name for path in folder.glob('*.pth*'))
    assert kept == ['epoch_3.pth']
    pointer = (folder / 'last_checkpoint').read_text()
    assert pointer == str(folder / 'epoch_3.pth')
    assert not list(folder.glob('*.unfinished'))
    whole = state(trainings.folder / 'whole' / 'epoch_3.pth')
    for key, value in state(folder / 'epoch_3.pth').items():
        assert torch.equal(value, whole[key]), key


def test_a_training_that_nobody_kills(trainings):
    assert trainings.codes['whole'] == 0, trainings.log('whole')
    assert_complete(trainings, 'whole')


@pytest.mark.parametrize('moment', MOMENTS)
def test_killed_and_resumed(trainings, moment):
    assert trainings.codes[moment] == -MOMENTS[moment], trainings.log(moment)
    log = trainings.log(f'{moment} resumed')
    assert trainings.codes[f'{moment} resumed'] == 0, log
    # Epoch 2 is complete once last_checkpoint says so, epoch 1 until then.
    epoch = 2 if moment == 'before_removal' else 1
    assert f'resumed epoch: {epoch}, ' in log
    assert_complete(trainings, moment)


@pytest.mark.parametrize('moment', FATAL)
def test_mmengine_alone_fails(trainings, moment):
    name = f'plain {moment}'
    assert trainings.codes[name] == -MOMENTS[moment], trainings.log(name)
    assert "is PlainCheckpointHook, not MMEngine's" in trainings.log(name)
    failed = trainings.log(f'{name} mmengine')
    assert trainings.codes[f'{name} mmengine'] == 1, failed
    assert 'Traceback' in failed and 'resumed epoch' not in failed


@pytest.mark.parametrize('moment', FATAL)
def test_resume_takes_what_mmengine_left(trainings, moment):
    name = f'plain {moment} resumed'
    log = trainings.log(name)
    if moment == 'half':
        # The only checkpoint is half a file.
        assert trainings.codes[name] == 2
        assert 'no checkpoint in' in log and 'epoch_2.pth: ' in log
        assert 'Traceback' not in log
        return
    assert trainings.codes[name] == 0, log
    assert 'Skipped for resuming' in log
    assert 'resumed epoch: 2, ' in log
    assert_complete(trainings, f'plain {moment}')


def test_the_former_best_stays_until_there_is_a_new_one(trainings):
    assert trainings.codes['best'] == -signal.SIGXFSZ, trainings.log('best')
    (best,) = (trainings.folder / 'best').glob('best_*.pth')
    assert best.name == 'best_epochs_epoch_1.pth' and state(best)


# the choice of a checkpoint


def save(path, **changes):
    content = dict(meta={}, message_hub={}, state_dict={})
    torch.save({**content, **changes}, path)
    return path


def test_nothing_to_resume_from(tmp_path):
    assert find_other_checkpoint(tmp_path) is None
    (tmp_path / 'last_checkpoint').touch()
    save(tmp_path / 'best_AP_epoch_3.pth')
    save(tmp_path / 'epoch_3-0123abcd.pth')
    assert find_other_checkpoint(tmp_path) is None
    assert find_other_checkpoint(tmp_path / 'absent') is None


@pytest.mark.parametrize('named', ['s3://bucket/epoch_1.pth', 'epoch_2.pth'])
def test_the_choice_of_mmengine_stands(tmp_path, monkeypatch, named):
    monkeypatch.chdir(tmp_path)
    save('epoch_2.pth')
    save('epoch_3.pth')
    Path('last_checkpoint').write_text(named)
    assert find_other_checkpoint('.') is None


def test_the_newest_that_can_be_read(tmp_path):
    out_dir = tmp_path / 'out'
    out_dir.mkdir()
    save(tmp_path / 'epoch_9.pth')
    good = save(out_dir / 'epoch_10.pth')
    (tmp_path / 'epoch_11.pth').write_bytes(good.read_bytes()[:500])
    torch.save([1], tmp_path / 'epoch_12.pth')
    torch.save({}, tmp_path / 'epoch_13.pth')
    (tmp_path / 'last_checkpoint').write_text('/gone/epoch_14.pth')
    assert find_other_checkpoint(tmp_path, out_dir) == str(good)
    assert find_other_checkpoint(tmp_path, templates=['epoch_{}.pth']) == str(
        tmp_path / 'epoch_9.pth'
    )


def test_names_of_the_users_own(tmp_path):
    good = save(tmp_path / 'e+7.ckpt')
    with_template = find_other_checkpoint(tmp_path, templates=['e+{}.ckpt'])
    assert with_template == str(good)
    assert find_other_checkpoint(tmp_path) is None


def test_the_reasons_are_told(tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    torch.save(dict(meta={}), tmp_path / 'epoch_2.pth')
    (tmp_path / 'last_checkpoint').write_text('/gone/epoch_3.pth')
    with pytest.raises(ValueError) as error:
        find_other_checkpoint(tmp_path)
    for part in [
        '/gone/epoch_3.pth, which last_checkpoint names: FileNotFoundError',
        'epoch_1.pth: EOFError',
        'epoch_2.pth: it lacks message_hub, state_dict',
    ]:
        assert part in str(error.value)


# the files


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    backend = AtomicLocalBackend()
    backend.put_text('old', tmp_path / 'new folder' / 'file')
    with pytest.raises(TypeError):
        backend.put(None, tmp_path / 'new folder' / 'file')
    (file,) = (tmp_path / 'new folder').iterdir()
    assert file.read_text() == 'old'


# the hook


class Recorded(LocalBackend):
    """Somebody's own storage; its operations, in order."""

    done: list[tuple[str, str]] = []

    def put(self, obj, filepath):
        self.done.append(('put', filepath))

    def isfile(self, filepath):
        return ('put', filepath) in self.done

    def remove(self, filepath):
        self.done.append(('remove', filepath))

    def join_path(self, filepath, *filepaths):
        return '/'.join([filepath, *filepaths])


class Linear(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs, mode):
        out = self.layer(inputs)
        return dict(loss=out.sum()) if mode == 'loss' else [out]


class BestTwice(BaseMetric):
    """Rises twice by one measure, once by the other."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        epoch = MessageHub.get_current_instance().get_info('epoch')
        return dict(one=min(epoch, 1), two=1)


def train(work_dir, **hook):
    data = DataLoader([dict(inputs=torch.ones(1))], batch_size=1)
    runner = Runner(
        Linear(),
        str(work_dir),
        train_dataloader=data,
        val_dataloader=data,
        train_cfg=dict(by_epoch=True, max_epochs=3),
        val_cfg={},
        val_evaluator=Evaluator([BestTwice()]),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            checkpoint=dict(
                type='SafeCheckpointHook',
                interval=1,
                max_keep_ckpts=1,
                save_best=['one', 'two'],
                rule='greater',
                **hook,
            )
        ),
        experiment_name=f'{work_dir}',
    )
    runner.train()


def test_other_storage_is_left_alone_but_for_the_order(tmp_path):
    register_backend('recorded', Recorded, prefixes='recorded')
    FileClient.register_backend('recorded', Recorded, prefixes='recorded')
    train(tmp_path / 'run', out_dir='recorded://bucket')
    short = [
        (what, where.removeprefix('recorded://bucket/run/'))
        for what, where in Recorded.done
    ]
    assert short == [
        ('put', 'epoch_1.pth'),
        ('put', 'best_one_epoch_1.pth'),
        ('put', 'best_two_epoch_1.pth'),
        ('put', 'epoch_1.pth'),
        ('put', 'epoch_2.pth'),
        ('remove', 'epoch_1.pth'),
        ('put', 'best_one_epoch_2.pth'),
        ('put', 'epoch_2.pth'),
        ('remove', 'best_one_epoch_1.pth'),
        ('put', 'epoch_3.pth'),
        ('remove', 'epoch_2.pth'),
    ]
    pointer = (tmp_path / 'run' / 'last_checkpoint').read_text()
    assert pointer == 'recorded://bucket/run/epoch_3.pth'


@pytest.mark.parametrize(
    'hook', [{}, dict(file_client_args=dict(backend='disk'))]
)
def test_local_files(tmp_path, hook):
    left = tmp_path / 'run' / 'epoch_2.pth.unfinished'
    left.parent.mkdir()
    left.touch()
    train(tmp_path / 'run', **hook)
    kept = sorted(path.name for path in left.parent.glob('*.*'))
    assert [name for name in kept if '.pth' in name] == [
        'best_one_epoch_2.pth',
        'best_two_epoch_1.pth',
        'epoch_3.pth',
    ]
