"""Every question of the race: who answered what, from which page of which file, with its mark; a person can mark answers and correct
what was expected. A question's answers are drawn when it is opened, and a page holds `PER_PAGE` questions: the list may be long.
"""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from luosi.grading.questions import SOURCE
from luosi.serve.feedback import Feedback
from luosi.web.answer import Card, strip
from luosi.web.answered import Round, expected, judge_and_people, kinds, rounds
from luosi.web.dialogs import ask_for_answer
from luosi.web.frame import View, attempt, say, trouble
from luosi.web.routes import Named, best
from luosi.web.source import Unreadable, ask

PER_PAGE = 25


async def show_questions(view: View, recipe: str, routes: Sequence[Named]) -> None:
    """A card with the list; nothing where there was no race."""
    workspace = view.site.workspace
    try:
        asked = await ask(workspace.answers, recipe)
        feedback = await ask(workspace.feedback)
        marks, own = await ask(feedback.marks, recipe), await ask(feedback.questions)
    except Unreadable as error:
        trouble(view, error)
        return
    if asked:
        with ui.element("section").classes("card"):
            Questions(view, recipe, feedback, routes, rounds(asked, marks, own))


class Questions:
    """The list as it is looked at."""

    def __init__(
        self, view: View, recipe: str, feedback: Feedback, routes: Sequence[Named], made: Sequence[Round]
    ) -> None:
        self.view, self.words, self.recipe, self.feedback, self.rounds = view, view.words, recipe, feedback, made
        self.routes = [route for route in routes if route.get("arm")]
        top = best(self.routes)
        self._kinds = kinds(top.row["arm"] if top else "")
        words = self.words
        with ui.element("div").classes("heading"):
            say("h2", words("every_question"))
            self._kind = ui.select(self._counted(), value="all", label=words("show")).props("outlined dense")
        self._kind.classes("pick")
        self._judge = ui.label().classes("hint").props("aria-live=polite")
        self._list = ui.element("div").classes("questions")
        self._pages = ui.pagination(1, 1, direction_links=True, on_change=self._draw).props("max-pages=7")
        self._kind.on_value_change(self._narrow)
        self._narrow()
        self._show_judge()

    def _counted(self) -> dict[str, str]:
        return {kind: self.words(kind, count=sum(map(fits, self.rounds))) for kind, fits in self._kinds.items()}

    def _narrow(self) -> None:
        self._shown = [one for one in self.rounds if self._kinds[self._kind.value](one)]
        self._pages.max = max(1, -(-len(self._shown) // PER_PAGE))
        self._pages.set_visibility(self._pages.max > 1)
        self._pages.value = 1
        self._draw()

    def _draw(self) -> None:
        begin = (int(self._pages.value or 1) - 1) * PER_PAGE
        self._list.clear()
        with self._list:
            for one in self._shown[begin : begin + PER_PAGE]:
                Asked(self, one)
            if not self._shown:
                ui.label(self.words("no_such_question")).classes("hint")

    def _show_judge(self) -> None:
        judge, found = judge_and_people(self.rounds)
        agreed = round(found.n * (found.share or 0))
        key = "judge_agrees" if found.n else "judge_unchecked"
        self._judge.text = self.words(key, judge=judge, agreed=agreed, count=found.n)
        self._judge.set_visibility(bool(judge))

    async def mark(self, one: Round, arm: str, right: bool) -> bool:
        """Keep a person's mark; whether that was possible."""
        text = one.answers[arm].text
        if not await attempt(self.view, self.feedback.mark, self.recipe, arm, one.question.id, right, answer=text):
            return False
        one.marks[arm] = right
        self._kind.set_options(self._counted(), value=self._kind.value)
        self._show_judge()
        return True

    async def correct(self, one: Round) -> bool:
        """Ask what should have been expected and keep it; whether that was done."""
        question = one.question
        now = one.correction or expected(question)
        answer = await ask_for_answer(self.words, question.prompt, now)
        about = {"model": "", "recipe": self.recipe, "where": "verdict", "asked": question}
        if not answer or not await attempt(self.view, self.feedback.correct, question.prompt, now, answer, **about):
            return False
        one.correction = answer
        return True


class Asked:
    """One question: a line with every route's mark, and when opened its answers."""

    def __init__(self, questions: Questions, one: Round) -> None:
        self._all, self._words, self._round = questions, questions.words, one
        self._drawn = False
        with ui.element("details").classes("question") as details:
            with ui.element("summary"):
                say("span", f"{one.number}. {one.question.prompt}").classes("prompt")
                self._strip = ui.html("", tag="span").classes("strip")
            self._body = ui.element("div").classes("answers")
        details.on("toggle", self._open)
        self._show_strip()

    def _show_strip(self) -> None:
        self._strip.set_content(str(strip(self._all.routes, self._round, self._words)))

    def _open(self) -> None:
        if self._drawn:
            return
        self._drawn = True
        with self._body:
            with ui.element("div").classes("expected"):
                self._facts = ui.element("dl").classes("facts")
                if self._round.question.source == SOURCE:
                    ui.button(self._words("correct_expected"), on_click=self._correct).props("flat dense no-caps")
            for route in self._all.routes:
                Card(self._words, self._round, route, self._keep)
        self._show_facts()

    def _show_facts(self) -> None:
        words, question = self._words, self._round.question
        place = words.place(question.file, question.page)
        facts = {
            "expected": expected(question), "corrected_to": self._round.correction, "stands_in": place,
            "marked_by": words(f"grader_{question.grader}"), "comes_from": question.origin,
        }  # fmt: skip
        self._facts.clear()
        with self._facts:
            for key, text in facts.items():
                if text:
                    say("dt", words(key))
                    say("dd", text)

    async def _keep(self, arm: str, right: bool) -> bool:
        kept = await self._all.mark(self._round, arm, right)
        self._show_strip()
        return kept

    async def _correct(self) -> None:
        if await self._all.correct(self._round):
            self._show_facts()
