"""Scoring a table of runs: which kind it is, what is read, what is refused, and that no answer is read as a question."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import InputError
from luosi.estimate import check
from luosi.estimate.scoring import figures
from luosi.estimate.tables import TRAINING_INPUTS, read, shipped
from luosi.estimate.training.predict import predict_cases
from luosi.estimate.training.rows import case_of

ROWS = [dict(row) for row in read(shipped("training_runs.csv")).rows]


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        made = csv.DictWriter(file, list(rows[0]))
        made.writeheader()
        made.writerows(rows)
    return path


def middles(rows: list[dict[str, str]]) -> list[float]:
    from luosi.estimate.tables import inputs

    return predict_cases([case_of(inputs(row)) for row in rows])[1].tolist()


def test_predictions_do_not_read_what_was_observed() -> None:
    rows = ROWS[::9]
    others = [name for name in rows[0] if name not in TRAINING_INPUTS]
    assert {"step_s", "tokens_s_dev", "tflops_dev", "mfu_pct", "hfu_pct", "days", "dev_hours", "energy_mwh", "avg_node_w",
            "mem_gib", "note", "source", "id"} <= set(others)  # fmt: skip
    shaken = random.Random(3)
    scrambled = [{**row, **{name: shaken.choice(["", "17.5", "x", "1e9"]) for name in others}} for row in rows]
    assert middles(scrambled) == middles(rows)


def test_every_published_row_is_predicted() -> None:
    made = check.score(shipped("training_runs.csv"))
    assert made["kind"] == "training" and made["rows"] == made["scored"] == 675
    assert made["median_ape"] <= 0.12 and made["p90_ape"] <= 0.35
    assert made["dense_stated"]["median_ape"] <= 0.08
    assert 0.7 <= made["coverage80"] <= 0.9
    assert sum(one["scored"] for one in made["by"]["chip"].values()) == 675
    assert len(made["worst"]) == 10 and abs(made["worst"][0]["error"]) >= abs(made["worst"][9]["error"])


def test_rows_of_its_own_table_are_scored_without_their_group() -> None:
    held = figures(check.scored_rows(ROWS[:60])[0])
    known = figures(check.scored_rows(ROWS[:60], hold_out=False)[0])
    assert held["median_ape"] > known["median_ape"]  # type: ignore[operator]


def test_a_refused_row_counts_as_wholly_wrong(tmp_path: Path) -> None:
    rows = [dict(row) for row in ROWS[:4]]
    rows[0]["tp"] = "eight"
    rows[1]["seq_len"] = "-1"
    rows[2].update(step_s="", tokens_s_dev="", tflops_dev="", days="", dev_hours="")
    made = check.score(written(tmp_path / "some.csv", rows))
    assert (made["rows"], made["scored"]) == (4, 1)
    assert made["left_out"] == {"nothing observed to compare with": 1, check.REFUSED: 2}
    assert made["p90_ape"] == 1.0
    assert "tp is 'eight'" in made["refused"][0]


@pytest.mark.parametrize("strange", ["", "a chip of tomorrow", "NVIDIA H100 80GB HBM3 (virtual)"])
def test_strange_chips_models_and_empty_cells_are_still_predicted(tmp_path: Path, strange: str) -> None:
    bare = dict.fromkeys(ROWS[0], "") | {"hardware": strange, "model": "Unheard-of", "tokens_s_dev": "1000"}
    made = check.score(written(tmp_path / "some.csv", [bare]))
    assert made["scored"] == 1 and made["left_out"] == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "lacks model"),
        ("", "lacks model"),
        ("model,seq_len,hardware,count,precision\n", "lacks step_s"),
        ("model,seq_len,hardware,count,precision,step_s\n", "no rows"),
    ],
)
def test_what_is_no_table_of_runs_is_answered(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "some.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        check.score(path)


def test_a_missing_file_is_answered(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        check.score(tmp_path / "none.csv")


def test_inference_is_known_by_its_header() -> None:
    made = check.score(shipped("inference_runs.csv"))
    assert made["kind"] == "inference" and made["rows"] == 287
    assert {"tpot", "ttft", "throughput"} <= set(made)
    assert made["tpot"]["median_ape"] < 1


@pytest.mark.parametrize("cell", ["1e300", "99999999999999999999", "-1", "nan"])
def test_a_number_that_cannot_be_is_refused_in_a_table_of_answers_too(tmp_path: Path, cell: str) -> None:
    rows = [dict(row) for row in read(shipped("inference_runs.csv")).rows if row["tpot_ms"]][:3]
    rows[0]["concurrency"] = cell
    made = check.score(written(tmp_path / "some.csv", rows))
    assert made["rows"] == 3 and made["tpot"]["scored"] == 2 and sum(made["left_out"].values()) == 1


@given(
    st.dictionaries(
        st.sampled_from(TRAINING_INPUTS),
        st.sampled_from(["", "0", "1", "3", "1e12", "0.001", "1e300", "nan", "-2", "moe", "full", "7B"]),
    )
)
@settings(max_examples=60, deadline=None)
def test_any_cell_is_predicted_or_refused(cells: dict[str, str]) -> None:
    row = {**ROWS[300], **cells}
    found, refused, silent = check.scored_rows([row])
    assert len(found) + len(refused) + silent == 1
    for one in found:
        assert 0 < one.low < one.middle < one.high < float("inf")
    if any(cells.get(name) in ("1e300", "nan", "-2", "moe", "full", "7B") for name in ("seq_len", "count", "hidden")):
        assert refused
