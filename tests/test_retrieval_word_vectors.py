"""Vectors of words learned from the passages themselves."""

from __future__ import annotations

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from luosi.models.word_vectors import Passages, Table, learn  # noqa: E402
from luosi.retrieval.packages import learning  # noqa: E402

TOPICS, WIDTH = 20, 16


def passages(count: int, seed: int = 0) -> Passages:
    """Of two parts: words of a topic under one name, and words of the same topic under another (rows beyond TOPICS)."""
    dice = random.Random(seed)
    topics = [dice.randrange(TOPICS) for _ in range(count)]
    rows = np.array([row for topic in topics for row in (topic, TOPICS + topic)], np.int32)
    return Passages(rows, np.arange(2 * count + 1), 2 * np.arange(count + 1))


def begun() -> Table:
    return np.random.default_rng(0).normal(size=(2 * TOPICS, WIDTH)).astype(np.float32)


def learned(steps: int = 40, seed: int = 0) -> Table:
    return learn(begun(), passages(400), steps=steps, batch=64, seed=seed, progress=lambda done, to_do: None)


def rank_of_other_name(table: Table) -> float:
    """Mean place at which the other name of a topic is found by the first."""
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    likeness = unit[:TOPICS] @ unit[TOPICS:].T
    return float((likeness > np.diag(likeness)[:, None]).sum(axis=1).mean())


def test_words_of_the_same_passages_come_together() -> None:
    assert rank_of_other_name(begun()) > 5
    assert rank_of_other_name(learned()) < 0.5


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    assert learned().tobytes() == learned().tobytes()
    assert learned().tobytes() != learned(seed=1).tobytes()


def test_a_part_and_the_rest_make_up_the_passage() -> None:
    whole = Passages(np.arange(9, dtype=np.int32), np.array([0, 2, 5, 9]), np.array([0, 3]))
    dice = random.Random(0)
    seen = set()
    for _ in range(50):
        part, rest = whole.split(0, dice)
        assert sorted([*part, *rest]) == list(range(9))
        seen.add(tuple(part))
    assert seen == {(0, 1), (2, 3, 4), (5, 6, 7, 8)}


def test_learning_is_bounded_however_many_passages_there_are() -> None:
    seen = {passages: learning(passages) for passages in (0, 99, 100, 2_000, 10**5, 10**9)}
    assert seen[0][0] == seen[99][0] == 0
    assert 0 < seen[100][0] <= seen[2_000][0] < seen[10**5][0] == seen[10**9][0]
    assert all(batch <= passages for passages, (_, batch) in seen.items())
