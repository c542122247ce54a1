"""Rows chosen for what recurs in all the text: the greedy choice against trying all, order, epochs, and what chance would take."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.training.batches import PackedRows
from luosi.training.covering import CoveringRows, covering

sets = st.lists(st.sets(st.integers(0, 30), min_size=1, max_size=12), min_size=2, max_size=8)


def features(items: list[set[int]]) -> list[np.ndarray]:
    return [np.array(sorted(one), dtype=np.uint64) for one in items]


def worth(items: list[set[int]], taken: tuple[int, ...]) -> float:
    covered = set().union(*(items[number] for number in taken))
    return sum((sum(feature in one for one in items) - 1) ** 0.5 for feature in covered)


@settings(deadline=None)
@given(sets, st.integers(1, 7))
def test_the_choice_is_nearly_the_best_and_never_worse_than_greed_may_be(items: list[set[int]], count: int) -> None:
    count = min(count, len(items))
    taken = covering(features(items), count)
    assert len(set(taken.tolist())) == count
    best = max(worth(items, some) for some in itertools.combinations(range(len(items)), count))
    assert worth(items, tuple(taken)) >= (1 - 1 / np.e) * best - 0.05, "Nemhauser, Wolsey and Fisher 1978"
    for position in range(count):
        before, now = tuple(taken[:position]), worth(items, tuple(taken[: position + 1]))
        assert all(now >= worth(items, (*before, other)) - 0.05 for other in range(len(items)) if other not in before)


def text(documents: int = 60) -> PackedRows:
    """Documents of noise, a row each; every third holds one clause, every sixth another besides, every tenth a third alone."""
    random = np.random.default_rng(0)
    clauses = random.integers(2, 1000, (3, 20))
    parts = []
    for number in range(documents):
        part = random.integers(2, 1000, 63)
        for clause, (every, begin) in enumerate(((3, 0), (6, 20), (10, 40))):
            if number % every == (1 if every == 10 else 0):
                part[begin : begin + 20] = clauses[clause]
        parts.append(part)
    offsets = np.arange(documents + 1, dtype=np.int64) * 63
    names = [str(n) for n in range(documents)]
    return PackedRows(np.concatenate(parts), offsets, names, length=64, start=0, end=1, seed=3)


def names(rows: CoveringRows, numbers: range) -> list[int]:
    return [int(rows.row(number).documents[0]) for number in numbers]


def test_what_recurs_comes_first_and_once_and_every_row_once_an_epoch() -> None:
    (first,) = names(CoveringRows(text(), 64, 1, seed=5), range(1))
    assert first % 6 == 0, "two clauses, one of them the most frequent"
    rows = CoveringRows(text(), 64, 2, seed=5)
    two = names(rows, range(2))
    assert sum(n % 6 == 0 for n in two) == 1 and sum(n % 10 == 1 for n in two) == 1, "a second copy adds nothing"
    assert sorted(names(rows, range(60))) == sorted(names(rows, range(60, 120))) == list(range(60))
    assert names(rows, range(60, 120)) != names(rows, range(60))


def test_the_chosen_come_first_in_an_order_by_seed() -> None:
    orders = [names(CoveringRows(text(), 64, 12, seed), range(12)) for seed in (1, 2)]
    assert set(orders[0]) == set(orders[1]) and orders[0] != orders[1]
    again = CoveringRows(text(), 64, 12, 1)
    assert [int(again.row(number).documents[0]) for number in reversed(range(12))] == orders[0][::-1]


@pytest.mark.parametrize("count", [60, 61, 500])
def test_where_all_is_read_nothing_is_chosen(count: int) -> None:
    orders = [names(CoveringRows(text(), 64, count, seed), range(60)) for seed in (1, 2)]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])


def test_rows_shorter_than_a_sequence_of_words() -> None:
    tokens = np.array([2, 3, 4, 5, 6, 7, 8, 9, 6, 7, 10, 11, 12, 13], dtype=np.int64)
    short = PackedRows(tokens, np.arange(0, 15, 2), list("abcdefg"), length=3, start=0, end=1, seed=0)
    for seed in range(5):
        assert CoveringRows(short, 3, 1, seed).row(0).documents[0] in "ce", "6 7 recurs, nothing else does"
