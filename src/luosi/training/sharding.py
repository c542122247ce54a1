"""Weights, gradients and optimizer states shared out among workers (FSDP2), where one device cannot hold them.

Each worker keeps some rows of every tensor; a layer is whole only while it computes, and its gradients go to the workers that
keep its rows, summed. Whatever is saved or shipped is whole again, so that how many workers there were, and whether they shared,
leaves no trace in it. For tensors that are not shared out every function here does the obvious. Knows no data and no loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from luosi.models.transformer import Transformer
from luosi.training import workers


def share_out(model: Transformer) -> None:
    """Share `model` out among the workers, layer by layer, and put it on their devices; one worker alone keeps it as it is.

    Parameters keep their names and are other objects from then on: make optimizers afterwards. The model then is for training by
    `hidden`, with a backward pass after it; `gather` makes it a plain one again.
    """
    count = workers.here().count
    if count == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh  # costs most of a second, so only where it is used
    from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

    mesh = init_device_mesh("cuda" if torch.cuda.is_available() else "cpu", (count,))
    for module in (*model.model.layers, model):
        fully_shard(module, mesh=mesh)
        assert isinstance(module, FSDPModule)
        module.set_gradient_divide_factor(1.0)  # each worker's loss is its share of the batch's: gradients are summed
        module.set_force_sum_reduction_for_comms(True)
    register_fsdp_forward_method(model, "hidden")


def is_shared_out(model: nn.Module) -> bool:
    """Whether workers hold parts of `model` only."""
    return any(_is_shared(parameter) for parameter in model.parameters())


def compiled(model: Transformer, say: Callable[[str], None]) -> Callable[..., Tensor]:
    """The model's `hidden`, compiled, but not if it is shared out: that has not been tried with the exchanges in between."""
    if is_shared_out(model):
        say("warning: a model that is shared out among workers trains uncompiled; it only takes longer")
        return model.hidden
    return torch.compile(model.hidden, dynamic=False)


def gather(model: Transformer) -> None:
    """Make `model` whole again, on the CPU and as plain as it was, if it is shared out; all workers must come to this."""
    if not is_shared_out(model):
        return
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            weight = whole(parameter.detach()).cpu()
            setattr(module, name, nn.Parameter(weight, requires_grad=parameter.requires_grad))
    for module in (*model.model.layers, model):
        for hooks in ("_forward_pre_hooks", "_forward_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks"):
            getattr(module, hooks).clear()
        module.__class__ = type(module).__mro__[2]  # after FSDPLayer and FSDPModule
    del model.hidden
    model.cpu()


def own(tensor: Tensor) -> Tensor:
    """The rows of `tensor` that this worker holds, in the same memory."""
    return tensor.to_local() if _is_shared(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """All of `tensor`; if it is shared out, all workers must ask at once."""
    return tensor.full_tensor() if _is_shared(tensor) else tensor  # type: ignore[attr-defined]


def own_rows(tensor: Tensor, like: Tensor) -> Tensor:
    """Of a whole `tensor` the rows that this worker holds of `like`, in the same memory; all of a number."""
    if not _is_shared(like) or not tensor.ndim:
        return tensor
    team = workers.here()
    rows = _rows(len(tensor), team.count)
    return tensor[sum(rows[: team.rank]) :][: rows[team.rank]]


def shared_like(rows: Tensor, like: Tensor) -> Tensor:
    """This worker's `rows` as its part of a tensor that is shared out as `like` is."""
    if not _is_shared(like) or not rows.ndim:
        return rows
    from torch.distributed.tensor import DTensor

    parts: Any = like
    shape = torch.Size((like.shape[0], *rows.shape[1:]))
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(rows, parts.device_mesh, parts.placements, run_check=False, shape=shape, stride=stride)


def clip(parameters: Iterable[Tensor], most: float) -> float:
    """Scale the gradients down to the norm `most` if they exceed it; the norm they had, of all their parts."""
    parameters = list(parameters)
    norm = whole(nn.utils.get_total_norm([one.grad for one in parameters if one.grad is not None]))
    nn.utils.clip_grads_with_norm_(parameters, most, norm)
    return float(norm)


def by_turns(work: Callable[[Tensor], Tensor], matrices: list[Tensor], rows: int) -> Iterator[Tensor]:
    """`work` on matrices of `rows` rows of which each worker holds some: each is sent whole to one worker, and the result's rows back.

    Args:
        work: [rows, columns] -> the same shape.
        matrices: This worker's rows of each, all of one shape.
        rows: Of a whole matrix.
    """
    team = workers.here()
    held = _rows(rows, team.count)
    mine, columns = held[team.rank], matrices[0].shape[1]
    for first in range(0, len(matrices), team.count):
        turn = matrices[first : first + team.count]
        sent = [mine if owner < len(turn) else 0 for owner in range(team.count)]
        received = held if team.rank < len(turn) else [0] * team.count
        one = matrices[0].new_empty(sum(received), columns)
        dist.all_to_all_single(one, torch.cat(turn), received, sent)
        back = matrices[0].new_empty(sum(sent), columns)
        dist.all_to_all_single(back, work(one).contiguous() if len(one) else one, sent, received)
        yield from torch.split(back, [mine] * len(turn))


def _rows(rows: int, count: int) -> list[int]:
    """How many of `rows` rows each of `count` workers holds: equally many, fewer or none at the end."""
    most = -(-rows // count)
    return [max(0, min(most, rows - rank * most)) for rank in range(count)]


def _is_shared(tensor: Tensor) -> bool:
    """Whether it is a DTensor; without importing what that is."""
    return hasattr(tensor, "to_local")
