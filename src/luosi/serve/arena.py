"""The arena: which two models meet, what the votes say so far, and all that an honest leaderboard shows of them.

Takes the store of battles and the served models' names; pairs are drawn by `luosi.ranking.Chooser`, a coin decides who stands left, the
chance is kept with the battle. Who pays for what is not known here. Up to `AFRESH` votes every vote ranks all of them from the start,
beyond that it refits at once and the whole is ranked again after each hundredth more. Blocks: not for the event loop; battles and votes
one thread at a time, and they wait for no board that is being made. numpy is imported when the first pair is drawn.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from luosi.errors import InputError, LuosiError
from luosi.serve.battle_tables import Drawn, Entry, Spent
from luosi.serve.battles import OWN, Answer, Battle, Battles, Outcome, Pairing, Row, Side
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
COUNTS_S = 60.0
"""Without a new vote nothing is counted over all battles again for so long."""
MOST_BOARDS = 200
"""Categories kept in memory."""
ALL = "all"
_Ranked = tuple["Ranking | None", str]
"""A ranking, or why there is none."""


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
    """Models that are served now, and whether they can answer. Who rests because an answer failed is not told: it stands in a battle that
    may still be open."""
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
        self._making = threading.Lock()
        """Held while a board is made, so that it is made once; never asked for by who holds the other."""
        self._rows: list[Row] = []
        self._ranking: Ranking | None = None
        self._trouble = ""
        self._since = 0
        self._chooser: Chooser | None = None
        self._chosen_for: tuple[object, tuple[str, ...]] = (None, ())
        self._resting: dict[str, float] = {}
        self._boards: dict[str, Board] = {}
        self._counted: tuple[int, float, dict[str, Any]] | None = None

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
                    f"{len(ready)} models can answer now; a battle needs two",
                    hint="serve more: luosi serve MODEL MODEL, or --upstream NAME=URL",
                )
            pair = self._choose(ready).draw()
        pairing = Pairing(
            voter=voter, session=session, prompt=prompt_id(text), language=language(text), length=length(text), topic=topic,
            left=pair.left, right=pair.right, propensity=pair.propensity, drawable=pair.drawable,
        )  # fmt: skip
        return self.store.begin(pairing, text, source)

    def ask(self, battle: Battle, prompt: object, *, source: str = OWN) -> Battle:
        """One turn more for both after those of this battle. Raises InputError as `begin` and `Battles.ask`."""
        return self.store.ask(battle.id, cleaned(prompt), source, after=len(battle.turns))

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

    def board(self, category: str = ALL) -> Board:
        """What the leaderboard tells of a category; made anew when there is news."""
        with self._making:
            with self._lock:
                self._catch_up()
                rows, whole = list(self._rows), (self._ranking, self._trouble)
            known = self._boards.get(category)
            number = rows[-1]["id"] if rows else 0
            begun, served = self.store.count(), dict(self._models())
            if known is None or known.number != number:
                if len(self._boards) > MOST_BOARDS:  # a category may be called anything in an address
                    self._boards.clear()
                known = self._boards[category] = self._board(category, rows, whole, begun, served)
            elif (known.begun, known.served) != (begun, served):
                known = self._boards[category] = replace(known, begun=begun, served=served, **self._counts(number))
            return known

    def _board(
        self, category: str, every: Sequence[Row], whole: _Ranked, begun: int, served: Mapping[str, bool]
    ) -> Board:
        rows = every if category == ALL else _of(category, every)
        found, trouble = whole if category == ALL else _ranked(rows)
        return Board(
            category=category,
            ranking=found,
            told=found.as_dict(check=CHECKED) if found else None,
            trouble=trouble,
            votes=len(rows),
            voters=len({row["voter"] for row in rows}),
            prompts=len({row["prompt"] for row in rows}),
            begun=begun,
            served=served,
            categories=_categories(every),
            number=every[-1]["id"] if every else 0,
            **self._counts(every[-1]["id"] if every else 0),
        )

    def _counts(self, number: int) -> dict[str, Any]:
        """What the store counts for every board: new after a vote, and as time passes, since battles without one are told of later."""
        if self._counted is None or self._counted[0] != number or time.monotonic() - self._counted[1] > COUNTS_S:
            found = {
                "entries": tuple(self.store.entries()),
                "spent": tuple(self.store.spent()),
                "drawn": tuple(self.store.drawn()),
            }
            self._counted = (number, time.monotonic(), found)
        return self._counted[2]

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
        new = self.store.ballots(self._rows[-1]["id"] if self._rows else 0)
        if not new:
            return
        self._rows += new
        self._since += len(new)
        if len(self._rows) > AFRESH and self._since < SHARE * len(self._rows) and self._ranking:
            from luosi.ranking import as_votes

            self._ranking = self._ranking.refit(as_votes(new))
        else:
            self._since = 0
            self._ranking, self._trouble = _ranked(self._rows)


def _categories(rows: Sequence[Row]) -> tuple[tuple[str, int], ...]:
    """Those that have votes, kind by kind, the most frequent first."""
    counts = {kind: Counter(row[kind] for row in rows if row[kind]) for kind in KINDS}
    return (
        (ALL, len(rows)),
        *((f"{kind}:{value}", count) for kind, own in counts.items() for value, count in own.most_common()),
    )


def _of(category: str, rows: Sequence[Row]) -> list[Row]:
    kind, _, value = category.partition(":")
    return [row for row in rows if kind in KINDS and row[kind] == value]


def _ranked(rows: Sequence[Row]) -> _Ranked:
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
