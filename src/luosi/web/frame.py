"""What all pages share: head, navigation, the choice of language and of recipe, and how a page says that it has nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from luosi.serve.arena import Arena
from luosi.serve.gateway import Gateway
from luosi.serve.prompts import Prompt
from luosi.web.source import Unreadable, Workspace, ask
from luosi.web.words import LANGUAGES, Language, Words

PAGES = ("chat", "arena", "leaderboard", "runs", "verdict", "questions", "bill", "plan")
STYLE = (Path(__file__).parent / "style.css").read_text(encoding="utf-8")
SCRIPT = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Site:
    """What the pages are about."""

    workspace: Workspace
    gateway: Gateway
    prompts: tuple[Prompt, ...] = ()
    """The arena's pool, beside the user's own questions."""
    _open: list[Arena] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    async def arena(self) -> Arena:
        """The one arena of all pages, opened when first asked for. Raises Unreadable."""
        return cast(Arena, await ask(self._arena))

    def _arena(self) -> Arena:
        with self._lock:
            if not self._open:
                self._open.append(Arena(self.workspace.battles(), self._served))
            return self._open[0]

    def _served(self) -> dict[str, bool]:
        return {name: model.upstream.state == "ready" for name, model in self.gateway.models.items()}


@dataclass(frozen=True)
class View:
    """One page as one person asked for it; `recipe` is "" until one is chosen."""

    site: Site
    name: str
    words: Words
    recipe: str
    category: str = ""
    """Of the leaderboard; "" for all votes."""

    def link(
        self,
        *,
        name: str = "",
        language: Language | None = None,
        recipe: str | None = None,
        category: str | None = None,
    ) -> str:
        """The address of this page, with something changed."""
        asked = {
            "recipe": self.recipe if recipe is None else recipe,
            "category": ("" if name else self.category) if category is None else category,
        }
        given = urlencode({key: value for key, value in asked.items() if value}, quote_via=quote)
        return f"/{language or self.words.language}/{name or self.name}{'?' + given if given else ''}"


@contextlib.contextmanager
def frame(view: View) -> Iterator[None]:
    """The page around its content."""
    words = view.words
    ui.colors(primary="#0b63a5", negative="#b3261e")
    ui.add_head_html(f"<style>{STYLE}</style><script>{SCRIPT}</script>")
    with ui.element("header").classes("top"):
        ui.link("Luosi 螺丝", view.link(name="chat")).classes("brand")
        with ui.element("nav").props('aria-label="Luosi"').classes("pages"):
            for name in PAGES:
                link = ui.link(words(name), view.link(name=name))
                if name == view.name:
                    link.props('aria-current="page"')
        for language, label in LANGUAGES.items():
            if language != words.language:
                ui.link(label, view.link(language=language)).props(f"lang={language}").classes("language")
    with ui.element("div").classes(f"page {view.name}") as content:
        yield
    ui.skip_link(words("skip"), target=content)


async def choose_recipe(view: View) -> str:
    """The recipe this page is about: the one asked for, or the latest; "" if there is none, which the page then says."""
    words = view.words
    try:
        names = await ask(view.site.workspace.recipes)
    except Unreadable as error:
        trouble(view, error)
        return ""
    if not names:
        nothing(words("no_recipes"), words("no_recipes_hint"), "luosi new FILES... -o my.toml && luosi run my.toml")
        return ""
    with ui.element("div").classes("heading"):
        say("h1", words(view.name))
        chosen = view.recipe if view.recipe in names else names[0]
        picker = (
            ui.select(names, value=chosen, label=words("recipe")).props("outlined dense options-dense").classes("pick")
        )
        picker.on_value_change(lambda event: ui.navigate.to(view.link(recipe=event.value)))
    if view.recipe and view.recipe not in names:
        ui.label(words("unknown_recipe", name=view.recipe)).classes("notice").props("role=alert")
    return str(chosen)


def say(tag: str, text: str) -> Any:
    """An element that holds only text."""
    return TextElement(tag=tag, text=text)


def nothing(what: str, hint: str, command: str) -> None:
    """A page without content, and what to do about it."""
    with ui.element("section").classes("card empty"):
        ui.label(what).classes("big")
        ui.label(hint)
        ui.label(command).classes("command")


async def attempt(view: View, method: Callable[..., Any], *arguments: object, **named: object) -> bool:
    """Have the workspace keep something; whether it did, which the page then says if not."""
    try:
        await ask(method, *arguments, **named)
    except Unreadable as error:
        ui.notify(view.words("failed_to_keep", why=str(error)), type="negative", multi_line=True)
        return False
    return True


def trouble(view: View, error: Exception) -> None:
    """What could not be read, and why."""
    ui.label(view.words("failed_to_read", why=str(error))).classes("notice").props("role=alert")
