"""A company's estimate as plain data (for --json) and as text for a terminal: budget, months, chances, other ways, verdicts, sources.

Money of an interval is its median, with the 10th and 90th percentile; what never comes within the file's months is null, or "not in N
months". Adds no figures of its own.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from luosi.cost import Interval
from luosi.estimate.chips import Chip, chip
from luosi.estimate.company.alternatives import OwnOrApi, Way, own_or_api, ways
from luosi.estimate.company.claims import Verdict, judge
from luosi.estimate.company.measures import Measures, interval, measures, years
from luosi.estimate.company.published import Spot
from luosi.estimate.company.simulate import Simulation, simulate
from luosi.estimate.company.spec import read

Json = dict[str, Any]


def estimate_company(path: Path) -> Json:
    """Everything about the company of a TOML file, as plain data; `as_text` tells it.

    Raises:
        InputError: The file or a number in it is wrong.
        UsageError: A chip is unknown, or a price is and the file gives none.
    """
    company = read(path)
    done = simulate(company)
    found = measures(done)
    alternatives, other_ways = own_or_api(done), ways(done)
    return {
        "name": company.name,
        "about": company.about,
        "currency": company.currency,
        "start": company.start,
        "months": company.months,
        "trials": company.trials,
        "budget": _budget(found),
        "by_year": _by_year(done, found),
        "by_month": _by_month(done),
        "outlook": _outlook(done, found) if company.cash or company.funding or done.revenue.any() else None,
        "models": [_model(done, found, run.name, run.ships) for run in done.runs],
        "ways": [asdict(way) for way in other_ways],
        "own_or_api": _own_or_api(alternatives) if alternatives else None,
        "claims": [_claim(judge(claim, found)) for claim in company.claims],
        "measures": {name: _span(interval(found[name])) for name in found},
        "sources": _sources(done, other_ways),
    }


def _sources(done: Simulation, other_ways: tuple[Way, ...]) -> list[str]:
    """Where every price and figure is from, each once."""
    of_lines = [str(quote) for line in done.spent for quote in line.quotes]
    of_ways = [source for way in other_ways for source in way.sources]
    given = [f"{name}: {figure.source}" for name, figure in done.company.given.items()]
    spot = [
        f"{one.name}: {one.source or f'{device.price_source}, {device.price_date}'}" for one, device in _offers(done)
    ]
    return list(dict.fromkeys(of_lines + of_ways + spot + given))


def _offers(done: Simulation) -> list[tuple[Spot, Chip]]:
    return [(one, chip(one.chip)) for one in done.company.spot]


def _budget(found: Measures) -> Json:
    """What the money goes to: in all, and as a share."""
    names = [name.removeprefix("share.") for name in found if name.startswith("share.")]
    return {
        name: {"cost": _span(interval(found[name])), "share": _span(interval(found[f"share.{name}"]))}
        for name in sorted(names)
    }


def _by_year(done: Simulation, found: Measures) -> Json:
    wanted = ("cost", "revenue", "loss", "paid", "raised")
    spans = years(done.company.start, done.company.months)
    table = {year: {name: _span(interval(found[f"{name}.{year}"])) for name in wanted} for year in spans}
    for year, months in spans.items():
        table[year]["cash"] = _span(interval(done.cash[:, months.stop - 1]))
    return table


def _by_month(done: Simulation) -> list[Json]:
    flows = {
        "cost": done.cost,
        "revenue": done.revenue,
        "burn": done.paid - done.revenue,
        "cash": done.cash,
        "users": done.users,
    }
    first = int(done.company.start[:4]) * 12 + int(done.company.start[5:]) - 1
    return [
        {"month": f"{(first + at) // 12:04d}-{(first + at) % 12 + 1:02d}"}
        | {name: _span(interval(flow[:, at])) for name, flow in flows.items()}
        for at in range(done.company.months)
    ]


def _outlook(done: Simulation, found: Measures) -> Json:
    ends, even = done.money_ends, done.breaks_even
    outlook: Json = {
        "runway_months": _span(interval(ends)),
        "chance_money_ends": float(np.mean(np.isfinite(ends))),
        "break_even_months": _span(interval(even)),
        "chance_break_even": float(np.mean(np.isfinite(even))),
        "missing_at_worst": _span(interval(np.maximum(-done.cash.min(axis=1), 0.0))),
    }
    for name, key in (("users.cost", "cost_per_user_month"), ("cost_per_million", "serving_cost_per_million_tokens")):
        if name in found:
            outlook[key] = _span(interval(found[name]))
    return outlook


def _model(done: Simulation, found: Measures, name: str, ships: np.ndarray) -> Json:
    path = f"training.{name}."
    return {
        "name": name,
        **{key.removeprefix(path): _span(interval(found[key])) for key in found if key.startswith(path)},
        "chance_ships_in_time": float(np.mean(ships <= done.company.months)),
        "chance_money_ends_first": float(np.mean(done.money_ends <= np.ceil(ships))),
    }


def _own_or_api(found: OwnOrApi) -> Json:
    return {
        "own": _span(found.own),
        "api": _span(found.api),
        "break_even_months": _span(found.months_to_break_even),
        "break_even_tokens_a_month": _finite(found.tokens_a_month),
        "chance_own_is_cheaper": found.chance,
        "source": found.source,
    }


def _claim(found: Verdict) -> Json:
    return {
        "says": found.claim.says,
        "claimed": [found.claim.low, found.claim.high],
        "unit": found.claim.unit,
        "computed": _span(found.computed),
        "verdict": found.verdict,
        "text": str(found),
    }


def _span(found: Interval) -> Json:
    return {"p10": _finite(found.p10), "p50": _finite(found.p50), "p90": _finite(found.p90)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
