"""The arena: which two models meet, what the votes say so far, and all that an honest leaderboard shows of them.

Takes the store of battles and the served models' names; pairs are drawn by `luosi.ranking.Chooser`, positions balanced, the chance
kept with the battle. Who pays for what is not known here. Up to `AFRESH` votes every vote ranks all of them from the start, beyond that
it refits at once and the whole is ranked again after each hundredth more. Blocks, one thread at a time: not for the event loop. numpy
is imported when the first pair is drawn.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from luosi.errors import InputError, LuosiError
from luosi.serve.battle_tables import Drawn, Entry, Spent
from luosi.serve.battles import OWN, Answer, Battle, Battles, Outcome, Pairing, Side
from luosi.serve.categories import KINDS, language, length
from luosi.serve.prompts import cleaned, prompt_id

if TYPE_CHECKING:
    from luosi.ranking import Chooser, Ranking, Rated

AFRESH = 5_000
"""Votes up to which everything is ranked from the start: 30 ms of CPU."""
SHARE = 0.01
CHECKED = 3
"""Neighbours whose votes to flip are checked by refitting."""
RESTS_S = 60.0
"""A model that could not be reached is not drawn for so long."""
MOST_BOARDS = 200
"""Categories kept in memory."""
ALL = "all"
Row = dict[str, Any]


@dataclass(frozen=True)
class Moved:
    """A model before and after a vote; before is None where it was not ranked."""

    model: str
    rating: float
    rank: int
    rating_before: float | None
    rank_before: int | None


@dataclass(frozen=True)
class Board:
    """Everything the leaderboard tells of one category."""

    category: str
    ranking: Ranking | None
    told: Row | None
    """`Ranking.as_dict`; None where nothing can be ranked."""
    trouble: str
    """Why not, where there are votes."""
    votes: int
    voters: int
    prompts: int
    begun: int
    """Battles of all categories, voted on or not."""
    entries: tuple[Entry, ...]
    """Every model that stood in any battle, of whatever category."""
    served: Mapping[str, bool]
    """Models that are served now, and whether they can be drawn."""
    spent: tuple[Spent, ...]
    drawn: tuple[Drawn, ...]
    categories: tuple[tuple[str, int], ...]
    """(category, votes): "all", and each kind's own as "language:zh"."""
    number: int
    """Of the latest vote: another one means news."""


class Arena:
    """Draws pairs, takes votes, ranks.

    Args:
        store: Where battles are kept.
        models: Those that are served, and whether they can answer now.
    """

    def __init__(self, store: Battles, models: Callable[[], Mapping[str, bool]]) -> None:
        self.store = store
        self._models = models
        self._lock = threading.RLock()
        self._rows: list[Row] = []
        self._ranking: Ranking | None = None
        self._trouble = ""
        self._since = 0
        self._begun = 0
        self._chooser: Chooser | None = None
        self._chosen_for: tuple[object, tuple[str, ...]] = (None, ())
        self._resting: dict[str, float] = {}
        self._boards: dict[str, Board] = {}

    def ready(self) -> list[str]:
        """Models that can be drawn: they can answer, and have not failed a moment ago."""
        now = time.monotonic()
        return [name for name, able in self._models().items() if able and self._resting.get(name, 0.0) <= now]

    def begin(self, voter: str, session: str, prompt: object, *, source: str = OWN, topic: str = "") -> Battle:
        """Draw two models for this first prompt.

        Raises:
            InputError: The prompt is empty or too long, or fewer than two models can answer.
        """
        text = cleaned(prompt)
        with self._lock:
            self._catch_up()
            ready = self.ready()
            if len(ready) < 2:
                raise InputError(
                    f"{len(ready)} models can answer now ({', '.join(ready)[:200] or 'none'}); a battle needs two",
                    hint="serve more: luosi serve MODEL MODEL, or --upstream NAME=URL",
                )
            pair = self._choose(ready).draw()
        pairing = Pairing(
            voter=voter, session=session, prompt=prompt_id(text), language=language(text), length=length(text), topic=topic,
            left=pair.left, right=pair.right, propensity=pair.propensity,
        )  # fmt: skip
        return self.store.begin(pairing, text, source)

    def ask(self, battle: int, prompt: object, *, source: str = OWN) -> Battle:
        """One turn more for both. Raises InputError as `begin` and `Battles.ask`."""
        return self.store.ask(battle, cleaned(prompt), source)

    def answer(self, battle: Battle, answers: Mapping[Side, Answer], *, down: Iterable[Side] = ()) -> Battle:
        """Keep the answers to the latest turn; sides that could not be reached rest for a moment."""
        for side in down:
            self._resting[battle.model(side)] = time.monotonic() + RESTS_S
        return self.store.answer(battle.id, len(battle.turns), answers)

    def vote(self, battle: int, outcome: Outcome) -> tuple[Battle, list[Moved]]:
        """Keep the vote and rank: the battle as it is now, and how its two models and others moved, best first.

        Raises:
            InputError: As `Battles.vote`.
        """
        with self._lock:
            self._catch_up()
            before = {line.model: line for line in self._lines()}
            voted = self.store.vote(battle, outcome)
            self._catch_up()
            pair = {voted.pairing.left, voted.pairing.right}
            return voted, [
                _moved(line, before.get(line.model))
                for line in self._lines()
                if line.model in pair or (line.model in before and before[line.model].rank != line.rank)
            ]

    def ranking(self, category: str = ALL) -> Ranking | None:
        """The ranking of a category; None before its first vote that can be used."""
        with self._lock:
            self._catch_up()
            return self._ranking if category == ALL else self._ranked(self._of(category))[0]

    def number(self) -> int:
        """Of the latest vote, of whatever process: it grows with each."""
        with self._lock:
            self._catch_up()
            return self._rows[-1]["id"] if self._rows else 0

    def board(self, category: str = ALL) -> Board:
        """What the leaderboard tells of a category; made anew when there is news."""
        with self._lock:
            self._catch_up()
            ready = self.ready()
            begun, served = self.store.count(), {name: name in ready for name in self._models()}
            known = self._boards.get(category)
            if len(self._boards) > MOST_BOARDS:  # a category may be called anything in an address
                self._boards.clear()
            if known is None or (known.begun, known.served) != (begun, served):
                known = self._boards[category] = self._board(category, begun, served)
            return known

    def _board(self, category: str, begun: int, served: Mapping[str, bool]) -> Board:
        rows = self._of(category)
        found, trouble = (self._ranking, self._trouble) if category == ALL else self._ranked(rows)
        return Board(
            category=category,
            ranking=found,
            told=found.as_dict(check=CHECKED) if found else None,
            trouble=trouble,
            votes=len(rows),
            voters=len({row["voter"] for row in rows}),
            prompts=len({row["prompt"] for row in rows}),
            begun=begun,
            entries=tuple(self.store.entries()),
            served=served,
            spent=tuple(self.store.spent()),
            drawn=tuple(self.store.drawn()),
            categories=self._categories(),
            number=self._rows[-1]["id"] if self._rows else 0,
        )

    def _categories(self) -> tuple[tuple[str, int], ...]:
        counts: dict[str, int] = {}
        for kind in KINDS:
            own: dict[str, int] = {}
            for row in self._rows:
                if row[kind]:
                    own[f"{kind}:{row[kind]}"] = own.get(f"{kind}:{row[kind]}", 0) + 1
            counts |= dict(sorted(own.items(), key=lambda one: -one[1]))
        return ((ALL, len(self._rows)), *counts.items())

    def _of(self, category: str) -> list[Row]:
        if category == ALL:
            return self._rows
        kind, _, value = category.partition(":")
        return [row for row in self._rows if kind in KINDS and row[kind] == value]

    def _lines(self) -> Sequence[Rated]:
        return self._ranking.models if self._ranking else ()

    def _choose(self, ready: Sequence[str]) -> Chooser:
        from luosi.ranking import Chooser

        wanted = (self._ranking, tuple(ready))
        if self._chooser is None or self._chosen_for != wanted:
            self._chooser, self._chosen_for = Chooser(self._ranking, ready), wanted
        return self._chooser

    def _catch_up(self) -> None:
        """Take in the votes that came since, of this process and of others."""
        new = self.store.votes(self._rows[-1]["id"] if self._rows else 0)
        if not new:
            return
        self._rows += new
        self._since += len(new)
        self._boards.clear()
        if len(self._rows) > AFRESH and self._since < SHARE * len(self._rows) and self._ranking:
            from luosi.ranking import as_votes

            self._ranking = self._ranking.refit(as_votes(new))
        else:
            self._since = 0
            self._ranking, self._trouble = self._ranked(self._rows)

    def _ranked(self, rows: Sequence[Row]) -> tuple[Ranking | None, str]:
        """The ranking of these votes, or why there is none."""
        if not rows:
            return None, ""
        from luosi.ranking import rank

        try:
            return rank(rows), ""
        except LuosiError as error:
            return None, str(error)


def _moved(line: Rated, before: Rated | None) -> Moved:
    rating, rank = (before.rating, before.rank) if before else (None, None)
    return Moved(line.model, line.rating, line.rank, rating, rank)
