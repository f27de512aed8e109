"""Checkpoint hook that survives a killed training."""

import os.path as osp
from collections import deque
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import HardDiskBackend, LocalBackend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS

from .atomic_backend import AtomicLocalBackend, remove_unfinished


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's CheckpointHook, but a valid checkpoint exists at any time.

    Three things differ. A checkpoint and ``last_checkpoint`` are replaced
    atomically; an old checkpoint is removed after the new one and
    ``last_checkpoint`` are written, hence the disk holds one more than
    ``max_keep_ckpts`` for a moment; the former best one is removed after the
    checkpoint to resume from names the new one.

    A remote ``out_dir`` is written by its own backend, in the same order.

    Args:
        *args: Those of ``CheckpointHook``.
        **kwargs: Those of ``CheckpointHook``.
    """

    file_client_args: dict | None
    file_backend: Any
    keep_ckpt_ids: deque

    def before_train(self, runner: Any) -> None:
        """Choose the file backend, and remove files of a killed run."""
        super().before_train(runner)
        folders = {str(runner.work_dir)}
        client = self.file_client_args and self.file_client.client
        # not their subclasses, which users wrote
        if type(client or self.file_backend) in (
            LocalBackend,
            HardDiskBackend,
        ):
            self.file_client_args = None
            self.backend_args = dict(backend='atomic_local')
            self.file_backend = AtomicLocalBackend()
            folders.add(str(self.out_dir))
        if self.max_keep_ckpts > 0:
            # MMEngine's drops the oldest when it is full
            self.keep_ckpt_ids = deque(self.keep_ckpt_ids)
        if is_main_process():
            for folder in folders:
                for path in remove_unfinished(folder):
                    runner.logger.info(f'Removed the unfinished {path}')

    def _save_checkpoint_with_step(
        self, runner: Any, step: int, meta: dict
    ) -> None:
        """Save, then update last_checkpoint, then remove old ones."""
        if self.max_keep_ckpts > 0:
            if not self.keep_ckpt_ids or self.keep_ckpt_ids[-1] != step:
                self.keep_ckpt_ids.append(step)
            # with those that are about to be removed: should this run be
            # killed before, the one that resumes from here removes them
            runner.message_hub.update_info(
                'keep_ckpt_ids', list(self.keep_ckpt_ids)
            )
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            AtomicLocalBackend().put_text(
                str(self.last_ckpt),
                osp.join(runner.work_dir, 'last_checkpoint'),
            )
        while 0 < self.max_keep_ckpts < len(self.keep_ckpt_ids):
            old = self.filename_tmpl.format(self.keep_ckpt_ids.popleft())
            self._remove(self.file_backend.join_path(self.out_dir, old))

    def _save_best_checkpoint(self, runner: Any, metrics: dict) -> None:
        """Save as MMEngine does, but remove the former best one last."""
        if not self.save_best:
            return
        former = self._best_paths()
        # MMEngine removes the path that it finds here, and only then saves
        self._set_best_paths(dict.fromkeys(former))
        super()._save_best_checkpoint(runner, metrics)
        new = {key: path for key, path in self._best_paths().items() if path}
        self._set_best_paths({**former, **new})
        for key, path in new.items():
            old = former.get(key)
            if old and old != path:
                self._remove(old)
                runner.logger.info(
                    f'The previous best checkpoint {old} is removed'
                )

    def _best_paths(self) -> dict[str, str | None]:
        """Return the best checkpoints' paths by metric, '' for one metric."""
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    def _set_best_paths(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths

    def _remove(self, path: str) -> None:
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):
            # DeepSpeed's checkpoints are folders
            self.file_backend.rmtree(path)
