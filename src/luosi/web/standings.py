"""The leaderboard as tables: takes what the arena tells (`Board`), gives markup and sentences. Pure, no page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from luosi.cost import Money
from luosi.serve.arena import ALL, Board
from luosi.serve.battle_tables import Spent
from luosi.statistics.elo import UNTOLD
from luosi.web.figures import NONE, money, percent
from luosi.web.tables import badge, table, two_lines
from luosi.web.words import Words

Line = Mapping[str, Any]
NAMES = {"the same vote was there before": "left_out_same", "always takes one side": "left_out_side"}
"""What luosi.ranking calls the reasons for leaving votes out."""


def categories(board: Board, chosen: str, links: Mapping[str, str], words: Words) -> Markup:
    """Links to the categories with their votes, kind by kind."""
    groups: dict[str, list[Markup]] = {}
    for category, votes in board.categories:
        kind = category.partition(":")[0]
        current = Markup(' aria-current="page"') if category == chosen else ""
        link = Markup('<a href="{}"{}><bdi>{}</bdi> <small>{:,}</small></a>')
        groups.setdefault(kind, []).append(link.format(links[category], current, category_name(category, words), votes))
    parts = [
        Markup("<div>{}{}</div>").format(
            "" if kind == ALL else Markup("<span>{}</span>").format(words(f"kind_{kind}")), Markup("").join(found)
        )
        for kind, found in groups.items()
    ]
    return Markup('<nav class="kinds" aria-label="{}">{}</nav>').format(words("categories"), Markup("").join(parts))


def category_name(category: str, words: Words) -> str:
    """A category in words; topics and scripts not known here as they are called."""
    kind, _, value = category.partition(":")
    key = f"{kind}_{value}" if value else "every_vote"
    return words.known(key, value) if kind in ("language", "length") else value or words(key)


def summary(board: Board, words: Words) -> str:
    """How many votes, of how many people, and what follows where they are few."""
    said = [words("votes_of", votes=f"{board.votes:,}", voters=f"{board.voters:,}", prompts=f"{board.prompts:,}")]
    if board.category == ALL:
        said.append(words("battles_begun", count=f"{board.begun:,}", without=f"{board.begun - board.votes:,}"))
    if board.voters == 1:
        said.append(words("one_voter"))
    return words.text(said)


def islands(board: Board, words: Words) -> Markup:
    """A table for each island: models that no vote joins cannot be compared."""
    told = board.told or {"models": [], "islands": [], "flips": []}
    flips = {flip["above"]: flip for flip in told["flips"]}
    spread = [end for line in told["models"] for end in (line["low"], line["high"])]
    ends = (min(spread), max(spread)) if spread else (0.0, 1.0)
    parts = []
    for number, names in enumerate(told["islands"]):
        lines = [line for line in told["models"] if line["island"] == number]
        title = words("leaderboard") if len(told["islands"]) == 1 else words("island", number=number + 1)
        if len(told["islands"]) > 1:
            parts.append(
                Markup("<h2>{}</h2><p class=hint>{}</p>").format(title, words("island_hint", count=len(names)))
            )
        parts.append(_island(board, lines, flips, ends, title, words))
    return Markup('<div class="standings">{}</div>').format(Markup("").join(parts))


def _island(
    board: Board, lines: Sequence[Line], flips: Mapping[str, Line], ends: tuple[float, float], title: str, words: Words
) -> Markup:
    keys = [
        "model",
        "rating",
        "rating_95",
        "rating_anytime",
        "rank_interval",
        "votes",
        "arena_cost_1000",
        "votes_to_flip",
    ]
    doubted = any(line["rating_unfiltered"] is not None for line in lines)
    heads = [words(key) for key in keys] + ([words("unfiltered")] if doubted else [])
    unbounded = set((board.told or {})["unbounded"])
    rows = []
    for line in lines:
        marks = [badge("resume", words("provisional"))] if line["provisional"] else []
        marks += [badge("", words("unbounded"))] if line["model"] in unbounded else []
        marks += [] if line["model"] in board.served else [badge("", words("retired"))]
        name = Markup('<span class="place">{}</span> {} {}').format(
            line["rank"], named(line["model"]), Markup(" ").join(marks)
        )
        row = [
            name, whisker(line, ends), two_lines(_elo(line["rating"]), _range(line["low"], line["high"], words)),
            _range(line["anytime_low"], line["anytime_high"], words),
            str(line["rank_low"]) if line["rank_low"] == line["rank_high"] else f"{line['rank_low']}–{line['rank_high']}",
            two_lines(f"{line['votes']:,}", words("of_voters", count=line["voters"])), _cost(board.spent, line["model"], words),
            _flip(flips.get(line["model"]), words),
        ]  # fmt: skip
        rows.append(
            row + ([NONE if line["rating_unfiltered"] is None else _elo(line["rating_unfiltered"])] if doubted else [])
        )
    return table(title, heads, rows)


def named(model: str) -> Markup:
    """A model's name, however long and in whatever direction it is written: a few lines of it, the whole on pointing at it."""
    return Markup('<bdi class="named" title="{}">{}</bdi>').format(model, model)


def whisker(line: Line, ends: tuple[float, float]) -> Markup:
    """The rating as a mark, its 95 % interval as a bar, the anytime interval as a thin line, cut where the picture ends."""
    width = (ends[1] - ends[0]) or 1.0

    def place(value: float) -> float:
        return round(100 * min(1.0, max(0.0, (value - ends[0]) / width)), 2)

    parts = [
        Markup('<i class="{}" style="left:{}%;right:{}%"></i>').format(
            name, place(line[low]), round(100 - place(line[high]), 2)
        )
        for name, low, high in (
            ("thin", "anytime_low", "anytime_high"),
            ("thick", "low", "high"),
            ("at", "rating", "rating"),
        )
    ]
    return Markup('<span class="whisker" aria-hidden="true">{}</span>').format(Markup("").join(parts))


def _elo(value: float) -> str:
    return f"{value:,.0f}".replace("-", "−")


def _range(low: float, high: float, words: Words) -> str:
    return words("too_few_to_say") if high - low > UNTOLD else f"{_elo(low)} … {_elo(high)}"


def _cost(spent: Sequence[Spent], model: str, words: Words) -> str:
    """Mean cost of 1,000 of its whole answers in battles that may be told of, and of one; those without a price are said, not counted as
    nothing."""
    its = [one for one in spent if one.model == model]
    shown = [one for one in its if one.per_answer is not None]
    if not shown:
        return words("cost_unpriced") if its else NONE
    thousand = [Money(nano=-(-1000 * one.nano // one.answers), currency=one.currency).model_dump() for one in shown]
    each = [money(one.per_answer.model_dump()) for one in shown if one.per_answer]
    said = [words("each_answer", money=" + ".join(each))]
    if unpriced := sum(one.answers for one in its if one.per_answer is None):
        every = sum(one.answers for one in its)
        said.append(words("partly_unpriced", count=f"{unpriced:,}", all=f"{every:,}"))
    return two_lines(" + ".join(map(money, thousand)), "; ".join(said))


def _flip(flip: Line | None, words: Words) -> str:
    if flip is None:
        return NONE
    count = words("not_by_votes") if flip["votes"] is None else f"{flip['votes']:,}"
    return two_lines(count, "" if flip["checked"] or flip["votes"] is None else words("by_first_order"))


def trust(board: Board, words: Words) -> list[tuple[str, str]]:
    """What the figures rest on: (name, sentence)."""
    told = board.told
    if told is None:
        return []
    bias, ties, interval, rule = told["bias"], told["ties"], told["interval"], told["settings"]
    clusters = interval["clusters"]
    by = [words(f"clusters_{way}", count=f"{count:,}") for way, count in clusters.items()]
    sides = (
        words("sides_share", share=percent(bias["left_share"]))
        if bias["left_share"] is not None
        else words("sides_none")
    )
    effect = words(
        "sides_effect",
        elo=_signed(bias["elo"]),
        low=_signed(bias["low"]),
        high=_signed(bias["high"]),
        change=f"{bias['largest_change']:.0f}",
    )
    found = [
        ("intervals", words("clusters_are", by=words("and").join(by)) if by else words("clusters_none")),
        ("sides", words.text([sides, effect])),
        ("ties", words("ties_are", count=f"{ties['votes']:,}", how=words.known(f"ties_{ties['treatment']}", ties["treatment"]))),
        ("provisional", words("provisional_rule", votes=rule["least_votes"], elo=f"{rule['widest']:.0f}")),
    ]  # fmt: skip
    return [*found, ("left_out", _left_out(told, words))]


def _left_out(told: Line, words: Words) -> str:
    said = [
        words("left_out_line", count=f"{one['votes']:,}", why=words(NAMES[one["reason"]]) if one["reason"] in NAMES else one["reason"], voter=one["voter"] or NONE)
        for one in told["filtered"]
    ]  # fmt: skip
    said += [words("refused_line", count=f"{count:,}", why=why) for why, count in told["refused"].items()]
    return words.text(said) if said else words("left_out_none")


def _signed(value: float) -> str:
    return f"{value:+.0f}".replace("-", "−")


def entries(board: Board, words: Words) -> Markup:
    """Every model that ever stood in a battle, whether it is served now or not."""
    keys = ("model", "state", "first_battle", "last_battle", "battles", "votes", "answers_failed", "answers_cut")
    heads = [words(key) for key in keys]
    rows = [
        [
            named(one.model),
            _state(board, one.model, words),
            one.first[:16].replace("T", " "), one.last[:16].replace("T", " "), f"{one.battles:,}", f"{one.votes:,}",
            f"{one.failed:,}", f"{one.cut:,}",
        ]
        for one in board.entries
    ]  # fmt: skip
    return table(words("every_entry"), heads, rows)


def _state(board: Board, model: str, words: Words) -> Markup:
    if model not in board.served:
        return badge("", words("retired"))
    return badge("ready", words("drawn_now")) if board.served[model] else badge("down", words("resting"))


def pairs(board: Board, words: Words) -> Markup:
    """How often each pair was drawn, and with which chance."""
    heads = [words(key) for key in ("the_pair", "battles", "votes", "chance")]
    rows = [
        [
            Markup(" · ").join(map(named, one.models)),
            f"{one.battles:,}", f"{one.votes:,}",
            percent(one.least, 1) if one.least == one.most else f"{percent(one.least, 1)} … {percent(one.most, 1)}",
        ]
        for one in board.drawn
    ]  # fmt: skip
    return table(words("how_drawn"), heads, rows)
