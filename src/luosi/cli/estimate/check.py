"""`luosi estimate check`: how good the estimates are, on any table of published runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from luosi.cli.common import JsonOption, print_json, print_table

TARGETS = {"tpot": "time per token", "ttft": "time to first token", "throughput": "tokens per second"}
COLUMNS = ["", "rows", "median error", "p90 error", "bias", "in the 80 % interval"]


def check(
    file: Annotated[
        str, typer.Argument(help="Runs of training or of inference, told apart by the header.", metavar="FILE.csv")
    ],
    json: JsonOption = False,
) -> None:
    """Predict every row from its inputs alone and compare with what it measured; a refused row is an error of 100 %."""
    from luosi.estimate.check import score

    found = score(Path(file))
    if json:
        print_json(found)
    else:
        print_score(found)


def print_score(found: dict[str, Any]) -> None:
    """Errors in all, by chip, kind, precision and source, the worst rows, and what was not scored."""
    print(f"{found['rows']} rows of {found['kind']}, {found['scored']} scored")
    for reason, count in found.get("left_out", {}).items():
        print(f"  {count}: {reason}")
    print()
    targets = {name: words for name, words in TARGETS.items() if name in found}
    for name, words in targets.items():
        print_table(words, COLUMNS, [_row("all", found[name]), *_split(found[name])])
        print()
    if not targets:
        rows = [_row("all", found)]
        if found.get("dense_stated", {}).get("rows"):
            rows.append(_row("dense, parallelism stated", found["dense_stated"]))
        print_table("seconds per step, or device-hours where only those are given", COLUMNS, [*rows, *_split(found)])
    if found.get("worst"):
        print()
        columns = ["row", "run", "error", "predicted", "observed", "note"]
        print_table("The worst rows", columns, [_worst(one) for one in found["worst"]], left=2)
    for reason in found.get("refused", ()):
        print(f"refused: {reason}")


def _worst(one: dict[str, Any]) -> list[str]:
    """What ran, how far off it was, and where it is from."""
    run = f"{one['model']} on {one['count'] or 'some'} {_end(one['hardware'], 30)}, {one['precision'] or 'precision not given'}"
    note = "; ".join(filter(None, (one.get("figure"), one.get("framework") or one.get("engine"), one["source"])))
    return [one["id"], run, _percent(one["error"], signed=True), f"{one['predicted']:g}", f"{one['observed']:g}", note]


def _split(found: dict[str, Any]) -> list[list[str]]:
    return [
        _row(f"{split}: {_end(value)}", figures)
        for split, parts in found.get("by", {}).items()
        for value, figures in parts.items()
    ]


def _row(name: str, figures: dict[str, Any]) -> list[str]:
    rows = figures.get("scored", figures.get("rows"))
    shown = [
        _percent(figures.get(key), signed=key == "bias") for key in ("median_ape", "p90_ape", "bias", "coverage80")
    ]
    return [name, "-" if rows is None else f"{rows:.0f}", *shown]


def _end(text: str, most: int = 60) -> str:
    return text if len(text) <= most else f"..{text[2 - most :]}"


def _percent(value: float | None, *, signed: bool = False) -> str:
    return "-" if value is None else f"{value:+.1%}" if signed else f"{value:.1%}"
