"""`luosi rank`: ratings from any file of votes, with what they rest on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from luosi.cli.common import JsonOption, print_json, say
from luosi.errors import UsageError
from luosi.statistics.elo import UNTOLD

if TYPE_CHECKING:
    from luosi.ranking import Ranking, Votes

WIDE = 100
"""Columns of a terminal below which voters and anytime intervals are left out of the table."""
MORE = ("at any time", "voters")
CHECKED = 5
"""Neighbours whose votes to flip are checked by refitting."""


def _column(name: str, what: str) -> Any:
    return typer.Option(f"--{name}", help=f"Column of {what}, where it is not recognised.", metavar="COLUMN")


def rank(
    votes: Annotated[list[str], typer.Argument(help="CSV, TSV, JSONL or Parquet; several are ranked together.")],
    left: Annotated[str, _column("left", "the model on the left")] = "",
    right: Annotated[str, _column("right", "the model on the right")] = "",
    winner: Annotated[str, _column("winner", "what was chosen")] = "",
    voter: Annotated[str, _column("voter", "who voted")] = "",
    prompt: Annotated[str, _column("prompt", "what was asked")] = "",
    time: Annotated[str, _column("time", "when")] = "",
    source: Annotated[str, _column("source", "where votes come from")] = "",
    weight: Annotated[str, _column("weight", "what a vote counts")] = "",
    propensity: Annotated[str, _column("propensity", "the chance of the pair")] = "",
    features: Annotated[
        str, typer.Option(help="Style control: columns of differences, or NAME for NAME_a and NAME_b; commas between.")
    ] = "",
    source_weight: Annotated[list[str], typer.Option(metavar="SOURCE=WEIGHT", help="May be repeated.")] = [],
    ties: Annotated[str, typer.Option(help="auto, half (as arena-rank), drop, davidson or rao-kupper.")] = "auto",
    position: Annotated[bool, typer.Option("--position", help="Take the left side's advantage out.")] = False,
    cluster: Annotated[str, typer.Option(help="Whose votes go together: auto, voter, prompt, both or none.")] = "auto",
    weigh_pairs: Annotated[bool, typer.Option("--weigh-pairs", help="Weigh votes by 1 / propensity.")] = False,
    bootstrap: Annotated[int, typer.Option(min=0, help="Intervals by so many refits; 0: by the sandwich.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    keep_all: Annotated[bool, typer.Option("--keep-all", help="Leave out no suspicious votes.")] = False,
    least_votes: Annotated[int, typer.Option(min=0, help="Provisional with fewer.")] = 100,
    widest: Annotated[float, typer.Option(min=0.0, help="Provisional with a wider interval, Elo.")] = 200.0,
    export: Annotated[str, typer.Option(metavar="CSV", help="Write the votes that were ranked.")] = "",
    json: JsonOption = False,
) -> None:
    """Rank models by votes between two of them: ratings, intervals, ranks, and how little would turn them around."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy is loaded: threads cost more than they help
        os.environ.setdefault(name, "1")
    from luosi.ranking import Settings
    from luosi.ranking import rank as ranked

    columns = {"left": left, "right": right, "winner": winner, "voter": voter, "prompt": prompt, "time": time}
    columns |= {"source": source, "weight": weight, "propensity": propensity}
    settings = Settings(
        ties=ties, position=position, cluster=cluster, bootstrap=bootstrap, seed=seed, checks=not keep_all,
        propensities=weigh_pairs, least_votes=least_votes, widest=widest, source_weights=weights_of(source_weight),
    )  # fmt: skip
    found = ranked(read_all(votes, columns, [f.strip() for f in features.split(",") if f.strip()]), settings=settings)
    if export:
        from luosi.ranking import write_votes

        write_votes(found.log(), export)
        say(f"{len(found.log()):,} votes written to {export}")
    if json:
        print_json(found.as_dict(check=CHECKED))
    else:
        show(found)


def read_all(paths: list[str], columns: dict[str, str], features: list[str]) -> Votes:
    """The votes of all files; raises InputError."""
    from luosi.ranking import read_votes

    found, *others = [read_votes(path, columns, features) for path in paths]
    for more in others:
        found = found.joined(more)
    return found


def weights_of(given: list[str]) -> dict[str, float]:
    """SOURCE=WEIGHT pairs; raises UsageError."""
    found = {}
    for one in given:
        name, equals, number = one.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            equals = ""
        if not equals:
            raise UsageError(
                f"--source-weight {one} is not SOURCE=WEIGHT", hint="for example: --source-weight judge=0.3"
            )
    return found


def show(found: Ranking) -> None:
    """The table to stdout, and what else a reader must know below it."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    data = found.as_dict(check=CHECKED)
    wide = console.width >= WIDE
    for number, names in enumerate(data["islands"]):
        if len(data["islands"]) > 1:
            console.print(f"\nisland {number + 1}: {len(names)} models that no votes join to the others")
        lines = [cells(line, wide) for line in data["models"] if line["island"] == number]
        table = Table(box=None, pad_edge=False, header_style="bold")
        for place, name in enumerate(["rank", "model", "rating", "95 %", *MORE * wide, "ranks", "votes"]):
            if name == "model":
                table.add_column(name, overflow="ellipsis", no_wrap=True)
            else:
                width = max(len(name), *(len(line[place]) for line in lines))
                table.add_column(name, justify="right", no_wrap=True, min_width=width)
        for line in lines:
            table.add_row(*(Text(cell) for cell in line))
        console.print(table)
    for sentence in told(data):
        console.print(Text(plain(sentence)))


def cells(line: dict[str, Any], wide: bool) -> list[str]:
    """A model's cells."""
    more = [
        span(line["anytime_low"], line["anytime_high"]),
        "-" if line["voters"] is None else f"{line['voters']:,}",
    ]
    return [
        f"{line['rank']}",
        plain(line["model"]) + (" *" if line["provisional"] else ""),
        f"{line['rating']:.0f}",
        span(line["low"], line["high"]),
        *(more if wide else []),
        f"{line['rank_low']} - {line['rank_high']}",
        f"{line['votes']:,}",
    ]


def span(low: float, high: float) -> str:
    """An interval, or that it says nothing."""
    return "too few to say" if high - low > UNTOLD else f"{low:.0f} - {high:.0f}"


def plain(text: str) -> str:
    """Names of models and voters cannot steer the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def told(data: dict[str, Any]) -> list[str]:
    """What stands below the table, a sentence each."""
    interval, bias, ties = data["interval"], data["bias"], data["ties"]
    ways = ", ".join(f"{count:,} {way}s" for way, count in interval["clusters"].items())
    found = [f"{data['votes']:,} votes, {ties['votes']:,} of them ties (treated as: {ties['treatment']})"]
    found.append(
        f"intervals: {interval['method']}, " + (f"votes of {ways} taken together" if ways else "every vote by itself")
    )
    found.append(
        f"left side: {bias['elo']:+.0f} Elo ({bias['low']:+.0f} to {bias['high']:+.0f})"
        + ("" if bias["in_ratings"] else f"; taking it out moves no rating by more than {bias['largest_change']:.1f}")
    )
    found += [
        f"{s['feature']}: {s['elo']:+.1f} Elo a standard deviation ({s['low']:+.1f} to {s['high']:+.1f})"
        for s in data["style"]
    ]
    held = [flip for flip in data["flips"] if flip["votes"] is not None]
    if held:
        least = min(held, key=lambda flip: int(flip["votes"]))
        first = held[0]
        found.append(f"{_votes(first['votes'])} fewer would put {first['below']} above {first['above']}")
        if least is not first:
            found.append(f"the loosest place: {_votes(least['votes'])} between {least['above']} and {least['below']}")
    if data["unbounded"]:
        found.append(
            f"never beaten, or never won, among those they met; a prior holds them: {', '.join(data['unbounded'][:5])}"
        )
    found += [f"left out: {_votes(one['votes'])}{_of(one['voter'])}: {one['reason']}" for one in data["filtered"]]
    found += [f"not taken: {_votes(count)}: {reason}" for reason, count in data["refused"].items()]
    if data["out_of_order"]:
        found.append(
            f"times out of order: {_votes(data['out_of_order'])} before the one above; the ranking does not mind"
        )
    if any(line["provisional"] for line in data["models"]):
        found.append(f"* provisional: {data['provisional_rule']}")
    return found


def _votes(count: int) -> str:
    return f"{count:,} vote{'' if count == 1 else 's'}"


def _of(voter: str) -> str:
    return f" of voter {voter}" if voter else ""
