"""Optimizers as one object with a flat, pickle-free state: Muon for the matrices of the layers, AdamW for everything else.

Built from a model's named parameters. Knows neither the loop nor files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from luosi.training.adamw import AdamW, Optimizer
from luosi.training.muon import Muon
from luosi.training.sharding import own_rows, shared_like

FROM_SCRATCH = (0.9, 0.99)
"""AdamW's betas from scratch: steps of a few thousand tokens, most of whose words are rare, want a longer memory of squares than 0.95
(Marek et al. 2025, arXiv:2507.07101). In adapting it makes no difference."""


class Optimizers:
    """Several optimizers that step together; each group's learning rate is its peak times one multiplier.

    Args:
        parts: The optimizers; their current learning rates are the peaks.
        names: Of every parameter in them: what its state is called in a checkpoint.
    """

    def __init__(self, parts: Sequence[Optimizer], names: dict[Tensor, str]) -> None:
        self._parts, self._names = parts, names
        self._groups = [(group, float(group["lr"])) for part in parts for group in part.param_groups]

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Everything that is trained, by name."""
        return {name: parameter for parameter, name in self._names.items()}

    def identity(self) -> dict[str, object]:
        """What a resumed run must have in common with its first start: what is trained, in groups, and how fast it learns."""
        found: dict[str, object] = {}
        for number, (group, peak) in enumerate(self._groups, 1):
            shapes = [tuple(parameter.shape) for parameter in group["params"]]
            told = {"parameters": f"{len(shapes)} tensors of {sum(map(math.prod, shapes)):,} numbers", "rate": peak}
            told |= {name: value for name, value in group.items() if isinstance(value, float) and name != "lr"}
            found |= {f"optimizer group {number}: {name}": value for name, value in told.items()}
        return found

    def step(self, multiplier: float) -> None:
        """One update at `multiplier` of the peak learning rates; gradients are dropped."""
        for group, peak in self._groups:
            group["lr"] = peak * multiplier
        for part in self._parts:
            part.step()
            part.drop_gradients()

    def state(self) -> dict[str, Tensor]:
        """Momenta and counters as `field/parameter`; nothing else changes from step to step."""
        return {
            f"{field}/{self._names[parameter]}": value
            for part in self._parts
            for parameter, fields in part.state.items()
            for field, value in fields.items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back copies of what `state` gave, which may be mapped from a file that is dropped later, and nothing else: before the first
        step there is none."""
        for part in self._parts:
            part.state.clear()
        parameters = self.parameters
        owners = {p: part for part in self._parts for group in part.param_groups for p in group["params"]}
        for key, value in state.items():
            field, name = key.split("/", 1)
            parameter = parameters[name]
            rows = own_rows(value, parameter)
            owners[parameter].state[parameter][field] = shared_like(rows.to(parameter.device, copy=True), parameter)


def muon_and_adamw(model: nn.Module, *, matrix_lr: float, vector_lr: float, weight_decay: float) -> Optimizers:
    """For training from scratch: Muon for the 2-D parameters of the layers, AdamW for embeddings, head and vectors.

    `matrix_lr` is in AdamW's scale: the update's RMS is matched to AdamW's (Liu et al. 2025, arXiv:2502.16982). Only matrices
    decay, by `matrix_lr` x `weight_decay` each step.
    """
    names = _trained(model)
    matrices = [p for p, name in names.items() if p.ndim == 2 and ".layers." in name]
    chosen = set(matrices)
    others = [p for p in names if p not in chosen]
    muon = Muon(matrices, lr=matrix_lr, weight_decay=weight_decay)
    return Optimizers([muon, AdamW([{"params": others}], lr=vector_lr, betas=FROM_SCRATCH)], names)


def adamw(model: nn.Module, *, learning_rate: float, weight_decay: float) -> Optimizers:
    """For adapting a model: AdamW for all that is trainable; only matrices decay."""
    names = _trained(model)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in names if p.ndim == 2], "weight_decay": weight_decay},
        {"params": [p for p in names if p.ndim != 2]},
    ]
    return Optimizers([AdamW(groups, lr=learning_rate)], names)


def _trained(model: nn.Module) -> dict[Tensor, str]:
    return {parameter: name for name, parameter in model.named_parameters() if parameter.requires_grad}
