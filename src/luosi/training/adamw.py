"""AdamW, and what an optimizer is here: parameters in groups, their state, a step.

torch.optim's classes would do, but making one imports the compiler: a second of CPU time and 74 MB, a tenth of what adapting a small
model takes. The update itself is torch's fused one. Knows no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from luosi.training.sharding import own, shared_like


class Optimizer:
    """Groups of parameters with their settings (`params`, `lr` and more), and by parameter the tensors that change from step to step."""

    def __init__(self, groups: Iterable[dict[str, Any]], **defaults: Any) -> None:
        self.param_groups = [{**defaults, **group, "params": list(group["params"])} for group in groups]
        self.state: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        raise NotImplementedError

    def drop_gradients(self) -> None:
        """They are made anew by the next backward pass."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


class AdamW(Optimizer):
    """Loshchilov and Hutter 2019 (arXiv:1711.05101), bit for bit as torch.optim.AdamW(fused=True); a shared parameter's own part.

    Args:
        groups: Dicts of `params` and, where it is not the default, `lr` and `weight_decay`.
        lr: Learning rate.
        betas: Shares of the old means of gradients and of their squares.
        eps: Added to the root of the latter.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(groups, lr=lr, betas=betas, eps=eps, weight_decay=0.0)

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            learned = [parameter for parameter in group["params"] if parameter.grad is not None]
            for parameter in learned:
                self._begin(parameter)
            if not learned:
                continue
            steps = [self.state[parameter]["step"] for parameter in learned]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                [own(parameter) for parameter in learned],
                [own(parameter.grad) for parameter in learned],
                [own(self.state[parameter]["exp_avg"]) for parameter in learned],
                [own(self.state[parameter]["exp_avg_sq"]) for parameter in learned],
                [],
                steps,
                lr=group["lr"],
                beta1=group["betas"][0],
                beta2=group["betas"][1],
                weight_decay=group["weight_decay"],
                eps=group["eps"],
                amsgrad=False,
                maximize=False,
            )

    def _begin(self, parameter: Tensor) -> None:
        state = self.state[parameter]
        if "step" not in state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            for field in ("exp_avg", "exp_avg_sq"):
                state[field] = shared_like(torch.zeros_like(own(parameter)), parameter)
