"""How to rank, and what of it follows for the votes: what each counts, and which go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from luosi.errors import UsageError, nearest
from luosi.ranking.coding import Floats
from luosi.ranking.votes import Votes

LARGEST_WEIGHT = 10.0
"""No vote counts more than so many average ones because its pair was unlikely."""


@dataclass(frozen=True)
class Settings:
    """How to rank."""

    ties: str = "auto"
    """"auto" (the better of the last two by likelihood), "half", "drop", "davidson" or "rao-kupper"."""
    position: bool = False
    """Whether the advantage of the left side is taken out of the ratings; it is estimated in any case."""
    cluster: str = "auto"
    """Whose votes go together: "voter", "prompt", "both", "none", or what is known ("auto")."""
    bootstrap: int = 0
    """Refits for `low` and `high`; 0: the sandwich's intervals."""
    seed: int = 0
    """Of the bootstrap."""
    checks: bool = True
    """Whether suspicious votes are left out."""
    propensities: bool = False
    """Whether votes about unlikely pairs count more, as if all pairs had been equally likely. A propensity is a chance among the pairs
    that could be drawn at its time: where models came, went or rested meanwhile, pairs are even only among those of one time."""
    source_weights: Mapping[str, float] = field(default_factory=dict)
    """What a vote of a source counts; 1 for those not named, 0 leaves a source out."""
    least_votes: int = 100
    """A model with fewer is provisional."""
    widest: float = 200.0
    """A model with a wider 95 % interval, in Elo, is provisional."""


def weights(votes: Votes, chosen: Settings) -> Floats | None:
    """What each vote counts, of its own, its source's and its pair's unlikeliness; None if all count 1."""
    found = votes.weight
    if chosen.source_weights:
        if votes.source is None:
            raise UsageError(
                "weights of sources were given, and the votes name no source", hint="name its column: --source"
            )
        for name in chosen.source_weights:
            if name not in votes.sources:
                raise UsageError(f"no vote is of source {name!r}", hint=nearest(name, votes.sources))
        each = np.array([float(chosen.source_weights.get(name, 1.0)) for name in votes.sources])
        if not (np.isfinite(each) & (each >= 0)).all() or not each.any():
            raise UsageError(
                "weights of sources are numbers from 0 up, not all 0", hint=str(dict(chosen.source_weights))
            )
        found = each[votes.source] if found is None else found * each[votes.source]
    if chosen.propensities:
        if votes.propensity is None:
            raise UsageError("the votes say no propensity", hint="name its column: --propensity")
        rare = 1 / votes.propensity
        rare = np.minimum(rare / rare.mean(), LARGEST_WEIGHT)
        found = rare / rare.mean() if found is None else found * rare / rare.mean()
    return found


def ways(votes: Votes, cluster: str) -> list[str]:
    """By what votes go together: of "voter" and "prompt". Raises UsageError."""
    known = [way for way in ("voter", "prompt") if getattr(votes, way) is not None]
    asked = {"auto": known, "none": [], "both": ["voter", "prompt"], "voter": ["voter"], "prompt": ["prompt"]}
    if cluster not in asked:
        raise UsageError(f"cluster = {cluster!r} is unknown", hint=nearest(cluster, asked))
    for way in asked[cluster]:
        if way not in known:
            raise UsageError(f"the votes name no {way}", hint=f"name its column: --{way}")
    return asked[cluster]
