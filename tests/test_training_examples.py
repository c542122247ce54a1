"""Rows of questions with answers: each whole, alone and learned once an epoch; nothing is learned from what is only read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import InputError
from luosi.models.first_weights import initialise
from luosi.models.transformer import Transformer
from luosi.training.batches import IGNORED, batch
from luosi.training.examples import Example, ExampleRows
from luosi.training.loss import cross_entropy_sum
from tests.training_kit import SHAPE

FILLER = 7
LENGTH = 40
EXAMPLES = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 11)), min_size=1, max_size=25)


def examples(sizes: list[tuple[int, int]]) -> list[Example]:
    """One per (prompt tokens, answer tokens); token values are unique in all of them."""
    made, first = [], 10
    for number, (prompt, answer) in enumerate(sizes):
        made.append(Example(f"e{number}", np.arange(first, first + prompt + answer), prompt))
        first += prompt + answer
    return made


@settings(deadline=None)
@given(sizes=EXAMPLES, seed=st.integers(0, 99), epoch=st.integers(0, 2))
def test_each_epoch_learns_every_answer_once_after_its_whole_prompt(
    sizes: list[tuple[int, int]], seed: int, epoch: int
) -> None:
    made = examples(sizes)
    rows = ExampleRows(made, length=LENGTH, filler=FILLER, seed=seed)
    assert sum(e.positions for e in made) <= LENGTH * rows.epoch_rows
    seen = []
    for number in range(epoch * rows.epoch_rows, (epoch + 1) * rows.epoch_rows):
        row = rows.row(number)
        for segment, name in enumerate(row.documents):
            here = np.flatnonzero(row.segments_T == segment)
            example = made[int(name[1:])]
            assert np.array_equal(row.tokens_T[here], example.tokens_N[:-1]) and np.all(np.diff(here) == 1)
            learned = row.targets_T[here]
            assert np.array_equal(learned[example.said - 1 :], example.tokens_N[example.said :])
            assert np.all(learned[: example.said - 1] == IGNORED)
            seen.append(name)
        rest = row.segments_T == len(row.documents)
        assert np.all(row.tokens_T[rest] == FILLER) and np.all(row.targets_T[rest] == IGNORED)
    assert sorted(seen) == sorted(e.id for e in made)


@settings(deadline=None)
@given(sizes=EXAMPLES)
def test_packing_is_within_the_bound_of_best_fit_decreasing(sizes: list[tuple[int, int]]) -> None:
    made = examples(sizes)
    rows = ExampleRows(made, length=LENGTH, filler=FILLER, seed=0)
    least = -(-sum(e.positions for e in made) // LENGTH)  # no packing can do with fewer
    assert rows.epoch_rows <= max(least, round(11 / 9 * least) + 1) + sum(e.positions > LENGTH / 2 for e in made)
    learned = sum(int((rows.row(n).targets_T != IGNORED).sum()) for n in range(rows.epoch_rows))
    assert rows.learned_share == pytest.approx(learned / (rows.epoch_rows * LENGTH))


def test_the_order_of_rows_changes_with_the_epoch_and_the_seed() -> None:
    made = examples([(20, 10)] * 30)
    one, other = (ExampleRows(made, length=LENGTH, filler=FILLER, seed=seed) for seed in (0, 1))
    orders = [[rows.row(e * 30 + n).documents for n in range(30)] for rows in (one, other) for e in (0, 1)]
    assert all(orders[a] != orders[b] for a in range(4) for b in range(a))


def test_no_examples_are_refused() -> None:
    with pytest.raises(InputError, match="no pairs"):
        ExampleRows([], length=LENGTH, filler=FILLER, seed=0)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_ignored_targets_change_neither_loss_nor_gradients(precision: str) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, head = torch.randn(300, 16, generator=generator), torch.randn(50, 16, generator=generator)
    targets = torch.randint(0, 50, (300,), generator=generator)
    kept = torch.arange(300) % 3 == 0
    masked = torch.where(kept, targets, IGNORED)
    results = []
    for rows, wanted in ((hidden, masked), (hidden[kept], targets[kept])):
        own, weight = rows.clone().requires_grad_(), head.clone().requires_grad_()
        loss = cross_entropy_sum(own, weight, wanted, precision)
        loss.backward()
        assert own.grad is not None and weight.grad is not None
        results.append((loss.detach(), own.grad, weight.grad))
    (loss, grad, head_grad), (alone, alone_grad, alone_head_grad) = results
    assert torch.equal(loss, alone) and torch.equal(head_grad, alone_head_grad)
    assert torch.equal(grad[kept], alone_grad) and not grad[~kept].any()


def test_examples_beside_each_other_do_not_see_each_other() -> None:
    made = examples([(12, 5), (9, 6), (3, 3)])
    model = Transformer(SHAPE)
    initialise(model, 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "o_proj" in name or "down_proj" in name:  # start as zeros: no position would see another
                parameter.normal_(generator=torch.Generator().manual_seed(1))
    part = batch(ExampleRows(made, length=LENGTH, filler=FILLER, seed=0), 0, 1)
    together = model.hidden(torch.from_numpy(part.tokens_BT), segments_BT=torch.from_numpy(part.segments_BT))
    for segment, name in enumerate(part.documents):
        here = torch.from_numpy(part.segments_BT[0] == segment)
        alone = model.hidden(torch.from_numpy(made[int(name[1:])].tokens_N[None, :-1]))
        torch.testing.assert_close(together[0, here], alone[0], rtol=1e-4, atol=1e-5)
