"""What the arena tells after the vote: who stood where, what each took, why one failed, and how the leaderboard moved."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from nicegui import ui

from luosi.artifacts.answers import Cited
from luosi.cost import Money
from luosi.serve.arena import Moved
from luosi.serve.battles import SIDES, Answer, Battle, Side
from luosi.serve.prices import exact
from luosi.web.answer import show_passages
from luosi.web.figures import NONE, duration
from luosi.web.frame import View, say
from luosi.web.standings import named
from luosi.web.words import Words

LETTERS: dict[Side, str] = {"left": "A", "right": "B"}


def show_reveal(view: View, battle: Battle, moved: Sequence[Moved]) -> None:
    """Two cards, and a line for each other model whose rank changed."""
    words = view.words
    said = words(f"voted_{battle.outcome}" if battle.outcome else "arena_spoiled" if battle.spoiled else "arena_late")
    with ui.element("section").classes("reveal card").props(f'aria-label="{words("arena_reveal")}"'):
        say("h2", said)
        with ui.element("div").classes("pair"):
            for side in SIDES:
                _show_side(words, battle, side, next((one for one in moved if one.model == battle.model(side)), None))
        pair = {battle.pairing.left, battle.pairing.right}
        for one in moved:
            if one.model not in pair and one.rank_before is not None:
                line = words("moved_too", model=one.model[:60], before=one.rank_before, after=one.rank)
                ui.label(line).classes("meta")
        ui.link(words("to_leaderboard"), view.link(name="leaderboard")).classes("action")


def _show_side(words: Words, battle: Battle, side: Side, moved: Moved | None) -> None:
    answers = [turn.answers[side] for turn in battle.turns if side in turn.answers]
    won = battle.outcome == side
    with ui.element("div").classes("side won" if won else "side"):
        with ui.element("p").classes("name"):
            say("span", words("arena_side", letter=LETTERS[side])).classes("badge hit" if won else "badge")
            ui.html(Markup("<strong>{}</strong>").format(named(battle.model(side))), tag="span")
        with ui.element("dl").classes("facts"):
            for key, value in (
                ("rating", rating_line(words, moved)),
                ("arena_cost", cost_of(answers, words)),
                ("arena_tokens", tokens_of(answers)),
                ("time", duration(sum(one.seconds for one in answers)) if answers else NONE),
            ):
                say("dt", words(key))
                say("dd", value)
        for trouble in dict.fromkeys(one.trouble for one in answers if one.trouble):
            say("p", words("failed", why=trouble)).classes("meta error")
        show_passages([Cited.model_validate(dict(row)) for one in answers for row in one.passages], words)


def rating_line(words: Words, moved: Moved | None) -> str:
    """Rating and rank before and after."""
    if moved is None:
        return NONE
    if moved.rating_before is None or moved.rank_before is None:
        return words("rated_first", rating=f"{moved.rating:.0f}", rank=moved.rank)
    change = f"{moved.rating - moved.rating_before:+.0f}".replace("-", "−")
    ranks = str(moved.rank) if moved.rank == moved.rank_before else f"{moved.rank_before} → {moved.rank}"
    return words("rated", before=f"{moved.rating_before:.0f}", after=f"{moved.rating:.0f}", change=change, rank=ranks)


def cost_of(answers: Sequence[Answer], words: Words) -> str:
    """What all turns cost; said to be unknown where one's cost is."""
    costs = [one.cost for one in answers if one.cost is not None]
    if len(costs) < len(answers) or not costs or len({cost.currency for cost in costs}) > 1:
        return words("unknown")
    return exact(Money(nano=sum(cost.nano for cost in costs), currency=costs[0].currency))


def tokens_of(answers: Sequence[Answer]) -> str:
    """Prompt and answer tokens of all turns."""
    used = [one.usage for one in answers if one.usage is not None]
    if len(used) < len(answers) or not used:
        return NONE
    return f"{sum(one.prompt_tokens for one in used):,} + {sum(one.completion_tokens for one in used):,}"
