"""Votes in, ranking out: `rank`, and what a `Ranking` holds and can tell. Ratings in Elo, the mean of each island 1000.

What it does not know: why people voted as they did. A rating says how often a model is preferred by such voters on such prompts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from luosi.errors import InputError, UsageError, nearest
from luosi.ranking.bootstrap import bootstrap
from luosi.ranking.checks import LeftOut, look
from luosi.ranking.coding import Floats
from luosi.ranking.errors import Errors, errors
from luosi.ranking.fit import Fit, best_ties, fit
from luosi.ranking.flips import flips
from luosi.ranking.intervals import ELO, anytime_half, fixed_half, ranks
from luosi.ranking.likelihood import TREATMENTS, Terms
from luosi.ranking.lines import Difference, Rated, elo
from luosi.ranking.meat import Matrix, Scores, Spread, spread
from luosi.ranking.reading import as_votes
from luosi.ranking.rows import DENSE, Rows, rows_of, scores
from luosi.ranking.settings import Settings, ways, weights
from luosi.ranking.telling import as_dict
from luosi.ranking.threads import one_thread
from luosi.ranking.votes import Votes

SPARSE_FLIPS = 20
"""Neighbours whose flips are looked for where there are more than `DENSE` models."""


@dataclass(frozen=True, eq=False)
class Ranking:
    """Models by rating, with everything that says how far to trust them."""

    given: Votes
    """All, before suspicious ones were left out."""
    votes: Votes
    """Those that were ranked; those of `refit` are in `added`."""
    settings: Settings
    rows: Rows
    fit: Fit
    terms: Terms
    spread: Spread
    errors: Errors
    left_out: tuple[LeftOut, ...]
    unfiltered: Floats | None
    """Ratings in logits with the votes that were left out."""
    ends: tuple[Floats, Floats] | None
    """Of the bootstrap's intervals, logits."""
    counts: Any
    """Votes about each model, [N]."""
    voters: Any
    """Voters of each model, [N]; None if they are not known."""
    added: tuple[Votes, ...] = ()

    @cached_property
    def models(self) -> tuple[Rated, ...]:
        """The lines, island by island, best first."""
        n = len(self.votes.models)
        ratings, variances = self.fit.theta[:n], self.errors.variances()
        half, anytime = fixed_half(variances, self.errors.dof), anytime_half(variances, self.errors.dof)
        low, high = ratings - half, ratings + half
        if self.ends:
            low, high = (np.where(self.fit.outside, own, end) for own, end in zip((low, high), self.ends, strict=True))
        rank, best, worst = ranks(ratings, self.errors, self.fit.island)
        provisional = (self.counts < self.settings.least_votes) | ((high - low) * ELO > self.settings.widest)
        columns: list[list[Any]] = [elo(x) for x in (ratings, low, high, ratings - anytime, ratings + anytime)]
        columns += [x.tolist() for x in (rank, best, worst, self.counts)]
        columns += [[None] * n if self.voters is None else self.voters.tolist(), provisional.tolist()]
        columns += [self.fit.island.tolist(), [None] * n if self.unfiltered is None else elo(self.unfiltered)]
        found = [Rated(*line) for line in zip(self.votes.models, *columns, strict=True)]
        return tuple(sorted(found, key=lambda line: (line.island, line.rank)))

    def difference(self, first: str, second: str) -> Difference:
        """How far `first` is ahead of `second`; raises UsageError for unknown models or those that no votes join."""
        places = []
        for name in (first, second):
            if name not in self.votes.models:
                raise UsageError(f"no vote is about {name!r}", hint=nearest(name, self.votes.models[:1000]))
            places.append(self.votes.models.index(name))
        a, b = places
        if self.fit.island[a] != self.fit.island[b]:
            raise UsageError(f"no votes join {first!r} and {second!r}, not even by way of others")
        lead = float(self.fit.theta[a] - self.fit.theta[b])
        variance = self.errors.between(slice(a, a + 1))[0, [b]]
        half, anytime = (float(f(variance, self.errors.dof)[0]) for f in (fixed_half, anytime_half))
        return Difference(*(ELO * x for x in (lead, lead - half, lead + half, lead - anytime, lead + anytime)))

    def flips(self, *, check: int = 0) -> list[dict[str, Any]]:
        """For each pair of neighbours, how few votes hold their order; the first `check` pairs are refitted without them."""
        place = {name: code for code, name in enumerate(self.votes.models)}
        lines = self.models
        pairs = [(place[a.model], place[b.model]) for a, b in pairwise(lines) if a.island == b.island]
        if len(place) > DENSE:
            pairs = pairs[:SPARSE_FLIPS]
        with one_thread():
            found = flips(self.rows, self.fit, self.terms, pairs, check=check)
        names = self.votes.models
        return [
            {
                "above": names[f.above],
                "below": names[f.below],
                "gap": ELO * f.gap,
                "votes": f.votes,
                "checked": f.checked,
            }
            for f in found
        ]

    def refit(self, new: Votes) -> Ranking:
        """The ranking with these votes too, at once.

        Ratings are exact. Where votes go in clusters the new ones' scores are added to the errors as votes by themselves, numbers of
        voters stay, and suspicious votes are not looked for: the next `rank(ranking.log())` does all that. Votes about a model that is not
        ranked yet, with features or weights, are ranked from the start.
        """
        place = {name: code for code, name in enumerate(self.votes.models)}
        plain = new.features is None and self.votes.features is None and new.weight is None
        if (
            not plain
            or not set(new.models) <= place.keys()
            or self.settings.propensities
            or self.settings.source_weights
        ):
            return rank(replace(self, added=(*self.added, new)).log(), settings=self.settings)
        own = np.array([place[name] for name in new.models], np.int32)
        moved = replace(new, models=self.votes.models, left=own[new.left], right=own[new.right])
        with one_thread():
            return self._with(moved)

    def _with(self, new: Votes) -> Ranking:
        extra = rows_of(new, None)
        rows = _appended(self.rows, extra)
        found = fit(rows, self.fit.ties, position=self.settings.position, start=self.fit.theta)
        found = replace(found, doubt=self.fit.doubt)
        terms = scores(rows, found.theta, found.ties)
        varied = self.spread
        if not varied.clusters:
            varied = spread(self.votes, rows, terms, [], None)
        elif isinstance(varied.meat, Matrix):
            last = slice(len(self.rows.left), None)
            own = Scores.of(rows, terms, np.sqrt(rows.square)).at(last)
            varied = replace(varied, meat=Matrix(varied.meat.matrix + own.squares()))
        n = len(self.votes.models)
        counts = self.counts + np.bincount(new.left, minlength=n) + np.bincount(new.right, minlength=n)
        return replace(
            self, rows=rows, fit=found, terms=terms, spread=varied, errors=errors(rows, found, terms, varied), counts=counts,
            added=(*self.added, new), ends=None,
        )  # fmt: skip

    def log(self) -> Votes:
        """All votes, those left out too, from which the same ranking can be computed again."""
        votes = self.given
        for more in self.added:
            votes = votes.joined(more)
        return votes

    def as_dict(self, *, check: int = 5) -> dict[str, Any]:
        """The whole ranking as plain values for JSON; votes to flip the first `check` neighbours are checked by refitting."""
        return as_dict(self, check=check)


def rank(votes: Any, *, settings: Settings | None = None, **changes: Any) -> Ranking:
    """Rank the models of these votes.

    Args:
        votes: Votes, a file's path, a data frame or a mapping of columns, or a list of records (luosi.ranking.reading.as_votes).
        settings: How; the defaults if None.
        changes: Fields of Settings to change.

    >>> found = rank({"left": ["a", "b", "a", "b"], "right": ["b", "a", "b", "a"], "winner": ["left", "left", "left", "right"]})
    >>> [(line.model, round(line.rating)) for line in found.models]
    [('a', 1095), ('b', 905)]
    """
    chosen = replace(settings or Settings(), **_known(changes))
    given = as_votes(votes)
    with one_thread():
        return _rank(given, chosen)


def _rank(given: Votes, chosen: Settings) -> Ranking:
    weight = weights(given, chosen)
    if weight is not None and not (weight > 0).all():
        given = given.take(weight > 0).compact()
        weight = weights(given, chosen)
    keep, left_out = look(given) if chosen.checks else (None, [])
    if keep is not None and not keep.any():
        raise InputError("no vote is left", hint=f"{left_out[-1].reason}; --keep-all ranks them all the same")
    votes = given if keep is None else given.take(keep)
    if keep is not None and weight is not None:
        weight = weight[keep]
    rows, found = fitted(votes, weight, chosen)
    unfiltered = None
    if keep is not None:
        again = rows_of(given, weights(given, chosen))
        unfiltered = fit(again, found.ties, position=chosen.position, start=found.theta).theta[: len(given.models)]
    terms = scores(rows, found.theta, found.ties)
    together = ways(votes, chosen.cluster)
    varied = spread(votes, rows, terms, together, weight)
    ends = None
    if chosen.bootstrap:
        ends = bootstrap(votes, rows, found, together, weight, times=chosen.bootstrap, seed=chosen.seed)
    n = len(votes.models)
    counts = np.bincount(votes.left, minlength=n) + np.bincount(votes.right, minlength=n)
    return Ranking(
        given,
        votes, chosen, rows, found, terms, varied, errors(rows, found, terms, varied), tuple(left_out), unfiltered, ends,
        counts, _voters(votes),
    )  # fmt: skip


def fitted(votes: Votes, weight: Floats | None, chosen: Settings) -> tuple[Rows, Fit]:
    """The likeliest ratings; the treatment of ties is chosen without features, which take long."""
    if chosen.ties != "auto" and chosen.ties not in TREATMENTS:
        raise UsageError(f"ties = {chosen.ties!r} is unknown", hint=nearest(chosen.ties, ["auto", *TREATMENTS]))
    rows = rows_of(votes, weight, features=False)
    name = chosen.ties if votes.ties else "half"  # without ties all treatments are one
    found = best_ties(rows, position=chosen.position) if name == "auto" else None
    if found is None:
        found = fit(rows, TREATMENTS[name], position=chosen.position)
    if votes.features is None:
        return rows, found
    full, n = rows_of(votes, weight), rows.models
    start = np.insert(found.theta, [n + 1] * len(votes.feature_names), 0.0)
    again = fit(full, found.ties, position=chosen.position, start=start, same_graph=found)
    return full, replace(again, doubt=found.doubt)


def _known(changes: dict[str, Any]) -> dict[str, Any]:
    names = list(Settings.__dataclass_fields__)
    for name in changes:
        if name not in names:
            raise UsageError(f"rank() knows no {name!r}", hint=nearest(name, names))
    return changes


def _voters(votes: Votes) -> Any:
    """Voters of each model, [N]."""
    if votes.voter is None:
        return None
    n = len(votes.models)
    count = int(votes.voter.max()) + 1
    if count * n <= 50_000_000:
        seen = np.zeros(count * n, bool)
        for side in (votes.left, votes.right):
            seen[votes.voter.astype(np.int64) * n + side] = True
        return np.count_nonzero(seen.reshape(count, n), axis=0)
    keys = np.concatenate([votes.voter.astype(np.int64) * n + side for side in (votes.left, votes.right)])
    keys.sort()
    return np.bincount(keys[np.flatnonzero(np.diff(keys, prepend=-1))] % n, minlength=n)


def _appended(rows: Rows, extra: Rows) -> Rows:
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(rows, name), getattr(extra, name)])
        for name in ("left", "right", "outcome", "weight", "square", "context")
    }
    return replace(rows, **columns, of_vote=None)
