"""Muon: momentum made orthogonal, for the matrices inside a transformer's layers.

Matrices of one shape are orthogonalised together, in bf16, by Polar Express (Amsel et al. 2025, arXiv:2505.16932); each row of
the result is divided by how large that row has been (NorMuon, Li et al. 2025, arXiv:2510.05491), and decay only pulls where the
update pulls the same way (cautious weight decay, Chen et al. 2025, arXiv:2510.12402). After Jordan et al. 2024,
https://kellerjordan.github.io/posts/muon/. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

COEFFICIENTS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Of Polar Express's five steps, for singular values down to 0.001 of the norm, with its margins of safety."""
RMS = 0.2
"""Of an update's entries at rate 1: AdamW's usual one (Liu et al. 2025, arXiv:2502.16982), so that rates mean the same."""


class Muon(torch.optim.Optimizer):
    """One learning rate for all matrices, in AdamW's scale.

    Args:
        matrices: 2-D parameters.
        lr: Learning rate.
        weight_decay: Of a matrix, per step and unit of learning rate, where update and weight have the same sign.
        momentum: Share of the old mean of gradients; Nesterov's look ahead is on.
        rows: Share of the old mean of each row's squares; 0 leaves rows as they are.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        *,
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        rows: float = 0.95,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "rows": rows})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
            for alike in by_shape.values():
                self._update(alike, group)

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [parameter.grad for parameter in matrices if parameter.grad is not None]
        means = [self._held(parameter, "momentum_buffer", parameter.shape) for parameter in matrices]
        torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = torch._foreach_lerp(gradients, means, group["momentum"])
        updates = orthogonal(torch.stack(ahead)).float()
        if group["rows"]:
            squares = torch.stack([self._held(one, "row_squares", (one.shape[0], 1)) for one in matrices])
            updates = _even_rows(updates, squares, group["rows"])
            for parameter, row in zip(matrices, squares, strict=True):
                self.state[parameter]["row_squares"].copy_(row)
        updates *= RMS * max(matrices[0].shape) ** 0.5
        weights = torch.stack(matrices)  # type: ignore[arg-type]
        updates += group["weight_decay"] * weights * (updates * weights > 0)
        torch._foreach_add_(matrices, list(updates.unbind()), alpha=-group["lr"])

    def _held(self, parameter: Tensor, field: str, shape: Iterable[int]) -> Tensor:
        state = self.state[parameter]
        if field not in state:
            state[field] = torch.zeros(tuple(shape), device=parameter.device)
        held: Tensor = state[field]
        return held


def orthogonal(matrices_NRC: Tensor) -> Tensor:
    """The orthogonal factors of [N, R, C] matrices, nearly: singular values between about 0.9 and 1.1; bf16."""
    x = matrices_NRC.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in COEFFICIENTS:
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def orthogonal_flop(rows: int, columns: int) -> int:
    """FLOP of `orthogonal` for one matrix: per step a square, its square and a product."""
    short, long = sorted((rows, columns))
    return len(COEFFICIENTS) * (4 * short * short * long + 2 * short**3)


def _even_rows(updates_NRC: Tensor, squares_NR1: Tensor, beta: float) -> Tensor:
    """Each row divided by its mean size so far, the whole brought back to its norm; `squares_NR1` is brought up to date."""
    squares_NR1.lerp_(updates_NRC.square().mean(2, keepdim=True), 1 - beta)
    even = updates_NRC * squares_NR1.clamp_min(1e-10).rsqrt()
    before, after = (one.norm(dim=(1, 2), keepdim=True) for one in (updates_NRC, even))
    scaled: Tensor = even * (before / after.clamp_min(1e-10))
    return scaled
