"""The log of votes as files, from which anybody can compute the ranking again: CSV and JSONL, read by `luosi rank` without options.

CSV has a vote a row. JSONL has a battle a line, those without a vote too (their winner is null), with the whole conversation;
battles that may still be voted on are left out. No cell of the CSV can act as a formula in a spreadsheet: a blank stands before it,
which reading takes off again. `prompt` is the id of the first prompt's words; `winner` is the side; `propensity` is the pair's chance
among the `drawable` pairs of that moment; costs are exact, empty where one is not known.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from luosi.serve.battles import Battle, Battles

COLUMNS = (
    "left", "right", "winner", "voter", "prompt", "time", "source", "propensity", "drawable", "language", "length", "topic", "turns",
    "cost_left", "cost_right", "currency_left", "currency_right", "tokens_left", "tokens_right", "seconds_left", "seconds_right",
    "prompt_source", "session", "battle",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
AT_ONCE = 1000


def csv_log(rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The votes as a CSV file, some rows at a time."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(COLUMNS)
    for number, row in enumerate(rows, 1):
        lines.writerow([_cell(row[name]) for name in COLUMNS])
        if number % AT_ONCE == 0:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    found = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return found


def _cell(value: Any) -> str:
    if value is None:
        return ""
    cell = repr(value) if isinstance(value, float) else str(value)
    return f" {cell}" if cell.startswith(FORMULA) else cell


def jsonl_log(store: Battles) -> Iterator[bytes]:
    """Every battle with its conversation, a line each."""
    for battle, vote in store.told():
        yield orjson.dumps(_line(battle, vote)) + b"\n"


def _line(battle: Battle, vote: Mapping[str, Any] | None) -> dict[str, Any]:
    pairing = dict(vars(battle.pairing)) | {"winner": None, "time": battle.time, "source": "", "battle": battle.id}
    return {
        **(pairing | {name: vote[name] for name in COLUMNS} if vote else pairing),
        "conversation": [
            {
                "prompt": turn.prompt,
                "prompt_source": turn.source,
                **{
                    side: {
                        "text": one.text, "status": one.status, "cut": one.cut, "trouble": one.trouble, "seconds": one.seconds,
                        "usage": one.usage.model_dump() if one.usage else None,
                        "cost": one.cost.model_dump() if one.cost else None, "passages": list(one.passages),
                    }
                    for side, one in turn.answers.items()
                },
            }
            for turn in battle.turns
        ],
    }  # fmt: skip
