"""A company run through its months in many trials: what it spends, earns and holds, when its models ship, when its money ends.

Independent draws for every uncertain number, held over all months of a trial; funding comes or does not. Knows no taxes, interest or
debt, and nobody who cuts costs when money gets short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from luosi.errors import InputError
from luosi.estimate.company.draws import Draws, Floats
from luosi.estimate.company.entries import Income, People, Spending
from luosi.estimate.company.lines import Line, compute_line, serving_line, steady
from luosi.estimate.company.runs import Run, runs
from luosi.estimate.company.spec import Company, month_of


@dataclass(frozen=True)
class Simulation:
    """Arrays are (trials, months), or (trials,) where they say so."""

    company: Company
    spent: tuple[Line, ...]
    earned: tuple[Line, ...]
    raised: Floats
    opening: Floats
    """(trials,)"""
    users: Floats
    tokens: Floats
    """Of all users in each month."""
    runs: tuple[Run, ...]
    per_usd: Floats
    """(trials,)"""

    @property
    def cost(self) -> Floats:
        """As it is used up."""
        return self._sum([line.cost for line in self.spent])

    @property
    def paid(self) -> Floats:
        """As it leaves the bank."""
        return self._sum([line.cash for line in self.spent])

    @property
    def revenue(self) -> Floats:
        """Of users and other income."""
        return self._sum([line.cost for line in self.earned])

    @property
    def cash(self) -> Floats:
        """In the bank at the end of each month; below 0 is what would be missing."""
        return self.opening[:, None] + np.cumsum(self.revenue + self.raised - self.paid, axis=1)

    @property
    def money_ends(self) -> Floats:
        """Months until the bank is empty, (trials,); infinite where it never is."""
        return first_month(self.cash < 0)

    @property
    def breaks_even(self) -> Floats:
        """Months until revenue covers the month's cost, (trials,); infinite where it never does."""
        return first_month((self.revenue >= self.cost) & (self.revenue > 0))

    def _sum(self, arrays: list[Floats]) -> Floats:
        return sum(arrays, np.zeros((self.company.trials, self.company.months)))


def first_month(true: np.ndarray) -> Floats:
    """Count of months up to the first in which a row of (trials, months) is true, at least 1; infinite where none is."""
    return np.where(true.any(axis=1), true.argmax(axis=1) + 1.0, np.inf)


def simulate(company: Company) -> Simulation:
    """The company's trials.

    Raises:
        UsageError: A chip is unknown, or a price is and the file gives none.
        InputError: A number or month of the file cannot be.
    """
    if company.trials * company.months > 4_000_000:
        raise InputError(
            f"{company.trials} trials of {company.months} months",
            hint="fewer trials: 2000 are enough for a 90th percentile",
        )
    draws = Draws(company)
    per_usd = draws.of("per_usd", company.per_usd, least=1e-9)
    users, tokens, paying = _users(draws)
    made = runs(draws, per_usd)
    spent = [run.line for run in made if run.line is not None]
    spent += [_paid(draws, group) for group in company.people]
    spent += [compute_line(draws, fleet, per_usd) for fleet in company.compute]
    spent += [_flow(draws, f"spending.{item.name}", item, item.kind) for item in company.spending]
    if company.serving is not None:
        spent.append(serving_line(draws, company.serving, tokens, per_usd))
    earned = [_flow(draws, f"income.{item.name}", item, "income") for item in company.income]
    return Simulation(
        company,
        tuple(spent),
        (*paying, *earned),
        _raised(draws),
        draws.of("cash", company.cash),
        users,
        tokens,
        made,
        per_usd,
    )


def _paid(draws: Draws, one: People) -> Line:
    path = f"people.{one.name}"
    count = draws.of(f"{path}.count", one.count, least=0.0)
    pay = draws.of(f"{path}.cost_per_year", one.cost_per_year, least=0.0) / 12
    line = steady(draws, path, one, "people", per_month=count * pay, growth=one.growth_per_year)
    raised = draws.growing(f"{path}.raise", one.raise_per_year)
    return Line(line.name, line.category, line.cost * raised, line.cash * raised)


def _flow(draws: Draws, path: str, item: Spending | Income, category: str) -> Line:
    once, monthly = draws.of(f"{path}.once", item.once), draws.of(f"{path}.per_month", item.per_month)
    return steady(draws, path, item, category, per_month=monthly, growth=item.growth_per_year, once=once)


def _users(draws: Draws) -> tuple[Floats, Floats, list[Line]]:
    """Users, their tokens and what they pay."""
    company = draws.company
    users = np.zeros((company.trials, company.months))
    tokens, lines = np.zeros_like(users), []
    for one in company.users:
        path = f"users.{one.name}"
        span = draws.span(one, path)
        count = draws.of(f"{path}.count", one.count, least=0.0)[:, None] * draws.growing(
            f"{path}.growth", one.growth_per_month, span[0], period=1.0
        )
        count = np.minimum(count, one.at_most or np.inf) * draws.during(span)
        users += count
        tokens += count * draws.of(f"{path}.tokens", one.tokens_per_month, least=0.0)[:, None]
        share = draws.of(f"{path}.paying", one.paying, least=0.0, most=1.0)
        price = draws.of(f"{path}.price", one.price_per_month, least=0.0)
        paid = count * (share * price)[:, None] * draws.growing(f"{path}.price_change", one.price_change_per_year)
        lines.append(Line(one.name, "users", paid, paid))
    return users, tokens, lines


def _raised(draws: Draws) -> Floats:
    """Funding rounds, in the months in which they come."""
    company = draws.company
    raised = np.zeros((company.trials, company.months))
    for index, one in enumerate(company.funding):
        path, month = f"funding.{index}", month_of(company.start, one.month)
        if not 0 <= month < company.months:
            raise InputError(
                f"{path}: {one.month} is not one of the company's {company.months} months from {company.start}"
            )
        raised[:, month] += draws.of(f"{path}.amount", one.amount, least=0.0) * draws.chance(
            f"{path}.chance", one.chance
        )
    return raised
