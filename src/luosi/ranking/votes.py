"""Votes in memory: who stood left and right, what was chosen, and what is known of each vote, as integer and float columns.

Made from columns of words or numbers (`Votes.of`) or from files (luosi.ranking.reading). A vote that cannot be used is counted in
`refused` with its reason, never lost silently. Knows no file, no likelihood and no rating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from luosi.errors import InputError
from luosi.ranking.coding import Coded, Codes, Floats, apart, coded, identity, joined

LEFT, RIGHT, TIE, BAD = 0, 1, 2, 3
WORDS = {
    "left": LEFT, "model_a": LEFT, "a": LEFT, "model_left": LEFT, "model_1": LEFT,
    "right": RIGHT, "model_b": RIGHT, "b": RIGHT, "model_right": RIGHT, "model_2": RIGHT,
    "tie": TIE, "draw": TIE, "equal": TIE,
    "both_bad": BAD, "bothbad": BAD, "tie (bothbad)": BAD, "tie (both bad)": BAD, "both bad": BAD, "bad": BAD,
}  # fmt: skip
"""What files call the four outcomes, in lower case."""
NAMING = 0.9
"""Least share of decisive winners that are names of one of their two models where names are meant."""
OUTCOMES = ("left", "right", "tie", "both_bad")
"""What Luosi calls them, by code."""


@dataclass(frozen=True, eq=False)
class Votes:
    """Columns of V votes over N models; a column that is not known is None.

    Raises InputError where columns do not fit each other or a model stands against itself; `Votes.of` refuses such votes singly.
    """

    models: tuple[str, ...]
    """Names, by code."""
    left: Codes
    """Code of the model on the left, [V]."""
    right: Codes
    """Code of the model on the right, [V]."""
    outcome: npt.NDArray[np.int8]
    """LEFT, RIGHT, TIE or BAD, [V]."""
    voter: Codes | None = None
    """Code of who voted, [V]."""
    prompt: Codes | None = None
    """Code of what was asked, [V]."""
    time: Floats | None = None
    """Seconds since 1970, NaN if unknown, [V]."""
    source: Codes | None = None
    """Code of where the vote comes from, [V]."""
    weight: Floats | None = None
    """What the vote counts, above 0, [V]."""
    propensity: Floats | None = None
    """Chance with which this pair was drawn, above 0, [V]."""
    features: Floats | None = None
    """Left less right of each feature, [V, F]."""
    feature_names: tuple[str, ...] = ()
    voters: Sequence[str] = ()
    """Names of the voters, by code."""
    prompts: Sequence[str] = ()
    """What was asked, by code."""
    sources: Sequence[str] = ()
    """Names of the sources, by code."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """How many votes were not taken, by reason."""

    def __post_init__(self) -> None:
        if not len(self.left):
            raise InputError("there is not one vote", hint=_reasons(self.refused))
        _same_length({name: getattr(self, name) for name in COLUMNS})
        ends = [int(end) for side in (self.left, self.right) for end in (side.min(), side.max())]
        if min(ends) < 0 or max(ends) >= len(self.models):
            raise InputError(
                f"codes of models run from {min(ends)} to {max(ends)}; expected 0 to {len(self.models) - 1}"
            )
        if self.outcome.min() < LEFT or self.outcome.max() > BAD:
            raise InputError(f"outcomes run from {self.outcome.min()} to {self.outcome.max()}; expected 0 to 3")
        if (self.left == self.right).any():
            raise InputError("a model stands against itself", hint="Votes.of() leaves such votes out and counts them")

    def __len__(self) -> int:
        return len(self.left)

    @cached_property
    def ties(self) -> int:
        """How many votes chose no side."""
        return int(np.count_nonzero(self.outcome >= TIE))

    def take(self, keep: Any) -> Votes:
        """The votes at these places, or where a mask is true; models and names stay."""
        return replace(self, **{n: c[keep] for n in COLUMNS if (c := getattr(self, n)) is not None})

    @classmethod
    def of(
        cls,
        left: Sequence[Any] | Coded,
        right: Sequence[Any] | Coded,
        winner: Sequence[Any] | Coded,
        *,
        voter: Sequence[Any] | Coded | None = None,
        prompt: Sequence[Any] | Coded | None = None,
        source: Sequence[Any] | Coded | None = None,
        time: Floats | None = None,
        weight: Floats | None = None,
        propensity: Floats | None = None,
        features: Mapping[str, Floats] | None = None,
        anonymous: Sequence[Any] | Coded | None = None,
        refused: Mapping[str, int] | None = None,
    ) -> Votes:
        """Votes from columns of names (or of codes with their names); what cannot be used is left out and counted.

        Args:
            left: Names of the models on the left.
            right: Names of the models on the right.
            winner: A word of WORDS in any case, or the name of one of the two.
            voter: Who voted.
            prompt: What was asked.
            source: Where votes come from.
            time: Seconds since 1970.
            weight: What each vote counts.
            propensity: Chance with which the pair was drawn.
            features: Left less right, by name.
            anonymous: "false" where the voter knew the models: such votes are refused.
            refused: What the reader has refused already.
        """
        sides, won = [coded(left), coded(right)], coded(winner)
        _same_length({"left": sides[0][0], "right": sides[1][0], "winner": won[0], "time": time, "weight": weight})
        (one, two), models = joined(sides)
        outcome = _outcomes(won, one, two, models)
        named = dict(_named({"voter": voter, "prompt": prompt, "source": source}))
        columns: dict[str, Any] = {"left": one, "right": two, "outcome": outcome, "time": time, "weight": weight}
        columns |= {"propensity": propensity} | {name: codes for name, (codes, _) in named.items()}
        if features:
            columns["features"] = np.column_stack([np.asarray(f, np.float64) for f in features.values()])
        keep, counts = _usable(columns, models, None if anonymous is None else coded(anonymous))
        total = {**(refused or {})}
        for reason, count in counts.items():
            total[reason] = total.get(reason, 0) + count
        if keep is not None:
            columns = {name: column[keep] for name, column in columns.items() if column is not None}
        if not len(columns["left"]):
            raise InputError("not one vote can be used", hint=_reasons(total))
        columns |= {f"{name}s": names for name, (_, names) in named.items()}
        return cls(models=tuple(models), feature_names=tuple(features or ()), refused=total, **columns).compact()

    def compact(self) -> Votes:
        """The same without models that no vote is about, the others in the order of their names."""
        seen = np.zeros(len(self.models), bool)
        seen[self.left] = seen[self.right] = True
        kept = sorted(np.flatnonzero(seen).tolist(), key=lambda code: self.models[code])
        place = np.zeros(len(self.models), np.int32)
        place[kept] = np.arange(len(kept), dtype=np.int32)
        return replace(self, models=tuple(self.models[c] for c in kept), left=place[self.left], right=place[self.right])

    def joined(self, other: Votes) -> Votes:
        """These votes and then the other's; columns that only one of them has are unknown (weight and propensity: 1) in the other."""
        (mine, its), models = joined([identity(self.models), identity(other.models)])
        if set(self.feature_names) != set(other.feature_names):
            raise InputError(
                f"features {list(self.feature_names)} and {list(other.feature_names)} cannot be put together"
            )
        columns: dict[str, Any] = {}
        for side in ("left", "right"):
            columns[side] = np.concatenate([mine[getattr(self, side)], its[getattr(other, side)]])
        for name in ("outcome", "time", "weight", "propensity"):
            columns[name] = _stacked(name, self, other)
        for name in NAMED:
            codes, names = _stacked_names(name, self, other)
            columns |= {name: codes, f"{name}s": names}
        if self.features is not None and other.features is not None:
            order = [other.feature_names.index(name) for name in self.feature_names]
            columns["features"] = np.concatenate([self.features, other.features[:, order]])
        refused = {r: self.refused.get(r, 0) + other.refused.get(r, 0) for r in {**self.refused, **other.refused}}
        return Votes(models=tuple(models), feature_names=self.feature_names, refused=refused, **columns)


NAMED = ("voter", "prompt", "source")
COLUMNS = ("left", "right", "outcome", "time", "weight", "propensity", "features", *NAMED)


def _same_length(columns: Mapping[str, Any]) -> None:
    for name, column in columns.items():
        if column is not None and len(column) != len(columns["left"]):
            raise InputError(f"column {name} has {len(column)} entries, and left has {len(columns['left'])}")


def _named(columns: Mapping[str, Any]) -> Iterator[tuple[str, Coded]]:
    """Those columns that name anything; of voters and prompts every one without a name is one of its own."""
    for key, column in columns.items():
        if column is None:
            continue
        codes, names = coded(column)
        if key != "source" and "" in names:
            if len(names) == 1:
                continue
            codes, names = apart(codes, names)
        yield key, (codes, names)


def _outcomes(winner: Coded, left: Codes, right: Codes, models: list[str]) -> npt.NDArray[np.int8]:
    """Outcome of each vote, -1 where the winner is neither a word nor one of the two.

    Where models are called as words are ("a"), winners are names if nearly all that are no ties name one of their two models.
    """
    codes, names = winner
    words = np.array([WORDS.get(name.lower(), -1) for name in names], np.int8)
    index = {name: code for code, name in enumerate(models)}
    own = np.array([index.get(name, -1) for name in names], np.int32)
    outcome: npt.NDArray[np.int8] = words[codes]
    if (own < 0).all():
        return outcome
    won = own[codes]
    named = np.select([won == left, won == right], [LEFT, RIGHT], -1).astype(np.int8)
    decisive = outcome < TIE
    if np.count_nonzero(named[decisive] >= 0) >= NAMING * np.count_nonzero(decisive):
        return np.where(decisive, named, outcome)
    return np.where(outcome < 0, named, outcome)


def _usable(columns: dict[str, Any], models: list[str], anonymous: Coded | None) -> tuple[Any, dict[str, int]]:
    """Which votes can be used (None: all), and how many cannot, by the first reason that holds."""
    left, right = columns["left"], columns["right"]
    checks = []
    if "" in models:
        empty = models.index("")
        checks.append(("a model has no name", (left == empty) | (right == empty)))
    checks += [("a model against itself", left == right), ("the winner is neither", columns["outcome"] < 0)]
    if anonymous is not None:
        known = np.array([name.lower() in ("false", "0") for name in anonymous[1]], bool)
        checks.append(("the voter knew the models", known[anonymous[0]]))
    for name in ("weight", "propensity"):
        if columns[name] is not None:
            checks.append((f"the {name} is not a number above 0", ~((columns[name] > 0) & (columns[name] < np.inf))))
    if "features" in columns:
        checks.append(("a feature is not a number", ~np.isfinite(columns["features"]).all(1)))
    bad, counts = np.zeros(len(left), bool), {}
    for reason, hit in checks:
        if count := int(np.count_nonzero(hit & ~bad)):
            counts[reason] = count
            bad |= hit
    return (~bad if counts else None), counts


def _stacked(name: str, first: Votes, second: Votes) -> Any:
    parts = [getattr(first, name), getattr(second, name)]
    if all(part is None for part in parts):
        return None
    missing = np.nan if name == "time" else 1.0
    parts = [np.full(len(v), missing) if p is None else p for p, v in zip(parts, (first, second), strict=True)]
    return np.concatenate(parts)


def _stacked_names(name: str, first: Votes, second: Votes) -> tuple[Codes | None, Sequence[str]]:
    if getattr(first, name) is None and getattr(second, name) is None:
        return None, ()
    columns: list[Coded] = []
    for votes in (first, second):
        codes, names = getattr(votes, name), list(getattr(votes, f"{name}s"))
        if codes is None:
            codes, names = np.zeros(len(votes), np.int32), [""]
            if name != "source":
                codes, names = apart(codes, names, start=0 if votes is first else len(first))
        elif not names:
            names = [str(code) for code in range(int(codes.max()) + 1)]
        columns.append((codes, names))
    stacked, names = joined(columns)
    return np.concatenate(stacked), names


def _reasons(refused: Mapping[str, int]) -> str:
    return "refused: " + ", ".join(f"{count:,} x {reason}" for reason, count in refused.items()) if refused else ""
