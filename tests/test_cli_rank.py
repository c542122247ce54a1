"""`luosi rank`: the table, the JSON, the log, and one clear line for what it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from luosi.cli.rank import rank
from luosi.errors import InputError, LuosiError, UsageError
from luosi.ranking import write_votes
from tests.test_ranking_fit import arena

FIELDS = {"model", "rating", "low", "high", "rank", "rank_low", "rank_high", "votes", "voters", "provisional"}


def run(*arguments: str) -> str:
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(rank)
    found = CliRunner().invoke(app, list(arguments))
    if isinstance(found.exception, LuosiError):
        raise found.exception
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    write_votes(arena(6, 900, ties=0.2, voters=40, prompts=30), tmp_path / "votes.csv")
    return tmp_path / "votes.csv"


def test_json_holds_every_claim(votes: Path) -> None:
    data = json.loads(run(str(votes), "--json"))
    assert all(set(line) >= FIELDS for line in data["models"])
    assert [line["rank"] for line in data["models"]] == [1, 2, 3, 4, 5, 6]
    assert data["interval"]["clusters"] == {"voter": 40, "prompt": 30} and data["votes"] <= 900
    assert len(data["flips"]) == 5 and all(flip["checked"] for flip in data["flips"])
    assert {"bias", "ties", "islands", "filtered", "refused", "provisional_rule", "settings"} <= set(data)


def test_the_table_says_the_same(votes: Path) -> None:
    data, text = json.loads(run(str(votes), "--json")), run(str(votes))
    lines = text.splitlines()
    for line, row in zip(data["models"], lines[1:], strict=False):
        assert row.split()[:3] == [str(line["rank"]), line["model"], f"{line['rating']:.0f}"]
    assert "40 voters, 30 prompts taken together" in text and "left side:" in text and "fewer would put" in text


def test_the_log_gives_the_same_ranking(votes: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    whole = json.loads(run(str(votes), "--json", "--export", str(log)))
    again = json.loads(run(str(log), "--json"))
    assert again["filtered"] == whole["filtered"]
    for line, other in zip(whole["models"], again["models"], strict=True):
        assert line == pytest.approx(other, abs=1e-9)


def test_several_files_sources_and_hostile_names(votes: Path, tmp_path: Path) -> None:
    judge = tmp_path / "judge.csv"
    judge.write_text(
        "model_a,model_b,winner,source\n[red]m99[/red]\x1b[31m,m00,model_a,judge\n" * 1 + "m00,m01,tie,judge\n" * 5
    )
    text = run(str(votes), str(judge), "--source-weight", "judge=0.5", "--keep-all")
    assert "[red]m99[/red]" in text and "\x1b" not in text and "*" in text
    assert "906 votes" in text


def test_islands_stand_apart(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("left,right,winner\na,b,left\nb,a,left\nb,a,tie\nx,y,left\ny,y,left\nx,y,nobody\n")
    text = run(str(path))
    assert "island 2: 2 models that no votes join to the others" in text
    assert "not taken: 1 vote: a model against itself" in text and "not taken: 1 vote: the winner is neither" in text


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["missing.csv"], InputError, "there is no file"),
        (["{votes}", "--left", "modell"], InputError, "there is no column 'modell'"),
        (["{votes}", "--features", "length"], InputError, "there is no column 'length'"),
        (["{votes}", "--ties", "elo"], UsageError, "ties = 'elo' is unknown"),
        (["{votes}", "--cluster", "village"], UsageError, "cluster = 'village' is unknown"),
        (["{votes}", "--source-weight", "judge"], UsageError, "is not SOURCE=WEIGHT"),
        (["{votes}", "--weigh-pairs"], UsageError, "the votes say no propensity"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(
    votes: Path, arguments: list[str], error: type[LuosiError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(*(one.format(votes=votes) for one in arguments))
