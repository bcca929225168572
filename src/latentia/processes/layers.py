"""Layers too large for every process to hold: each keeps a part of their weights, and of what learning keeps beside them.

The work is torch's `fully_shard`: a layer's weights come together for its own pass, forwards and backwards, and fall apart
again; gradients are added up over the processes, each getting those of its part.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from .group import Processes

LAYERS = (
    nn.Linear,
    nn.Embedding,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def layers_from(modules: Sequence[nn.Module], n_weights: int) -> list[nn.Module]:
    """Layers of at least so many weights, all of which are learnt; subclasses may read theirs elsewhere and stay whole.

    >>> layers_from([nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))], 40)
    [Linear(in_features=4, out_features=8, bias=True)]
    """
    parts = dict.fromkeys(part for module in modules for part in module.modules() if type(part) in LAYERS)
    return [part for part in parts if _size(part) >= n_weights and all(p.requires_grad for p in part.parameters())]


def largest_layer(modules: Sequence[nn.Module]) -> int:
    """Weights of the largest layer that could be dealt out."""
    return max((_size(layer) for layer in layers_from(modules, 1)), default=0)


@contextmanager
def sharded(layers: Sequence[nn.Module], processes: Processes) -> Iterator[None]:
    """Inside, each process has its part of the layers; to be entered by all, with the same weights, and never undone."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(next(layers[0].parameters()).device.type, (processes.size,))
    for layer in layers:
        part: Any = fully_shard(layer, mesh=mesh, reshard_after_forward=True)
        part.set_force_sum_reduction_for_comms(True)
        part.set_gradient_divide_factor(1.0)
    try:
        yield
    finally:  # torch's caches keep the mesh, and with it the group, whose threads then abort some processes on their way out
        getattr(mesh, "_pg_registry", {}).clear()


def is_sharded(tensor: Tensor) -> bool:
    """Whether this process holds a part of the tensor only."""
    return hasattr(tensor, "full_tensor")


def local(tensor: Tensor) -> Tensor:
    """This process's part."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """All of the tensor; to be called by all processes where it is sharded."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def gathered(tensors: Mapping[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Whole tensors where `keep`; the other processes only take part. They come one by one, in the order of their names."""
    if not any(map(is_sharded, tensors.values())):
        return dict(tensors)
    found = ((name, whole(tensors[name]).detach().cpu()) for name in sorted(tensors))
    return {name: value for name, value in found if keep}


def sharded_like(tensor: Tensor, example: Tensor) -> Tensor:
    """The tensor, or this process's part of it where `example` is sharded and the tensor is not."""
    if not is_sharded(example) or is_sharded(tensor):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    where: Any = example
    value = tensor.to(device=where.device, dtype=where.dtype)
    return distribute_tensor(value, where.device_mesh, where.placements, src_data_rank=None)


def by_holding(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """The tensors in runs of whole and of sharded ones, in order: torch's fused functions do not take both together.

    >>> len(by_holding([torch.zeros(1), torch.zeros(2)]))
    1
    """
    runs: list[list[Tensor]] = []
    for tensor in tensors:
        if not runs or is_sharded(runs[-1][0]) != is_sharded(tensor):
            runs.append([])
        runs[-1].append(tensor)
    return runs


def _size(layer: nn.Module) -> int:
    return sum(p.numel() for p in layer.parameters())
