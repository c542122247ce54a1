"""The form in which one of the user's own questions is written; what is wrong with it is said in the form, which then stays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import get_args

from nicegui import ui

from luosi.artifacts.corpus import Grader, Question
from luosi.grading.questions import row_of
from luosi.web.dialogs import SUBMIT, buttons, closed
from luosi.web.frame import say
from luosi.web.source import Unreadable
from luosi.web.words import Words

Row = dict[str, object]
FIELDS = {"question": 10_000, "answer": 10_000, "choices": 10_000, "passage": 50_000, "file": 500, "page": 7}
"""Field of a question file's row -> characters it may have."""
LISTS = ("answer", "choices")
"""One value a line."""
HINTS = ("answer", "choices", "passage")
LINES = ("file", "page")
AUTOMATIC = "automatic"


async def edit_question(words: Words, question: Question | None, put: Callable[[Row], Awaitable[object]]) -> bool:
    """Write a new question, or change one, until `put` takes its row; False if the person thought better of it."""
    row = row_of(question) if question else {}
    with ui.dialog() as dialog, ui.element("form").classes("card dialog wide") as form:
        say("h2", words("edit_question" if question else "write_question"))
        boxes = {field: _box(words, field, row.get(field, "")) for field in FIELDS}
        graders = {AUTOMATIC: words("grader_automatic")} | {one: words(f"grader_{one}") for one in get_args(Grader)}
        grader = ui.select(graders, value=row.get("grader", AUTOMATIC), label=words("marked_by"))
        grader.props("outlined dense")
        wrong = ui.label().classes("notice").props("role=alert")
        wrong.set_visibility(False)
        buttons(words, words("save"))

    async def save() -> None:
        given: Row = {field: str(box.value or "") for field, box in boxes.items()}
        given |= {field: str(given[field]).splitlines() for field in LISTS}
        if grader.value != AUTOMATIC:
            given["grader"] = grader.value
        try:
            await put({field: value for field, value in given.items() if value})
            dialog.submit(True)
        except Unreadable as error:
            wrong.text = words("question_refused", why=str(error))
            wrong.set_visibility(True)

    form.on("submit", save, js_handler=SUBMIT)
    form.on("reset", lambda: dialog.submit(False))
    return bool(await closed(dialog))


def _box(words: Words, field: str, value: object) -> ui.input | ui.textarea:
    text = "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    kind = ui.input if field in LINES else ui.textarea
    box = kind(words(f"field_{field}"), value=text)
    if field in HINTS:
        box.props(f'hint="{words(f"hint_{field}")}"')
    return box.props(f"outlined dense maxlength={FIELDS[field]}" + ("" if field in LINES else " autogrow"))
