"""One route's answer to one question as the verdict's list shows it: words, mark, citations, and two buttons to mark it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from markupsafe import Markup
from nicegui import ui

from luosi.artifacts.answers import Answered, Cited
from luosi.web.answered import RIGHT, Round, said
from luosi.web.figures import percent
from luosi.web.frame import say
from luosi.web.routes import Named
from luosi.web.words import Words


class Card:
    """The answer of `route` in `one`; `keep` is told a person's mark and says whether it could be kept."""

    def __init__(self, words: Words, one: Round, route: Named, keep: Callable[[str, bool], Awaitable[bool]]) -> None:
        self._words, self._round, self._route, self._keep = words, one, route, keep
        self._arm = route.row["arm"]
        with ui.element("article").classes("answer"):
            with ui.element("header"):
                ui.html(route.sign.html, tag="span")
                say("strong", route.name)
                self._mark = ui.html("", tag="span")
            answer = one.answers.get(self._arm)
            if answer is None:
                self._buttons: dict[bool, ui.button] = {}
            else:
                self._fill(answer)
        self._look()

    def _fill(self, answer: Answered) -> None:
        words = self._words
        if answer.trouble:
            say("p", answer.trouble).classes("meta error")
        else:
            say("p", said(self._round.question, answer) or words("no_words")).classes("said")
        show_passages(answer.passages, words)
        with ui.element("div").classes("marking"):
            self._buttons = {
                right: ui.button(words("mark_right" if right else "mark_wrong"), on_click=partial(self._press, right))
                for right in (True, False)
            }
            for button in self._buttons.values():
                button.props("flat dense no-caps")
            if answer.judgement is not None:
                first, second = words.mark(answer.judgement.first), words.mark(answer.judgement.second)
                ui.label(words("by_judge", first=first, second=second)).classes("meta")

    def _look(self) -> None:
        person = self._round.marks.get(self._arm)
        self._mark.set_content(str(mark_badge(self._round.answers.get(self._arm), person, self._words)))
        for right, button in self._buttons.items():
            chosen = person is right
            button.props(f"aria-pressed={str(chosen).lower()}").classes(
                add="chosen" if chosen else "", remove="" if chosen else "chosen"
            )

    async def _press(self, right: bool) -> None:
        if await self._keep(self._arm, right):
            self._look()


def mark_badge(answer: Answered | None, person: bool | None, words: Words) -> Markup:
    """How an answer is marked, in colour and in words."""
    if answer is None:
        return Markup('<span class="badge">{}</span>').format(words("not_asked"))
    if person is not None:
        text, state = words("by_person", mark=words.mark(person)), person
    elif answer.trouble:
        text, state = words("not_answered"), False
    elif 0 < answer.mark < 1:
        text, state = words("partly", share=percent(answer.mark)), answer.mark >= RIGHT
    else:
        text, state = words.mark(answer.mark >= RIGHT), answer.mark >= RIGHT
    return Markup('<span class="badge {}">{} {}</span>').format("right" if state else "wrong", tick(state), text)


def tick(right: bool | None) -> str:
    """A mark as a sign."""
    return "·" if right is None else "✓" if right else "✕"


def strip(routes: Iterable[Named], one: Round, words: Words) -> Markup:
    """Every route's letter with its mark, for the eye and for screen readers."""
    line = Markup('<span class="ticked {}">{}<i aria-hidden="true">{}</i><span class="unseen">{}</span></span>')
    shown = []
    for route in routes:
        right = one.right(route.row["arm"])
        said_of = words("not_asked") if right is None else words.mark(right)
        state = "" if right is None else "right" if right else "wrong"
        shown.append(line.format(state, route.sign.html, tick(right), f"{route.name}: {said_of}; "))
    return Markup("").join(shown)


def show_passages(passages: Iterable[Cited], words: Words) -> None:
    """Each passage as file and page, to be opened; those the answer rests on first."""
    ordered = sorted(passages, key=lambda passage: not passage.cited)
    if ordered:
        with ui.element("div").classes("passages"):
            for passage in ordered:
                key = "cited_place" if passage.cited else "shown_place"
                with ui.element("details").classes("passage cited" if passage.cited else "passage"):
                    say("summary", words(key, place=words.place(passage.file, passage.page)))
                    with ui.element("blockquote"):
                        if passage.heading:
                            say("strong", passage.heading)
                        say("p", passage.text)
