"""Hooks that kill a run at a chosen moment.

For test_resume.py and test_dump.py, whose tools are run by a process that
imports this module, and for test_distributed_runs.py.

Nothing that writes is replaced: the process dies by SIGKILL at an event that
Python reports (PEP 578), or by the kernel's limit on the size of a file,
after as many bytes as the limit allows.
"""

import os
import resource
import signal
import sys

from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import MessageHub
from mmengine.registry import HOOKS, METRICS


@METRICS.register_module()
class Epochs(BaseMetric):
    """Rises at every validation, so that every one is the best."""

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(epochs=MessageHub.get_current_instance().get_info('epoch'))


@HOOKS.register_module()
class PlainCheckpointHook(CheckpointHook):
    """MMEngine's own, by a name that train.py leaves alone."""


@HOOKS.register_module()
class KillAt(Hook):
    """Kills the process while the checkpoint of epoch 2 is saved."""

    def __init__(self, moment):
        self.moment = moment

    def before_save_checkpoint(self, runner, checkpoint):
        epoch = checkpoint['meta']['epoch']
        best = 'optimizer' not in checkpoint
        if epoch != 2 or best != (self.moment == 'half of the best'):
            return
        if self.moment.startswith('half'):
            die_after_bytes(200_000)
        else:
            sys.addaudithook(getattr(self, self.moment))

    def in_last_checkpoint(self, event, args):
        if writes_last_checkpoint(event, args):
            die_after_bytes(0)

    def before_removal(self, event, args):
        if event == 'os.remove' and name_of(args[0]) == 'epoch_1.pth':
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class KillAll(Hook):
    """Kills torchrun and all its processes after a step of epoch 3."""

    def after_train_iter(self, runner, *args, **kwargs):
        if runner.epoch != 2:
            return
        own, *others = all_gather_object(os.getpid())
        if runner.rank == 0:
            for pid in (os.getppid(), *others, own):
                os.kill(pid, signal.SIGKILL)
        signal.pause()


@HOOKS.register_module()
class KillAtShard(Hook):
    """Kills the process while a shard of a dump gets its name."""

    def __init__(self, name):
        self.name = name

    def before_test(self, runner):
        sys.addaudithook(self.watch)

    def watch(self, event, args):
        if event == 'os.rename' and name_of(args[1]) == self.name:
            os.kill(os.getpid(), signal.SIGKILL)


def name_of(path):
    return os.path.basename(os.fspath(path))


def writes_last_checkpoint(event, args):
    if event != 'open' or not isinstance(args[0], (str, os.PathLike)):
        return False
    return name_of(args[0]).startswith('last_checkpoint') and 'w' in (
        args[1] or ''
    )


def die_after_bytes(size):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
