"""Muon: momentum made orthogonal, for the matrices inside a transformer's layers.

Matrices of one shape are orthogonalised together, in bf16 (of short sides in fp32), by Polar Express (Amsel et al. 2025,
arXiv:2505.16932); each row of the result is divided by how large that row has been (NorMuon, Li et al. 2025, arXiv:2510.05491), and
decay only pulls where the update pulls the same way (cautious weight decay, Chen et al. 2025, arXiv:2510.12402). After Jordan et al.
2024, https://kellerjordan.github.io/posts/muon/. Of matrices that are shared out among workers each is whole on one of them while it
is made orthogonal, and as many are in work at once as there are workers. Knows no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from luosi.training.adamw import Optimizer
from luosi.training.sharding import by_turns, own, shared_like

COEFFICIENTS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Of Polar Express's five steps, for singular values down to 0.001 of the norm, with its margins of safety."""
ROUNDED_FROM = 64
"""Shorter side from which bf16 is used: below, its rounding weighs most (2 to 3 % of a side of 16 to 32), and the products are a small
part of a step."""
RMS = 0.2
"""Of an update's entries at rate 1: AdamW's usual one (Liu et al. 2025, arXiv:2502.16982), so that rates mean the same."""


class Muon(Optimizer):
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
        super().__init__([{"params": matrices}], lr=lr, weight_decay=weight_decay, momentum=momentum, rows=rows)

    @torch.no_grad()
    def step(self) -> None:
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape.setdefault(tuple(parameter.shape), []).append(parameter)
            for alike in by_shape.values():
                self._update(alike, group)

    def _update(self, matrices: list[Tensor], group: dict[str, Any]) -> None:
        gradients = [own(parameter.grad) for parameter in matrices if parameter.grad is not None]
        means = [self._held(parameter, "momentum_buffer", parameter.shape[1]) for parameter in matrices]
        torch._foreach_lerp_(means, gradients, 1 - group["momentum"])
        ahead = list(torch._foreach_lerp(gradients, means, group["momentum"]))
        squares = [self._held(one, "row_squares", 1) for one in matrices] if group["rows"] else []
        weights = [own(parameter) for parameter in matrices]
        if weights[0] is matrices[0]:
            updates, squares_NR1 = _directions(
                torch.stack(ahead), torch.stack(squares) if squares else None, group["rows"]
            )
        else:
            updates, squares_NR1 = _by_turns(ahead, squares, group["rows"], matrices[0].shape)
        if squares_NR1 is not None:
            torch._foreach_copy_(squares, list(squares_NR1.unbind()))
        updates *= RMS * max(matrices[0].shape) ** 0.5
        if group["weight_decay"]:
            updates += group["weight_decay"] * _decaying(torch.stack(weights), updates)
        torch._foreach_add_(weights, list(updates.unbind()), alpha=-group["lr"])

    def _held(self, parameter: Tensor, field: str, columns: int) -> Tensor:
        """This worker's rows of the state `field`; zeros at first."""
        state = self.state[parameter]
        if field not in state:
            zeros = torch.zeros(len(own(parameter)), columns, device=parameter.device)
            state[field] = shared_like(zeros, parameter)
        return own(state[field])


def _directions(ahead_NRC: Tensor, squares_NR1: Tensor | None, beta: float) -> tuple[Tensor, Tensor | None]:
    """What the matrices are moved along, fp32, and how large its rows have been by now."""
    updates_NRC = orthogonal(ahead_NRC).float()
    if squares_NR1 is None:
        return updates_NRC, None
    return _even_rows(updates_NRC, squares_NR1, beta), squares_NR1


def _by_turns(
    ahead: list[Tensor], squares: list[Tensor], beta: float, shape: Sequence[int]
) -> tuple[Tensor, Tensor | None]:
    """`_directions` of matrices of `shape`, given and returned as this worker's rows of each; row sizes travel as a last column."""
    columns = shape[1]

    def work(wide_RK: Tensor) -> Tensor:
        whole_1RK = wide_RK[None]
        found = _directions(whole_1RK[..., :columns], whole_1RK[..., columns:] if squares else None, beta)
        return torch.cat([one for one in found if one is not None], 2)[0]

    wide = [torch.cat(parts, 1) for parts in zip(ahead, squares, strict=True)] if squares else ahead
    found_NRK = torch.stack(list(by_turns(work, wide, shape[0])))
    return found_NRK[..., :columns].clone(), found_NRK[..., columns:] if squares else None


def orthogonal(matrices_NRC: Tensor) -> Tensor:
    """The orthogonal factors of [N, R, C] matrices, nearly: singular values between about 0.9 and 1.1; bf16, of short sides fp32."""
    short = min(matrices_NRC.shape[1:]) < ROUNDED_FROM
    x = matrices_NRC.float() if short else matrices_NRC.bfloat16()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) * 1.02 + 1e-6)
    for a, b, c in COEFFICIENTS:
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _decaying(weights_NRC: Tensor, updates_NRC: Tensor) -> Tensor:
    """The weights that shrink anyway, the others as zeros."""
    return weights_NRC * (updates_NRC * weights_NRC > 0)


def _even_rows(updates_NRC: Tensor, squares_NR1: Tensor, beta: float) -> Tensor:
    """Each row divided by its mean size so far, the whole brought back to its norm; `squares_NR1` is brought up to date."""
    squares_NR1.lerp_(updates_NRC.square().mean(2, keepdim=True), 1 - beta)
    even = updates_NRC * squares_NR1.clamp_min(1e-10).rsqrt()
    before, after = (one.norm(dim=(1, 2), keepdim=True) for one in (updates_NRC, even))
    scaled: Tensor = even * (before / after.clamp_min(1e-10))
    return scaled
