"""Two processes on half batches do what one does on the whole batch."""

import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import MODEL_WRAPPERS, init_default_scope
from mmpose.registry import DATASETS, MODELS
from tiny_run import (
    NUM_IMAGES,
    be_one_of_two,
    free_port,
    in_two_processes,
    on_cpu,
    write_config,
    write_data,
)

from dark_codec import apply_codec
from dark_codec.openmmlab.compat import prepare_distributed

pytestmark = on_cpu


def build(config):
    """The network and the dataset of a config, as a runner makes them."""
    cfg = apply_codec(Config.fromfile(config))
    init_default_scope('mmpose')
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    # Statistics of a half batch are no average: batch norm stays fixed.
    model.eval()
    return cfg, model, DATASETS.build(cfg.train_dataloader.dataset)


def gradients(forward, model, samples):
    """Gradients of the head's loss on a batch, by parameter name."""
    batch = pseudo_collate(samples)
    data = model.data_preprocessor(batch, training=True)
    loss, _ = model.parse_losses(forward(**data, mode='loss'))
    loss.backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }


def half_batch(rank, config, port, folder):
    """One of the two processes."""
    be_one_of_two(rank, port)
    cfg, model, dataset = build(config)
    cfg.launcher = 'pytorch'
    prepare_distributed(cfg)
    # The same defaults that MMEngine's runner gives.
    wrapped = MODEL_WRAPPERS.build(
        cfg.model_wrapper_cfg,
        default_args=dict(module=model, device_ids=[rank]),
    )
    samples = [dataset[i] for i in range(rank, NUM_IMAGES, 2)]
    averaged = gradients(wrapped, model, samples)
    torch.save(averaged, f'{folder}/averaged_{rank}.pth')
    torch.distributed.destroy_process_group()


def test_gradients_of_two_halves_average_to_those_of_the_whole(tmp_path):
    data_root = write_data(tmp_path / 'data')
    config = str(write_config(tmp_path / 'tiny.py', data_root))
    in_two_processes(half_batch, config, free_port(), str(tmp_path))
    halves = [torch.load(tmp_path / f'averaged_{r}.pth') for r in range(2)]

    _, model, dataset = build(config)
    everything = [dataset[i] for i in range(NUM_IMAGES)]
    whole = gradients(model, model, everything)
    model.zero_grad()
    single_half = gradients(model, model, everything[::2])

    assert whole.keys() == halves[0].keys() == halves[1].keys()
    worst_of_half = 0.0
    for name, expected in whole.items():
        scale = expected.abs().max()
        assert scale > 0, name
        assert torch.equal(halves[0][name], halves[1][name]), name
        error = (halves[0][name] - expected).abs().max() / scale
        assert error < 1e-5, f'{name}: {error}'
        difference = (single_half[name] - expected).abs().max() / scale
        worst_of_half = max(worst_of_half, difference.item())
    # What the test would see if the processes did not average.
    assert worst_of_half > 0.1
