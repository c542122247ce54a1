"""Dialogs that ask a person for words: the right answer to a question, or whether something is to go for good."""

from __future__ import annotations

from nicegui import ui

from luosi.web.frame import say
from luosi.web.words import Words

ANSWER_CHARS = 20_000
SUBMIT = "(event) => { event.preventDefault(); emit(); }"


async def ask_for_answer(words: Words, question: str, answer: str) -> str:
    """What the answer should have been; "" if the person thought better of it."""
    with ui.dialog() as dialog, ui.element("form").classes("card dialog") as form:
        say("h2", words("right_answer"))
        say("p", question).classes("said")
        box = ui.textarea(value=answer).props(f"outlined autogrow autofocus maxlength={ANSWER_CHARS}")
        box.props(f'aria-label="{words("right_answer")}"')
        buttons(words, words("save"))
        form.on("submit", lambda: dialog.submit(str(box.value or "").strip()), js_handler=SUBMIT)
        form.on("reset", lambda: dialog.submit(""))
    return str(await closed(dialog) or "")


async def confirm(words: Words, what: str, action: str) -> bool:
    """Whether the person means it."""
    with ui.dialog() as dialog, ui.element("form").classes("card dialog") as form:
        say("p", what).classes("said")
        buttons(words, action)
        form.on("submit", lambda: dialog.submit(True), js_handler=SUBMIT)
        form.on("reset", lambda: dialog.submit(False))
    return bool(await closed(dialog))


def buttons(words: Words, action: str) -> None:
    """What ends a form: its action, or nothing."""
    with ui.element("div").classes("actions"):
        ui.button(action).props("type=submit unelevated no-caps")
        ui.button(words("cancel")).props("type=reset flat no-caps")


async def closed(dialog: ui.dialog) -> object:
    """What the dialog was submitted with; None if it was left."""
    answer = await dialog
    if dialog.is_deleted:  # the page has gone
        return None
    dialog.delete()
    return answer
