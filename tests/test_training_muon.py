"""Muon: what it makes orthogonal, how it decays, and that batching shapes changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.training.estimates import orthogonal_flop
from luosi.training.muon import RMS, ROUNDED_FROM, Muon, orthogonal

sides = st.integers(4, 160)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None)
@given(sides, sides, st.integers(0, 5))
def test_large_singular_values_become_one_and_directions_stay(rows: int, columns: int, seed: int) -> None:
    matrix = drawn(rows, columns, seed=seed)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = left.mT @ orthogonal(matrix[None])[0].float() @ right.mT
    large = values > 0.05 * values[0]
    along = found.diagonal()[large]
    assert ((along > 0.75) & (along < 1.3)).all()
    aside = (found - torch.diag(found.diagonal())).abs().max()
    assert aside < (0.1 if min(rows, columns) >= ROUNDED_FROM else 1e-3)


def test_a_matrix_of_zeros_stays() -> None:
    assert torch.equal(orthogonal(torch.zeros(1, 8, 4)), torch.zeros(1, 8, 4))


def steps(parameters: list[torch.nn.Parameter], count: int, **settings: float) -> None:
    optimizer = Muon(parameters, lr=0.01, **settings)
    for step in range(count):
        for number, parameter in enumerate(parameters):
            parameter.grad = drawn(*parameter.shape, seed=100 * step + number)
        optimizer.step()


def test_matrices_of_one_shape_are_updated_together_as_they_would_be_alone() -> None:
    together = [torch.nn.Parameter(drawn(12, 8, seed=n)) for n in range(3)]
    alone = torch.nn.Parameter(drawn(12, 8))
    steps(together, 3)
    steps([alone], 3)
    torch.testing.assert_close(together[0], alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(32, 32), (96, 32), (32, 96)])
@pytest.mark.parametrize("rows", [0.0, 0.95])
def test_an_updates_entries_are_as_large_as_adamws(shape: tuple[int, int], rows: float) -> None:
    parameter = torch.nn.Parameter(torch.zeros(shape))
    steps([parameter], 1, rows=rows, weight_decay=0.0)
    assert parameter.square().mean().sqrt().item() == pytest.approx(0.01 * RMS, rel=0.1)


def test_rows_that_were_large_are_brought_down_to_the_others() -> None:
    even, plain = (torch.nn.Parameter(torch.zeros(16, 16)) for _ in range(2))
    for parameter, rows in ((even, 0.5), (plain, 0.0)):
        optimizer = Muon([parameter], lr=1.0, momentum=0.0, rows=rows)
        for seed in range(4):
            left, _, right = torch.linalg.svd(drawn(16, 16, seed=seed))
            parameter.grad = left @ torch.diag(torch.tensor([1.0] * 4 + [0.0] * 12)) @ right
            with torch.no_grad():
                parameter.zero_()
            optimizer.step()
    spread = [parameter.norm(dim=1).std().item() for parameter in (even, plain)]
    assert spread[0] < 0.8 * spread[1]


def test_decay_only_pulls_where_the_update_does() -> None:
    start = drawn(8, 8)
    decayed, plain = (torch.nn.Parameter(start.clone()) for _ in range(2))
    steps([decayed], 1, weight_decay=0.5)
    steps([plain], 1, weight_decay=0.0)
    towards_zero = (start - plain) * start > 0
    assert torch.equal(decayed[~towards_zero], plain[~towards_zero])
    torch.testing.assert_close(decayed[towards_zero], (plain - 0.005 * start)[towards_zero])


def test_flop_are_counted_as_torch_counts_them() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        orthogonal(drawn(2, 24, 8))
    assert counter.get_total_flops() == 2 * orthogonal_flop(24, 8)
