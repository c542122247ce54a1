"""Maximum likelihood by Newton's steps, halved where they go too far; ratings in logits, the mean of each island 0.

Models whose ratings the votes leave unbounded (one that always wins) get a prior of `PRIOR_SD` logits around the mean of their
island; nobody else gets one. The tie treatment's parameters have a prior of 3, the side and features one of 10, which only a handful
of votes feels. Knows no errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from luosi.errors import LuosiError
from luosi.ranking.coding import Floats
from luosi.ranking.graph import islands, unbounded
from luosi.ranking.likelihood import TREATMENTS, Ties
from luosi.ranking.linear import GAUGE, system
from luosi.ranking.rows import Form, Rows, sums
from luosi.ranking.votes import TIE

PRIOR_SD = 2.0
"""Logits, of a model that the votes leave unbounded: 347 Elo."""
OTHERS_PRIOR = 0.01
"""1 / 10^2, of the side and of features: felt only where one of them, with the ratings, explains every vote."""
TIE_PRIOR = 0.1
"""1 / 3^2, about."""
STEPS, HALVINGS = 100, 40
CLOSE = 1e-6
"""A step that moves nothing by more is the last: Newton's steps leave about its square, 1e-10 Elo."""


@dataclass(frozen=True)
class Fit:
    """The likeliest parameters."""

    theta: Floats
    """Ratings, side, features, ties, [P]."""
    value: float
    """Log-likelihood."""
    form: Form
    """Information at `theta` or less than `CLOSE` from it, without priors."""
    ties: Ties
    island: Any
    """Number of each model's island, [N]."""
    outside: Any
    """Models whose ratings the votes leave unbounded, [N]."""
    penalty: Floats
    """1 / variance of each parameter's prior, [P]."""
    fixed: Any
    """Parameters held: the side's advantage at 0, a tie parameter at the end of its range, [P]."""
    doubt: Floats | None = None
    """How far another treatment of ties would move each rating, times the root of the chance that it is the better one, [N]."""


def fit(rows: Rows, ties: Ties, *, position: bool, start: Floats | None = None, same_graph: Fit | None = None) -> Fit:
    """Fit the rows.

    Args:
        rows: From luosi.ranking.rows.
        ties: Treatment of ties.
        position: Whether the advantage of the left side is fitted; else it is held at 0.
        start: Parameters to begin at, of the same treatment; zeros if None.
        same_graph: A fit of the same votes with the same treatment: islands need not be looked for again.
    """
    n, wide = rows.models, rows.context.shape[1]
    island = same_graph.island if same_graph else islands(rows.left, rows.right, n)
    outside = same_graph.outside if same_graph else unbounded(rows, island, counts_ties=ties.counts_ties)
    own = np.array(ties.start)
    if own.size:
        own[0] = own[0] or _first_tie(rows)
    theta = np.concatenate([np.zeros(n + wide), own]) if start is None else start.copy()
    penalty = np.zeros(len(theta))
    penalty[:n][outside] = 1 / PRIOR_SD**2
    penalty[n : n + wide] = OTHERS_PRIOR
    penalty[n + wide :] = TIE_PRIOR
    fixed = np.zeros(len(theta), bool)
    fixed[n] = not position
    value, gradient, form = sums(rows, theta, ties)
    for _ in range(STEPS):
        pull = gradient - _prior(theta, penalty, island)[1]
        fixed[n + wide :] = _held(rows, ties, theta, pull)
        step, far = _step(rows, ties, theta, form, pull, penalty, island, fixed)
        if (beyond := _held(rows, ties, theta, step) & ~fixed[n + wide :]).any():
            fixed[n + wide :] |= beyond
            step, far = _step(rows, ties, theta, form, pull, penalty, island, fixed)
        if np.abs(step).max() < CLOSE:
            theta = theta + step
            theta[n + wide :] = ties.bounded(rows.own(theta))
            theta[:n] -= (np.bincount(island, theta[:n]) / np.bincount(island))[island]
            return Fit(theta, value, form, ties, island, outside, penalty, fixed)
        theta, value, gradient, form = _climbed(rows, ties, theta, step, value, penalty, island, far=far)
    raise LuosiError(
        f"the ratings did not settle in {STEPS} steps",
        hint="another treatment of ties (--ties half) may do, or fewer features",
    )


def _held(rows: Rows, ties: Ties, theta: Floats, towards: Floats) -> Any:
    """The tie parameters at an end of their range from which they would be moved out of it, [own]."""
    own, direction = rows.own(theta), np.sign(rows.own(towards))
    return (direction != 0) & (ties.bounded(own + direction) == own)


def _step(
    rows: Rows, ties: Ties, theta: Floats, form: Form, pull: Floats, penalty: Floats, island: Any, fixed: Any
) -> tuple[Floats, bool]:
    """Newton's step, or Fisher's, and True, where the observed information is not positive, as it need not be far from the top:
    Newton's would lead to a saddle."""
    pull = np.where(fixed, 0.0, pull)
    if (step := system(form, penalty, island, fixed).uphill(pull)) is not None:
        return step, False
    step = system(sums(rows, theta, ties, expected=True)[2], penalty, island, fixed).uphill(pull)
    if step is None:
        raise LuosiError("the likelihood cannot be climbed", hint="features that are nearly the same? leave one out")
    return step, True


def _climbed(
    rows: Rows, ties: Ties, theta: Floats, step: Floats, value: float, penalty: Floats, island: Any, *, far: bool
) -> tuple[Floats, float, Floats, Form]:
    """The parameters a step on, or as much of it as is uphill; if `far`, as often twice the step as leads on uphill: Fisher's are
    short along a ridge."""
    before = value - _prior(theta, penalty, island)[0]
    room = 1e-12 * (1 + abs(value)) * math.sqrt(len(rows.left))

    def at(step: Floats) -> tuple[float, tuple[Floats, float, Floats, Form] | None]:
        new = theta + step
        new[len(island) + rows.context.shape[1] :] = ties.bounded(rows.own(new))
        if not ties.allowed(rows.own(new)):
            return -math.inf, None
        found, gradient, form = sums(rows, new, ties)
        return found - _prior(new, penalty, island)[0], (new, found, gradient, form)

    for _ in range(HALVINGS):
        height, reached = at(step)
        if reached and height >= before - room:
            break
        far, step = False, step / 2
    else:
        raise LuosiError("the likelihood cannot be climbed", hint="features that are nearly the same? leave one out")
    for _ in range(HALVINGS if far else 0):
        step = 2 * step
        higher, further = at(step)
        if not further or higher <= height:
            break
        height, reached = higher, further
    return reached


def _prior(theta: Floats, penalty: Floats, island: Any) -> tuple[float, Floats]:
    """What priors and gauge take from the log-likelihood, and its gradient."""
    n = len(island)
    total, count = np.bincount(island, theta[:n]), np.bincount(island)
    gradient = penalty * theta
    gradient[:n] += GAUGE * (total / count)[island]
    return 0.5 * (float(penalty @ theta**2) + GAUGE * float((total**2 / count).sum())), gradient


def _first_tie(rows: Rows) -> float:
    share = min(0.95, max(0.001, float(rows.weight[rows.outcome == TIE].sum() / rows.weight.sum())))
    return math.log(share / (1 - share))


def best_ties(rows: Rows, *, position: bool) -> Fit:
    """The better of Davidson's and Rao and Kupper's treatment by likelihood less one for each free parameter (Akaike, 1974).

    The two give ratings on different scales, and few votes cannot tell them apart: with its Akaike weight the other one's
    ratings are kept as a doubt (Buckland, Burnham and Augustin, 1997).
    """
    fits = [fit(rows, TREATMENTS[name], position=position) for name in ("davidson", "rao-kupper")]
    n = rows.models
    worth = [found.value - np.count_nonzero(~found.fixed[n + 1 :]) for found in fits]
    best = int(worth[1] > worth[0])
    weight = 1 / (1 + math.exp(min(700.0, float(worth[best] - worth[1 - best]))))
    return replace(fits[best], doubt=math.sqrt(weight) * (fits[1 - best].theta[:n] - fits[best].theta[:n]))
