"""`luosi worth`: quality against money, and which model to use for this traffic and this budget."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, print_json, say
from luosi.cli.rank import plain, read_all
from luosi.cost import Money, parse_count, parse_money
from luosi.errors import UsageError
from luosi.plan.worth_words import Language, interval, level, reason

if TYPE_CHECKING:
    from luosi.plan.worth import Line, Worth

TOKENS = re.compile(r"\s*(\d{1,9})\s*[,+]\s*(\d{1,9})\s*")
COLUMNS = ("model", "quality", "95 %", "a month", "per 1,000", "per M tokens", "to make", "machines", "measured", "remark")  # fmt: skip
SPARED = ("measured", "machines", "per M tokens", "to make", "per 1,000", "95 %")
"""Columns left out one after another where there is no room."""
LEAST_NAME = 24
"""Columns that names have before another one is left out."""


def worth(
    answers_per_month: Annotated[str, typer.Option(help="The traffic.", metavar="N")],
    votes: Annotated[
        list[str],
        typer.Argument(
            help="Files of votes, as `luosi rank` reads them; none: the votes of the workspace's arena, else the recipe's verdict.",
            metavar="VOTES",
        ),
    ] = [],
    budget: Annotated[str, typer.Option(help="At most, a month: 50USD.", metavar="MONEY")] = "",
    months: Annotated[int, typer.Option(help="That the cost of making a model is spread over.")] = 12,
    prices: Annotated[
        str,
        typer.Option(
            help="Prices like rates.toml, in place of the workspace's; models are called as in the votes.",
            metavar="FILE",
        ),
    ] = "",
    tokens_per_answer: Annotated[
        str, typer.Option(help="Of your traffic, for every model; else as measured.", metavar="PROMPT,ANSWER")
    ] = "",
    recipe: Annotated[
        str, typer.Option(help="Take its verdict, not votes; the recipe run last where there are none.")
    ] = "",
    lang: Annotated[Language, typer.Option("--lang", help="Of the line and the notes: en or zh.")] = "en",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Which model to use for this traffic and this budget: quality and money side by side, and the answer in one line."""
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):  # before numpy is loaded: threads cost more than they help
        os.environ.setdefault(name, "1")
    answers = parse_count(answers_per_month, "as in --answers-per-month 10000")
    limit = parse_money(budget, hint="as in --budget 50USD") if budget.strip() else None
    tokens = parse_tokens(tokens_per_answer)
    from luosi.api import Workspace
    from luosi.api.worth import judged

    ranking = None
    if votes:
        from luosi.ranking import rank

        ranking = rank(read_all(votes, {}, []))
    given = Path(prices) if prices else None
    place = Workspace(workspace)
    models = judged(place, ranking, prices=given, tokens=tokens, recipe=recipe, arena=not votes)
    found = models.worth(answers_per_month=answers, months=months, budget=limit)
    if json:
        print_json(models.as_dict(found))
        return
    show(found)
    for note in models.told(found, lang):
        say(plain(note))
    print(plain(found.line(lang)))


def parse_tokens(text: str) -> tuple[int, int] | None:
    """Prompt and answer tokens, as in 1000,300; None for ""; raises UsageError."""
    if not text:
        return None
    match = TOKENS.fullmatch(text)
    if match is None or not int(match[1]) + int(match[2]):
        raise UsageError(f"{text!r} is not PROMPT,ANSWER tokens", hint="as in --tokens-per-answer 1000,300")
    return int(match[1]), int(match[2])


def show(found: Worth) -> None:
    """The table to stdout; where the terminal is narrow, without the columns that matter least."""
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    rows = [cells(line, found) for line in found.lines]
    shown = [name for name in COLUMNS if name == "remark" or any(row[name] != "-" for row in rows)]
    heads = {name: {"quality": found.scale, "remark": ""}.get(name, name) for name in shown}
    widths = {name: max(len(heads[name]), *(cell_len(row[name]) for row in rows)) for name in shown}
    for name in (*SPARED, ""):
        others = sum(widths[one] + 2 for one in shown if one != "model")
        room = console.width - others
        if room >= min(LEAST_NAME, widths["model"]):
            break
        shown = [one for one in shown if one != name]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        table.add_column(
            heads[name], no_wrap=True, overflow="ellipsis", justify="left" if name in ("model", "remark") else "right",
            width=min(widths[name], max(4, room)) if name == "model" else widths[name],
        )  # fmt: skip
    for row in rows:
        table.add_row(*(Text(row[name]) for name in shown))
    console.print(table)
    if any(line.tied and line is not found.choice for line in found.lines):
        print(
            "tied: nobody within the budget is shown to be better; of the tied ones on the frontier the cheapest is taken"
        )


def cells(line: Line, found: Worth) -> dict[str, str]:
    """A model's cells by column."""
    entry = line.entry

    def money(amount: Money | None) -> str:
        return "-" if amount is None else str(amount)

    return {
        "model": plain(entry.model),
        "quality": "-" if entry.rating is None else level(entry.rating, found.scale).removesuffix(" Elo"),
        "95 %": interval(line, found.scale) or "-",
        "a month": money(line.month),
        "per 1,000": money(line.per_1000),
        "per M tokens": money(line.per_million),
        "to make": money(entry.to_make) if entry.to_make and entry.to_make.nano else "-",
        "machines": "-" if line.machines is None else f"{line.machines:,}",
        "measured": f"{entry.measured:,}" if entry.measured else "-",
        "remark": remark(line, found),
    }


def remark(line: Line, found: Worth) -> str:
    """What is to be said of a model: whether it is taken, stands on the frontier, or why it is not compared."""
    if line.reason:
        return reason(line.reason)
    taken = line is found.choice
    told = {
        "take": taken,
        "tied": line.tied and not taken,
        "frontier": line.frontier,
        "over budget": not line.affordable,
    }
    return ", ".join(word for word, holds in told.items() if holds)
