"""The user's own questions: written, edited, imported and downloaded here, each with what is wrong with it; below them what people
have corrected, and what becomes of it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import orjson
from nicegui import events, ui

from luosi.artifacts.corpus import Question
from luosi.grading.questions import row_of
from luosi.serve.feedback import Feedback, Imported
from luosi.web.answered import expected
from luosi.web.corrections import Corrections
from luosi.web.dialogs import confirm
from luosi.web.findings import among_themselves, in_text
from luosi.web.frame import View, attempt, say, trouble
from luosi.web.question import Row, edit_question
from luosi.web.source import Unreadable, ask

PER_PAGE = 25
MAX_FILE_BYTES = 32 * 2**20
COMMANDS = (
    "luosi exam export questions.jsonl --pairs pairs.jsonl",
    "luosi new FILES... --questions questions.jsonl --corrections pairs.jsonl",
)
PICK = "() => getHtmlElement({id}).querySelector('input[type=file]').click()"


async def show(view: View) -> None:
    """Fill the page."""
    say("h1", view.words("questions"))
    try:
        feedback = await ask(view.site.workspace.feedback)
        page = Own(view, feedback)
        corrections = Corrections(view, feedback, page.load)
        await page.load()
        await page.offer_check()
        await corrections.load()
    except Unreadable as error:
        trouble(view, error)


class Own:
    """The list of own questions and what can be done with it."""

    def __init__(self, view: View, feedback: Feedback) -> None:
        self._view, self._words, self._feedback = view, view.words, feedback
        self._questions: Sequence[Question] = ()
        self._found: Mapping[str, Sequence[str]] = {}
        words = self._words
        with ui.element("section").classes("card"):
            with ui.element("div").classes("heading"):
                self._count = say("h2", "")
                ui.button(words("write_question"), on_click=partial(self._edit, None)).props("unelevated no-caps")
                upload = ui.upload(
                    on_upload=self._upload, on_rejected=self._reject, auto_upload=True, max_file_size=MAX_FILE_BYTES
                )
                upload.props("accept=.jsonl,.csv,.xlsx").classes("hidden")
                pick = ui.button(words("import_file")).props("outline no-caps")
                pick.on("click", js_handler=PICK.format(id=upload.id))
                self._download = ui.button(words("download_jsonl"), on_click=self._save).props("outline no-caps")
            self._checker = ui.element("div").classes("actions")
            self._said = ui.element("div").props("role=status")
            self._list = ui.element("div").classes("questions")
            self._pages = ui.pagination(1, 1, direction_links=True, on_change=self._draw).props("max-pages=7")
            ui.label(words("questions_hint")).classes("hint")
            for command in COMMANDS:
                ui.label(command).classes("command")

    async def load(self) -> None:
        """Read the questions again and draw them.

        Raises:
            Unreadable: The workspace could not give them.
        """
        self._questions = await ask(self._feedback.questions)
        self._found = among_themselves(self._questions, self._words)
        self._count.text = self._words("questions_count", count=len(self._questions))
        self._download.set_enabled(bool(self._questions))
        self._pages.max = max(1, -(-len(self._questions) // PER_PAGE))
        self._pages.set_visibility(self._pages.max > 1)
        self._pages.value = min(int(self._pages.value or 1), self._pages.max)
        self._draw()

    def _draw(self) -> None:
        begin = (int(self._pages.value or 1) - 1) * PER_PAGE
        self._list.clear()
        with self._list:
            for question in self._questions[begin : begin + PER_PAGE]:
                self._line(question)
            if not self._questions:
                ui.label(self._words("no_questions")).classes("big")

    def _line(self, question: Question) -> None:
        words = self._words
        place = words.place(question.file, question.page)
        facts = [words(f"grader_{question.grader}"), place, question.origin]
        with ui.element("article").classes("own"):
            with ui.element("div"):
                say("p", question.prompt).classes("prompt")
                say("p", expected(question)).classes("said")
                say("p", " · ".join(fact for fact in facts if fact)).classes("meta")
                for finding in self._found.get(question.id, ()):
                    say("p", finding).classes("warning")
            with ui.element("div").classes("actions"):
                ui.button(words("edit"), on_click=partial(self._edit, question)).props("flat dense no-caps")
                delete = ui.button(words("delete"), on_click=partial(self._delete, question))
                delete.props("flat dense no-caps color=negative")

    async def offer_check(self) -> None:
        """Let the questions be looked for in a recipe's text, and the recipe's own be brought in, where there is a recipe.

        Raises:
            Unreadable: The workspace could not name its recipes.
        """
        recipes = await ask(self._view.site.workspace.recipes)
        if recipes:
            with self._checker:
                recipe = ui.select(recipes, value=recipes[0], label=self._words("recipe")).props("outlined dense")
                recipe.classes("pick")
                button = ui.button(self._words("check_files")).props("outline no-caps")
                button.on_click(lambda: self._check(str(recipe.value), button))
                bring = ui.button(self._words("bring_in"), on_click=lambda: self._bring_in(str(recipe.value)))
                bring.props("outline no-caps")

    async def _check(self, recipe: str, button: ui.button) -> None:
        button.props("loading")
        try:
            self._found = in_text(await ask(self._view.site.workspace.check_questions, recipe), self._words)
        except Unreadable as error:
            ui.notify(self._words("failed_to_read", why=str(error)), type="negative", multi_line=True)
            return
        finally:
            button.props(remove="loading")
        self._draw()
        self._said.clear()
        with self._said:
            say("p", self._words("checked", count=sum(map(bool, self._found.values())), recipe=recipe))

    async def _bring_in(self, recipe: str) -> None:
        words = self._words
        try:
            file = await ask(self._view.site.workspace.questions_file, recipe)
            if file is None:
                ui.notify(words("asks_none", recipe=recipe), type="info")
                return
            done = await ask(self._feedback.import_questions, file)
        except Unreadable as error:
            ui.notify(words("failed_to_read", why=str(error)), type="negative", multi_line=True)
            return
        await self._again()
        self._tell(file.name, done)

    async def _edit(self, question: Question | None) -> None:
        async def put(row: Row) -> object:
            origin, known = (question.origin, question.id) if question else (self._words("written_here"), "")
            return await ask(self._feedback.put_question, row, id=known, origin=origin)

        if await edit_question(self._words, question, put):
            await self._again()

    async def _delete(self, question: Question) -> None:
        words = self._words
        if await confirm(words, words("delete_really", question=question.prompt), words("delete")) and await attempt(
            self._view, self._feedback.delete_question, question.id
        ):
            await self._again()

    async def _again(self) -> None:
        try:
            await self.load()
        except Unreadable as error:
            ui.notify(self._words("failed_to_read", why=str(error)), type="negative", multi_line=True)

    def _save(self) -> None:
        rows = b"".join(
            orjson.dumps(row_of(question), option=orjson.OPT_APPEND_NEWLINE) for question in self._questions
        )
        ui.download.content(rows, "questions.jsonl", "application/jsonl")

    def _reject(self) -> None:
        ui.notify(self._words("file_refused", size=MAX_FILE_BYTES // 2**20), type="negative")

    async def _upload(self, event: events.UploadEventArguments) -> None:
        event.sender.reset()
        try:
            done = await ask(import_file, self._feedback, event.file.name, await event.file.read())
        except Unreadable as error:
            ui.notify(self._words("failed_to_read", why=str(error)), type="negative", multi_line=True)
            return
        await self._again()
        self._tell(event.file.name, done)

    def _tell(self, name: str, done: Imported) -> None:
        words = self._words
        self._said.clear()
        with self._said:
            say("p", words("imported", name=name, added=done.added, same=done.same, refused=len(done.refused)))
            with ui.element("ul"):
                for origin, reason in done.refused:
                    say("li", f"{origin}: {reason}").classes("warning")


def import_file(feedback: Feedback, name: str, content: bytes) -> Imported:
    """Add the questions of a file that was uploaded as `name`.

    Raises:
        InputError: It cannot be read as questions.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (re.sub(r"[^\w. -]", "_", name)[-100:].strip(". ") or "questions")
        path.write_bytes(content)
        return feedback.import_questions(path)
