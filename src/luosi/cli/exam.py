"""`luosi exam`: the user's own questions: checked before money is spent on them, taken into the workspace, written out again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from luosi.api import Workspace
from luosi.cli.common import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from luosi.grading.check import Checked, Place, Report, Text

app = typer.Typer(
    name="exam", help="Your own questions: check them, take them in, write them out.", no_args_is_help=True
)

SAY_EVERY_S = 5.0
_WHERE = {"train": "training text", "heldout": "held-out text", "files": "the files"}

QuestionsArgument = Annotated[str, typer.Argument(help="JSONL, CSV or XLSX.", metavar="QUESTIONS")]


@app.command()
def check(
    questions: QuestionsArgument,
    files: Annotated[list[str], typer.Argument(help="The files or folders they are about.", metavar="[FILES]...")] = [],
    recipe: Annotated[str, typer.Option(help="Look in this recipe's corpus, which knows training from held-out.")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    json: JsonOption = False,
) -> None:
    """Which questions are usable, repeated, leaked into the text, or answered nowhere.

    Exit code 0: every row is usable; 1: some were refused; 2: none is usable.
    """
    from luosi.grading.check import check as look
    from luosi.grading.questions import read_questions

    own = read_questions(Path(questions))
    report = look(own, _texts(Path(questions), files, recipe, workspace), _Counted())
    if json:
        print_json(report)
    else:
        print_report(report)
    if not report.questions:
        say("not one question can be used")
        raise typer.Exit(2)
    raise typer.Exit(1 if report.refused else 0)


@app.command("import")
def import_(file: QuestionsArgument, workspace: WorkspaceOption = DEFAULT_WORKSPACE) -> None:
    """Add a file's questions to the workspace's. Exit code 1 if rows were refused."""
    from luosi.serve.feedback import Feedback

    with Feedback(Workspace(workspace).root / "accounts.db") as feedback:
        done = feedback.import_questions(Path(file))
    for origin, reason in done.refused:
        say(f"refused: {origin}: {reason}")
    say(f"{done.added} questions added, {done.same} there already, {len(done.refused)} refused")
    raise typer.Exit(1 if done.refused else 0)


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="JSONL to write; `luosi new --questions` reads it.", metavar="FILE")],
    pairs: Annotated[str, typer.Option(help="Write the corrections to train on too, as JSONL.", metavar="FILE")] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write the workspace's questions, corrected answers included."""
    from luosi.serve.feedback import Feedback

    with Feedback(Workspace(workspace).root / "accounts.db") as feedback:
        say(f"{feedback.questions_file(Path(file))} questions written to {file}")
        if pairs:
            count, left_out = feedback.pairs_file(Path(pairs))
            say(f"{count} pairs to train on written to {pairs}")
            for one in left_out:
                say(f"left out, nearly a question of the exam: {one.origin}: {one.question[:80]}")


def _texts(questions: Path, files: list[str], recipe: str, workspace: str) -> Iterator[Text]:
    from luosi.artifacts import Corpus
    from luosi.errors import UsageError
    from luosi.grading.check import corpus_texts, file_texts

    if files:
        yield from file_texts(files, questions)
    if recipe:
        place = Workspace(workspace)
        graph = place.graph(recipe)
        keys = [graph.keys[step.name] for step in graph.steps if step.stage.output is Corpus]
        if not keys:
            raise UsageError(f"recipe {graph.recipe} has no step that makes a corpus")
        for key in keys:
            corpus = place.open(key)
            assert isinstance(corpus, Corpus), "the step's output"
            yield from corpus_texts(corpus)


class _Counted:
    """Says on stderr how much was read, every few seconds."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, texts: int, files: int) -> None:
        if time.monotonic() - self._said >= SAY_EVERY_S:
            self._said = time.monotonic()
            say(f"{texts:,} texts of {files:,} files read")


def print_report(report: Report) -> None:
    """The report as tables and a sentence for each kind of trouble."""
    rows = [[one.origin, one.grader, one.prompt[:60], "; ".join(_findings(one)) or "-"] for one in report.questions]
    print_table("Usable", ["from", "grader", "question", "found"], rows, left=4)
    if report.refused:
        refused = [[f"row {row}" if row else "file", why] for row, why in report.refused]
        print_table("Refused", ["where", "why"], refused, left=2)
    graders = ", ".join(f"{count} {grader}" for grader, count in report.graders.items())
    print(f"{len(report.questions)} usable ({graders or 'none'}), {len(report.refused)} refused")
    if not report.texts:
        say("no text was looked at: give the FILES the questions are about, or --recipe")
        return
    print(f"looked for in {report.texts:,} texts of {report.files:,} files")
    for reason, count in report.unread.items():
        print(f"not looked at, {reason}: {count:,}")
    for kind, meaning in _MEANING.items():
        if count := report.count(kind):
            print(f"{count} {meaning}")


_MEANING = {
    "near": "ask nearly what another asks: together they count as one",
    "leaked": "stand in the text themselves: a model trained on it has seen them",
    "verbatim": "are answered word for word in the text: good for retrieval; where that is training text, no test of a model "
    "that answers without the files",
    "nowhere": "have an answer that stands word for word in no text: check it, or expect other words",
    "file_missing": "name a file that is not there",
}


def _findings(one: Checked) -> list[str]:
    found = [f"nearly {id}" for id in one.near]
    found += [f"leaked: {_place(place)}" for place in one.leaked]
    found += [f"answered in {_place(place)}" for place in one.verbatim]
    found += ["answer in no text"] if one.answer_somewhere is False else []
    return found + (["its file is not there"] if one.file_missing else [])


def _place(place: Place) -> str:
    more = f" and {place.texts - 1} more" if place.texts > 1 else ""
    return f"{_WHERE[place.where]}, {place.files[0]}{more}"
