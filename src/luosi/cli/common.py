"""What the commands share: options, tables, and quantities in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from luosi.errors import UsageError

if TYPE_CHECKING:
    from luosi.api import Workspace
    from luosi.cost import Interval, Money

WorkspaceOption = Annotated[
    str,
    typer.Option(
        "--workspace", "-w", envvar="LUOSI_WORKSPACE", help="Folder of the store, the ledger and the measurements."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable, to stdout.")]
SetOption = Annotated[
    list[str],
    typer.Option("--set", help="Change a field: steps.NAME.field=value. May be repeated.", metavar="PATH=VALUE"),
]
RecipeArgument = Annotated[
    str, typer.Argument(help="A recipe's path, or the name of one that was run here.", metavar="RECIPE")
]
LatestRecipeArgument = Annotated[
    str, typer.Argument(help="A recipe's path or name; the one run last if left out.", metavar="[RECIPE]")
]
DEFAULT_WORKSPACE = "luosi-work"


def latest(workspace: Workspace, recipe: str) -> str:
    """`recipe`, or the one run last here if it is ""."""
    if recipe:
        return recipe
    names = workspace.recipes()
    if not names:
        raise UsageError(
            f"no recipe was run in {workspace.root} yet", hint="`luosi demo`, or `luosi new FILES... --budget '10 min'`"
        )
    return names[0]


def say(text: str = "") -> None:
    """Talk: to stderr."""
    print(text, file=sys.stderr)


def print_json(value: Any) -> None:
    """Data: JSON to stdout; pydantic models become objects."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    sys.stdout.buffer.write(orjson.dumps(value, default=lambda model: model.model_dump(mode="json"), option=options))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
    """A table to stdout, complete in a pipe and readable without colour; the first `left` columns are words."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(
        title=escape(title) if title else None, title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    for number, name in enumerate(columns):
        wordy = number < left or name in ("why", "note")
        table.add_column(name, justify="left" if wordy else "right", no_wrap=not wordy or number == 0)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)


def seconds(value: float) -> str:
    """A duration in words.

    >>> seconds(0.04), seconds(12.3), seconds(200), seconds(9000)
    ('0.04 s', '12 s', '3 min 20 s', '2.5 h')
    """
    if value < 10:
        return f"{value:.2g} s"
    if value < 120:
        return f"{value:.0f} s"
    if value < 7200:
        return f"{value // 60:.0f} min {value % 60:.0f} s"
    return f"{value / 3600:.1f} h"


def interval(value: Interval) -> str:
    """The median, and where four chances in five lie."""
    return f"{seconds(value.p50)} ({seconds(value.p10)} - {seconds(value.p90)})" if value.p50 else "0 s"


def flop(value: float) -> str:
    """FLOP in the nearest thousand."""
    for unit, size in (("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g} FLOP" if value else "-"


def energy(joules: float) -> str:
    """Watt-hours."""
    return f"{joules / 3600:.2g} Wh" if joules else "-"


def size(count: int) -> str:
    """Bytes in the nearest binary thousand."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.3g} {unit}"


def money(value: Money | None) -> str:
    """Money, or that it is not known."""
    return "unknown" if value is None else str(value)


def percent(value: float | None) -> str:
    """A signed share."""
    return "-" if value is None else f"{value:+.0%}"
