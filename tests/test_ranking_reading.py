"""Files and frames of votes: layouts, both ways of reading a CSV, and rows that cannot be votes."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from luosi.errors import InputError
from luosi.ranking import Votes, as_votes, rank, read_votes, write_votes
from tests.test_ranking_fit import arena, ratings

SLOW = "no pyarrow"


@pytest.fixture(params=["pyarrow", SLOW])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading with pyarrow, and as where it is not installed."""
    if request.param == SLOW:
        without_pyarrow(monkeypatch)


def without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refusing)


def told(votes: Votes) -> list[tuple[Any, ...]]:
    """The votes in words."""
    columns: list[list[Any]] = [
        [votes.models[c] for c in votes.left],
        [votes.models[c] for c in votes.right],
        votes.outcome.tolist(),
    ]
    for name in ("voter", "prompt", "source"):
        codes, names = getattr(votes, name), getattr(votes, f"{name}s")
        columns.append([None] * len(votes) if codes is None else [names[c] for c in codes])
    for name in ("time", "weight", "propensity"):
        values = getattr(votes, name)
        columns.append([None] * len(votes) if values is None else [str(v) for v in values])
    return list(zip(*columns, strict=True))


def file(folder: Path, text: str | bytes, name: str = "votes.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "model_a,model_b,winner\nx,y,model_a\ny,x,both_bad\nx,y,tie\n",
            [("x", "y", 0), ("y", "x", 3), ("x", "y", 2)],
        ),
        (
            "question_id,model_a,model_b,winner,judge,turn,anony,language,tstamp\n"
            "q1,x,y,model_b,arena_user_1,1,True,English,1682351591.1\n"
            "q2,y,x,tie (bothbad),arena_user_2,1,True,English,1682351000.5\n"
            "q3,y,x,model_a,arena_user_2,1,False,English,1682351001.5\n",
            [("x", "y", 1, "arena_user_1", "q1", None, "1682351591.1"), ("y", "x", 3, "arena_user_2", "q2", None, "1682351000.5")],
        ),
        (
            "id,prompt,model_x,model_y,worker,winner,left,right\n0,8,97,98,58,tie,Weaver 12k,Airo\n0,8,97,98,83,left,Airo,Weaver 12k\n",
            [("Weaver 12k", "Airo", 2, "58", "8"), ("Airo", "Weaver 12k", 0, "83", "8")],
        ),
        ("Left\tRight\tWinner\ny\tx\tx\nx\ty\tRIGHT\n", [("y", "x", 1), ("x", "y", 1)]),
        ('left,right,winner,prompt\n"a, b","c ""d""",left,"two\nlines"\n', [("a, b", 'c "d"', 0, None, "two\nlines")]),
        ("\ufeffleft,right,winner\na,b,left\n\n b , a,right\n", [("a", "b", 0), ("b", "a", 1)]),
    ],
)  # fmt: skip
def test_layouts_are_recognised(tmp_path: Path, reader: None, text: str, expected: list[tuple[Any, ...]]) -> None:
    found = told(read_votes(file(tmp_path, text)))
    assert [line[: len(wanted)] for line, wanted in zip(found, expected, strict=True)] == expected


def test_votes_of_known_models_are_refused_and_told(tmp_path: Path, reader: None) -> None:
    text = "model_a,model_b,winner,anony\nx,y,model_a,False\nx,y,model_b,true\n"
    votes = read_votes(file(tmp_path, text))
    assert len(votes) == 1 and votes.refused == {"the voter knew the models": 1}


BAD = """left,right,winner,voter,weight,time
a,b,left,v,1,2026-01-01T00:00:00Z
a,a,left,v,1,1
a,b,both,v,1,1
,b,left,v,1,1
a,b,left,v,-1,1
a,b,left,v,nan,1
a,b,c,v,1,1
a,b,left,v
a,b,left,v,1,1,1,1
b,a,tie,,2,yesterday
b,a,tie,,2,1767225601
"""


def test_votes_that_cannot_be_used_are_counted(tmp_path: Path, reader: None) -> None:
    votes = read_votes(file(tmp_path, BAD))
    assert votes.refused == {
        "a row has too many or too few cells": 2,
        "a model against itself": 1,
        "the winner is neither": 2,
        "a model has no name": 1,
        "the weight is not a number above 0": 2,
    }
    assert told(votes) == [
        ("a", "b", 0, "v", None, None, "1767225600.0", "1.0", None),
        ("b", "a", 2, "unnamed 1", None, None, "nan", "2.0", None),
        ("b", "a", 2, "unnamed 2", None, None, "1767225601.0", "2.0", None),
    ]
    assert rank(votes).as_dict()["refused"] == votes.refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("left,right,winner\n", "holds no vote"),
        ("left,right\na,b\n", "no column is known for winner"),
        ("a;b;c\n1;2;3\n", "no column is known for left"),
        ("left,right,winner\na,a,left\n", "not one vote can be used"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe", "no column is known for left"),
    ],
)
def test_files_without_votes_are_refused(tmp_path: Path, reader: None, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_votes(file(tmp_path, text))
    with pytest.raises(InputError, match="there is no file"):
        read_votes(tmp_path)


def test_columns_can_be_named(tmp_path: Path, reader: None) -> None:
    path = file(tmp_path, "one,two,better,who\na,b,one,v\nb,a,A,v\n")
    with pytest.raises(InputError, match="no column is known for left"):
        read_votes(path)
    columns = {"left": "one", "right": "two", "winner": "better", "voter": "who"}
    votes = read_votes(path, columns)
    assert told(votes)[0][:4] == ("b", "a", 0, "v") and votes.refused == {"the winner is neither": 1}
    with pytest.raises(InputError, match="no column 'tow'"):
        read_votes(path, {**columns, "right": "tow"})


def test_models_that_are_called_like_words(tmp_path: Path, reader: None) -> None:
    names = read_votes(file(tmp_path, "left,right,winner\na,b,a\nb,a,a\nb,c,tie\nc,b,b\n"))
    assert [line[:3] for line in told(names)] == [("a", "b", 0), ("b", "a", 1), ("b", "c", 2), ("c", "b", 1)]
    words = "model_b,model_c,model_a\nmodel_c,model_b,model_b\nmodel_c,model_a,model_a\nmodel_a,model_c,model_a\n" * 3
    votes = read_votes(file(tmp_path, "model_a,model_b,winner\n" + words))
    assert [line[2] for line in told(votes)] == [0, 1, 0, 0] * 3


def test_broken_bytes_long_cells_and_hostile_names_are_text(tmp_path: Path, reader: None) -> None:
    hostile = "<script>alert(1)</script>"
    long = "x" * 200_000
    raw = f'left,right,winner,prompt\n{hostile},=cmd(),left,{long}\n"[bold]b[/]",{hostile},right,short\n'.encode()
    votes = read_votes(file(tmp_path, raw + b"caf\xe9,a\x00b,left,p\n"))
    assert set(votes.models) == {hostile, "=cmd()", "[bold]b[/]", "caf\ufffd", "ab"} or "a\x00b" in votes.models
    assert len(votes) == 3 and long in votes.prompts


cell = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abc"), cell, st.sampled_from(["left", "tie", "a", "?", ""]), cell),
        min_size=1,
        max_size=12,
    )
)
def test_both_readers_read_the_same(tmp_path: Path, rows: list[tuple[str, str, str, str]]) -> None:
    import csv

    path = tmp_path / "votes.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("left", "right", "winner", "voter"), *rows])

    def read() -> Any:
        try:
            votes = read_votes(path)
        except InputError as error:
            return str(error)
        return told(votes), dict(votes.refused)

    with pytest.MonkeyPatch.context() as patch:
        fast = read()
        without_pyarrow(patch)
        assert read() == fast


def test_jsonl_json_and_parquet(tmp_path: Path) -> None:
    records = [
        {
            "model_a": "x",
            "model_b": "y",
            "winner": "model_a",
            "judge": "v1",
            "prompt": [{"role": "user", "content": "hi"}],
        },
        {"model_a": "y", "model_b": "x", "winner": "both_bad", "judge": None, "prompt": "p"},
    ]
    lines = "\n".join([*(json.dumps(r) for r in records), "{broken", "[1]", ""])
    votes = read_votes(file(tmp_path, lines, "v.jsonl"))
    assert votes.refused == {"a line is not a JSON object": 2}
    assert [line[:4] for line in told(votes)] == [("x", "y", 0, "v1"), ("y", "x", 3, "unnamed 1")]
    assert votes.prompts[0] == '[{"role":"user","content":"hi"}]'
    assert told(read_votes(file(tmp_path, json.dumps(records), "v.json"))) == told(votes)
    parquet.write_table(
        pa.table({"left": ["x", None, "y"], "right": ["y", "x", "x"], "winner": ["left", "left", "tie"]}),
        tmp_path / "v.parquet",
    )
    votes = read_votes(tmp_path / "v.parquet")
    assert [line[:3] for line in told(votes)] == [("x", "y", 0), ("y", "x", 2)] and votes.refused == {
        "a model has no name": 1
    }
    with pytest.raises(InputError, match="is no Parquet file"):
        read_votes(file(tmp_path, "no", "w.parquet"))
    with pytest.raises(InputError, match="holds no vote"):
        read_votes(file(tmp_path, "{", "w.jsonl"))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    votes = arena(5, 200, ties=0.3, voters=9, prompts=4)
    full = Votes(
        ("a,b", 'c"', "=d", "e\nf", "中文"), votes.left, votes.right, votes.outcome, voter=votes.voter, prompt=votes.prompt,
        time=np.arange(200) + 0.1, weight=np.linspace(0.1, 1, 200), propensity=np.full(200, 1 / 3),
        features=np.random.default_rng(0).normal(size=(200, 2)), feature_names=("length", "lists"),
    )  # fmt: skip
    write_votes(full, tmp_path / "log.csv")
    again = read_votes(tmp_path / "log.csv", features=["length", "lists"])
    np.testing.assert_array_equal(again.features, full.features)  # type: ignore[arg-type]
    assert ratings(rank(again)) == pytest.approx(ratings(rank(full)), abs=1e-9)


def test_features_are_columns_or_pairs_of_them(tmp_path: Path, reader: None) -> None:
    path = file(tmp_path, "left,right,winner,words_a,words_b,lists\na,b,left,30,10,1\nb,a,left,0,0,-2\na,b,tie,x,1,0\n")
    votes = read_votes(path, features=["words", "lists"])
    assert votes.features is not None and votes.features.tolist() == [[0.5, 1.0], [0.0, -2.0]]
    assert votes.refused == {"a feature is not a number": 1}
    with pytest.raises(InputError, match="no column 'heads'"):
        read_votes(path, features=["heads"])


class Frame:
    """As much of a data frame as is asked for."""

    def __init__(self, data: dict[str, list[Any]]) -> None:
        self.columns, self._data = list(data), data

    def __getitem__(self, name: str) -> list[Any]:
        return self._data[name]


DATA = {"model_a": ["x", "y"], "model_b": ["y", "x"], "winner": ["model_a", "tie"], "judge": [7, 8]}


@pytest.mark.parametrize(
    "make",
    [
        dict,
        Frame,
        pa.table,
        lambda data: [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)],
    ],
)
def test_votes_of_whatever_holds_them(make: Callable[[Any], Any]) -> None:
    assert [line[:4] for line in told(as_votes(make(DATA)))] == [("x", "y", 0, "7"), ("y", "x", 2, "8")]


def test_integer_columns_and_their_mistakes() -> None:
    left, right, outcome = np.array([0, 1], np.int32), np.array([1, 0], np.int32), np.array([0, 2], np.int8)
    assert len(Votes(("a", "b"), left, right, outcome)) == 2
    wrong: list[tuple[Any, Any, Any, str]] = [
        (left, left, outcome, "stands against itself"),
        (left, right + 5, outcome, "codes of models run from 0 to 6"),
        (left, right, outcome + 3, "outcomes run from 3 to 5"),
        (left, right[:1], outcome, "column right has 1 entries"),
        (left[:0], right[:0], outcome[:0], "not one vote"),
    ]
    for a, b, c, message in wrong:
        with pytest.raises(InputError, match=message):
            Votes(("a", "b"), a, b, c)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="column winner has 1 entries, and left has 2"):
        Votes.of(["a", "b"], ["b", "a"], ["left"])


def test_votes_are_joined_by_name() -> None:
    first = Votes.of(["a"], ["b"], ["left"], voter=["v"], source=["people"])
    second = Votes.of(
        ["c", "b"], ["a", "c"], ["tie", "c"], voter=["w", "v"], prompt=["p", "p"], weight=np.array([2.0, 3.0])
    )
    both = first.joined(second)
    assert told(both) == [
        ("a", "b", 0, "v", "unnamed 1", "people", None, "1.0", None),
        ("c", "a", 2, "w", "p", "", None, "2.0", None),
        ("b", "c", 1, "v", "p", "", None, "3.0", None),
    ]
