"""A ranking as plain values: what `luosi rank --json` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from luosi.ranking.intervals import ELO, fixed_half

if TYPE_CHECKING:
    from luosi.ranking.ranking import Ranking


def as_dict(ranking: Ranking, *, check: int = 5) -> dict[str, Any]:
    """The whole ranking as plain values for JSON."""
    n = len(ranking.votes.models)
    own = ranking.rows.own(ranking.fit.theta).tolist()
    islands = [
        [line.model for line in ranking.models if line.island == i] for i in range(int(ranking.fit.island.max()) + 1)
    ]
    return {
        "models": [asdict(line) for line in ranking.models],
        "votes": len(ranking.votes) + sum(map(len, ranking.added)),
        "ties": {"treatment": ranking.fit.ties.name, "parameters": own, "votes": ranking.votes.ties},
        "interval": {
            "confidence": 0.95, "clusters": ranking.spread.clusters, "method": "bootstrap" if ranking.ends else "sandwich",
            "degrees_of_freedom": ranking.errors.dof or None,
        },
        "bias": bias(ranking),
        "style": style(ranking),
        "flips": ranking.flips(check=check),
        "islands": islands,
        "unbounded": [ranking.votes.models[code] for code in np.flatnonzero(ranking.fit.outside)[:n]],
        "filtered": [asdict(one) for one in ranking.left_out],
        "out_of_order": out_of_order(ranking),
        "refused": dict(ranking.votes.refused),
        "provisional_rule": f"fewer than {ranking.settings.least_votes} votes or an interval wider than {ranking.settings.widest:g} Elo",
        "settings": asdict(ranking.settings),
    }  # fmt: skip


def bias(ranking: Ranking) -> dict[str, Any]:
    """How much better the left side does, Elo, and what taking that out changes at most in a rating."""
    side = ranking.errors.side
    half = float(fixed_half(np.array(side.variance), ranking.errors.dof))
    outcome = ranking.votes.outcome
    left, right = int(np.count_nonzero(outcome == 0)), int(np.count_nonzero(outcome == 1))
    return {
        "elo": ELO * side.estimate, "low": ELO * (side.estimate - half), "high": ELO * (side.estimate + half),
        "left_share": left / (left + right) if left + right else None, "in_ratings": ranking.settings.position,
        "largest_change": ELO * float(np.abs(side.moved).max()),
    }  # fmt: skip


def style(ranking: Ranking) -> list[dict[str, Any]]:
    """What a standard deviation of each feature adds to a lead, Elo."""
    start = len(ranking.votes.models) + 1
    found = []
    for f, name in enumerate(ranking.votes.feature_names):
        effect, half = (
            float(ranking.fit.theta[start + f]),
            float(fixed_half(ranking.errors.style[f], ranking.errors.dof)),
        )
        found.append(
            {"feature": name, "elo": ELO * effect, "low": ELO * (effect - half), "high": ELO * (effect + half)}
        )
    return found


def out_of_order(ranking: Ranking) -> int:
    """Votes whose time is before that of the vote above them; the order of votes changes nothing in a ranking."""
    time = ranking.votes.time
    return 0 if time is None else int(np.count_nonzero(np.diff(time) < 0))
