"""The program `luosi`: its commands, and the last word on every error."""

from __future__ import annotations

import sys
import traceback

import typer

from luosi.cli import bill, demo, doctor, exam, new, plan, report, run, search, serve, show, tidy, verdict
from luosi.errors import LuosiError

app = typer.Typer(
    name="luosi",
    help="Your text, your questions and a budget in; the cheapest route to a model that answers them out, served, proved and billed.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("new")(new.new)
app.command("plan")(plan.plan)
app.command("run")(run.run)
app.command("verdict")(verdict.verdict)
app.command("report")(report.report)
app.add_typer(exam.app, name="exam")
app.command("bill")(bill.bill)
app.command("serve")(serve.serve)
app.command("search")(search.search)
app.command("show")(show.show)
app.command("lineage")(show.lineage)
app.command("verify")(tidy.verify)
app.command("gc")(tidy.gc)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run a command; a LuosiError becomes `error:` and `hint:` lines and its exit code, never a traceback."""
    try:
        app()
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
