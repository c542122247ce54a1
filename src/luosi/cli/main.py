"""The program `luosi`: its commands, and the last word on every error."""

from __future__ import annotations

import importlib
import sys
import traceback

import typer

from luosi.errors import LuosiError

COMMANDS = {
    "demo": "demo.demo",
    "new": "new.new",
    "plan": "plan.plan",
    "run": "run.run",
    "watch": "watch.watch",
    "verdict": "verdict.verdict",
    "report": "report.report",
    "exam": "exam.app",
    "bill": "bill.bill",
    "estimate": "estimate.app",
    "serve": "serve.serve",
    "search": "search.search",
    "rank": "rank.rank",
    "worth": "worth.worth",
    "show": "show.show",
    "lineage": "show.lineage",
    "verify": "tidy.verify",
    "gc": "tidy.gc",
    "doctor": "doctor.doctor",
}
"""By name, in the order of the help: the file in this folder and what of it."""


def program(asked: str = "") -> typer.Typer:
    """The program with all its commands, or with the one that is `asked` for alone: to import the others takes longer than to estimate."""
    app = typer.Typer(
        name="luosi",
        help="Your text, your questions and a budget in; the cheapest route to a model that answers them out, served, proved and billed.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(lambda: None)  # a program of one command would take the command's name for an argument
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module, _, attribute = COMMANDS[name].partition(".")
        command = getattr(importlib.import_module(f"luosi.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """Run a command; a LuosiError becomes `error:` and `hint:` lines and its exit code, never a traceback."""
    try:
        program(sys.argv[1] if len(sys.argv) > 1 else "")()
    except LuosiError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader of our output went away: `luosi show | head`
        sys.stderr.close()
        sys.exit(0)
    except ModuleNotFoundError as error:
        print(f"error: package {error.name} is not installed, and this command needs it", file=sys.stderr)
        print("hint: pip install 'luosi[all]'", file=sys.stderr)
        sys.exit(2)
    except Exception:
        traceback.print_exc()
        print("error: a mistake of Luosi's own, not yours; the lines above say where", file=sys.stderr)
        sys.exit(1)
