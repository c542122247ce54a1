"""Packing: every token once, no target in another document, any row without the rows before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts import TokenDataset
from luosi.artifacts.base import write_json
from luosi.errors import DamagedArtifact, InputError
from luosi.training.batches import MixedRows, PackedRows, Row, ShuffledRows, batch, dataset_rows, shuffled

START, END = 1, 2
FROZEN = [0, 7, 2, 5, 4, 6, 3, 1]


def packed(lengths: list[int], length: int, seed: int = 0) -> PackedRows:
    """Documents of these lengths; token values are unique in the whole dataset."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = [f"d{number}" for number in range(len(lengths))]
    return PackedRows(np.arange(offsets[-1]) + 10, offsets, ids, length=length, start=START, end=END, seed=seed)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    length=st.integers(1, 50),
    seed=st.integers(-(2**63), 2**63 - 1),
)
def test_each_epoch_holds_every_token_exactly_once(lengths: list[int], length: int, seed: int) -> None:
    rows = packed(lengths, length, seed)
    epoch = sum(lengths) + len(lengths)
    assert rows.epoch_positions == epoch
    stream = [rows.row(number) for number in range(-(-2 * epoch // length))]
    targets = np.concatenate([row.targets_T for row in stream])
    tokens = np.concatenate([row.tokens_T for row in stream])
    everything = sorted([*range(10, 10 + sum(lengths)), *[END] * len(lengths)])
    for number in (0, 1):
        assert sorted(targets[number * epoch : (number + 1) * epoch].tolist()) == everything
        assert tokens[number * epoch : (number + 1) * epoch].tolist().count(START) == len(lengths)


@settings(deadline=None, max_examples=60)
@given(
    lengths=st.lists(st.integers(0, 40), min_size=1, max_size=12), length=st.integers(1, 50), number=st.integers(0, 99)
)
def test_a_segment_is_a_piece_of_the_document_it_names(lengths: list[int], length: int, number: int) -> None:
    row = packed(lengths, length).row(number)
    starts = np.cumsum([0, *lengths])
    assert set(row.segments_T.tolist()) == set(range(len(row.documents)))
    assert np.all(np.diff(row.segments_T) >= 0)
    for segment, name in enumerate(row.documents):
        document = int(name[1:])
        text = (np.arange(starts[document], starts[document + 1]) + 10).tolist()
        here = row.segments_T == segment
        tokens, targets = row.tokens_T[here].tolist(), row.targets_T[here].tolist()
        whole = [START, *text, END]
        place = whole.index(tokens[0])
        assert tokens == whole[place : place + len(tokens)]
        assert targets == whole[place + 1 : place + 1 + len(tokens)]


def test_a_row_does_not_depend_on_the_rows_asked_for_before() -> None:
    in_order = packed([5, 9, 3, 30], 7)
    expected = [in_order.row(number) for number in range(40)]
    jumping = packed([5, 9, 3, 30], 7)
    for number in shuffled(40, seed=3).tolist():
        for name in ("tokens_T", "targets_T", "segments_T"):
            assert np.array_equal(getattr(jumping.row(number), name), getattr(expected[number], name))
        assert jumping.row(number).documents == expected[number].documents


def test_the_order_is_a_permutation_that_changes_with_seed_and_epoch_and_never_with_time() -> None:
    assert shuffled(8, seed=0).tolist() == FROZEN
    assert sorted(shuffled(1000, seed=5).tolist()) == list(range(1000))
    orders = [shuffled(1000, seed, epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(orders[a] != orders[b] for a in range(4) for b in range(a))


@settings(deadline=None)
@given(share=st.floats(0, 0.99), count=st.integers(1, 300))
def test_replay_takes_its_share_and_both_sides_lose_no_row(share: float, count: int) -> None:
    class Numbers:
        def __init__(self, sign: int) -> None:
            self.sign = sign

        def row(self, number: int) -> Row:
            one = np.array([self.sign * (number + 1)])
            return Row(one, one, one, ())

    mixed = MixedRows(Numbers(1), Numbers(-1), share)
    values = [int(mixed.row(number).tokens_T[0]) for number in range(count)]
    main, other = [v for v in values if v > 0], [-v for v in values if v < 0]
    assert main == list(range(1, len(main) + 1))
    assert other == list(range(1, len(other) + 1))
    assert abs(len(other) - share * count) <= 1


def test_a_batch_is_its_rows_and_names_each_document_once() -> None:
    rows = packed([20, 20], 8)
    two = batch(rows, 2, 2)
    assert np.array_equal(two.tokens_BT, np.stack([rows.row(2).tokens_T, rows.row(3).tokens_T]))
    assert len(two.documents) == len(set(two.documents))


def test_a_dataset_on_disk_gives_the_same_rows(tmp_path: Path) -> None:
    lengths = [3, 0, 12]
    memory = ShuffledRows(packed(lengths, 5), 5, seed=0)
    write_dataset(tmp_path, np.arange(15) + 10, lengths)
    mapped = dataset_rows(TokenDataset(tmp_path), length=5, start=START, end=END, seed=0)
    for number in range(8):
        assert np.array_equal(mapped.row(number).targets_T, memory.row(number).targets_T)


def test_a_dataset_that_does_not_fit_itself_is_refused(tmp_path: Path) -> None:
    write_dataset(tmp_path, np.arange(14), [3, 12])
    with pytest.raises(DamagedArtifact, match="do not fit"):
        dataset_rows(TokenDataset(tmp_path), length=5, start=START, end=END, seed=0)


def test_no_documents_are_refused() -> None:
    with pytest.raises(InputError, match="no documents"):
        packed([], 5)


def write_dataset(folder: Path, tokens: np.ndarray, lengths: list[int]) -> None:
    (folder / "tokens.bin").write_bytes(tokens.astype("<u2").tobytes())
    (folder / "offsets.bin").write_bytes(np.concatenate([[0], np.cumsum(lengths)]).astype("<u8").tobytes())
    (folder / "ids.json").write_bytes(orjson.dumps([f"d{number}" for number in range(len(lengths))]))
    write_json(folder / "index.json", {"dtype": "uint16"})


def test_shuffled_rows_are_the_same_rows_each_once_and_apart() -> None:
    plain = packed([40, 3, 200, 5, 17, 90], 16)
    mixed = ShuffledRows(plain, 16, seed=1)
    count = plain.epoch_positions // 16
    for block in range(3):
        numbers = range(block * count, (block + 1) * count)
        assert sorted(mixed.row(n).tokens_T.tobytes() for n in numbers) == sorted(
            plain.row(n).tokens_T.tobytes() for n in numbers
        )
    assert [mixed.row(n).documents for n in range(count)] != [plain.row(n).documents for n in range(count)]
