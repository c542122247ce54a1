"""The pages mounted beside the gateway's API in one server. Every asset comes out of the nicegui wheel; nothing is fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nicegui import ui
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from luosi.serve.prompts import Prompt
from luosi.web import arena, bill, chat, leaderboard, plan, questions, runs, verdict
from luosi.web.exported import votes
from luosi.web.frame import Site, View, frame
from luosi.web.printed import report
from luosi.web.source import Workspace
from luosi.web.words import LANGUAGES, TAGS, Language, Words

SHOW: dict[str, Callable[[View], Awaitable[None]]] = {
    "chat": chat.show,
    "arena": arena.show,
    "leaderboard": leaderboard.show,
    "runs": runs.show,
    "verdict": verdict.show,
    "questions": questions.show,
    "bill": bill.show,
    "plan": plan.show,
}
BUILD_S = 60.0
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="#0b63a5"/>'
    '<path d="M7 16h18M16 7v18" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>'
)


def mount(app: Starlette, workspace: Workspace, prompts: Sequence[Prompt] = ()) -> None:
    """Add the pages to a gateway made by `luosi.serve.create_app`; once per process, for NiceGUI's pages are global.

    Args:
        app: The gateway.
        workspace: Where the pages read.
        prompts: The arena's pool, beside the user's own questions.
    """
    site = Site(workspace, app.state.gateway, tuple(prompts))
    for language in LANGUAGES:
        for name in SHOW:
            add_page(site, name, language)
        app.router.routes.append(Route(f"/{language}/report.{{form}}", partial(report, workspace, language)))
    app.router.routes.append(Route("/arena/votes.{form}", partial(votes, workspace)))
    app.router.routes.append(Route("/", to_first_page))
    ui.run_with(app, title="Luosi", favicon=ICON, tailwind=False, show_welcome_message=False, reconnect_timeout=10.0)


def add_page(site: Site, name: str, language: Language) -> None:
    """Register one page in one language."""
    words = Words(language)

    async def page(recipe: str = "", category: str = "") -> None:
        view = View(site, name, words, recipe, category)
        with frame(view):
            await SHOW[name](view)

    title = f"{words(name)} · Luosi"
    ui.page(f"/{language}/{name}", title=title, language=TAGS[language], response_timeout=BUILD_S)(page)


async def to_first_page(request: Request) -> Response:
    """/ leads to the chat, or to the runs where no model is served, in the browser's language."""
    language = "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
    name = "chat" if request.app.state.gateway.models else "runs"
    return RedirectResponse(f"/{language}/{name}", status_code=307)
