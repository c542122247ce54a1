"""Attention for training on a CPU: torch's values and gradients, the same compiled or not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from luosi.models.attention import _by_blocks, attend

HEADS, KEYS, SIZE = 6, 2, 16


def inputs(length: int, dtype: torch.dtype) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(2, heads, length, SIZE) for heads in (HEADS, KEYS, KEYS)]
    return [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]


def of_documents(length: int, dtype: torch.dtype) -> Tensor:
    """A causal mask within documents of 130 tokens, and in the second row of 40."""
    documents = torch.stack([torch.arange(length) // size for size in (130, 40)])
    seen = (documents[:, :, None] == documents[:, None]) & torch.ones(length, length, dtype=torch.bool).tril()
    return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, -math.inf)[:, None]


def values(given: list[Tensor], mask: Tensor | None, rounded: bool = True) -> list[Tensor]:
    """What comes out, and the gradients of its sum weighted by fixed noise."""
    y = attend(given[0], given[1], given[2], mask, rounded=rounded)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(1))
    return [y.detach(), *torch.autograd.grad((y * weight).sum(), given)]


@pytest.mark.parametrize("length", [1, 5, 64, 200, 300])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_by_blocks_it_is_torchs_attention(length: int, masked: bool, dtype: torch.dtype, most: float) -> None:
    given = inputs(length, dtype)
    exact = [one.detach().float().requires_grad_() for one in given]
    expected = values(exact, of_documents(length, torch.float32) if masked else None, rounded=False)
    found = values(given, of_documents(length, dtype) if masked else None)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= most * other.norm() + 1e-5


@pytest.mark.parametrize("masked", [True, False])
def test_the_operator_keeps_what_torch_asks_of_one(masked: bool) -> None:
    torch.library.opcheck(_by_blocks, (*inputs(70, torch.float32), of_documents(70, torch.float32) if masked else None))


def test_autocast_around_it_changes_nothing() -> None:
    given, mask = inputs(70, torch.float32), of_documents(70, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = values(given, mask)
    assert all(map(torch.equal, inside, values(given, mask)))
