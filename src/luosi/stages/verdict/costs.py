"""Joins routes with money: what each cost to make, what its answers cost, and from how many answers on it pays.

Pure functions of a VerdictSummary, what the ledger knows of each artifact, and today's prices. Own answers cost the seconds in which
this machine is busy with them, one at a time, as the race measured them, or as the engine's speed says where there was no race;
idle hours are not in them. A price that is not known leaves its field empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from luosi.artifacts import Facts
from luosi.artifacts.base import ArmFacts
from luosi.artifacts.evidence import Difference, Route, Score, VerdictSummary
from luosi.cost import Cost, Frozen, Money, Price, Rates
from luosi.stages.verdict.advice import better

ANSWERS = 1000
MILLION = 1_000_000


class RentedPrice(Protocol):
    """What a model of somebody else's costs by the list."""

    @property
    def prompt(self) -> Price:
        """Of a million prompt tokens."""

    @property
    def completion(self) -> Price:
        """Of a million completion tokens."""


class RouteMoney(Frozen):
    """One line of `luosi verdict`; differences are to the unmodified model, with their 95 % intervals."""

    route: str
    model: str
    step: str
    bpb: float | None = None
    bpb_se: float | None = None
    accuracy: float | None = None
    """On the exam that Luosi made."""
    accuracy_se: float | None = None
    difference: float | None = None
    """In bits per byte: negative is better."""
    difference_low: float | None = None
    difference_high: float | None = None
    accuracy_difference: float | None = None
    accuracy_difference_low: float | None = None
    accuracy_difference_high: float | None = None
    cost_to_make: Money | None = None
    cost_per_1000: Money | None = None
    break_even_answers: int | None = None
    """Answers from which on making and running it costs less than the cheapest rented route; None if never, or not known."""
    latency_s: float | None = None
    """Seconds of one answer; where a race measured them, half took less."""
    note: str = ""
    arm: str = ""
    """Of the race; "" where it was not asked the user's own questions: the fields below are then empty."""
    files: bool = False
    leaves_house: bool = False
    """Whether questions, and passages with them, go to somebody else's machine."""
    asked: int = 0
    stopped: str = ""
    """Why it was not asked all questions; "" if it was."""
    own: float | None = None
    """Accuracy on the user's own questions, from 0 to 1, with its 95 % interval."""
    own_low: float | None = None
    own_high: float | None = None
    own_difference: float | None = None
    own_difference_low: float | None = None
    own_difference_high: float | None = None
    by_grader: dict[str, Score] = Field(default_factory=dict)
    cited: Score | None = None
    """Share of the questions whose place is known where the answer cites it."""
    found: Score | None = None
    """Share of these where a passage of that place was shown."""
    troubles: dict[str, int] = Field(default_factory=dict)
    break_even_equal_answers: int | None = None
    """As `break_even_answers`, against the cheapest rented route that is not shown to be better or worse on the own questions."""
    break_even_equal_arm: str = ""
    latency_p90_s: float | None = None
    energy_j: float | None = None
    """Of one answer on this machine, its power while busy being modelled; None for rented models: not known."""
    prompt_tokens: float | None = None
    answer_tokens: float | None = None
    """Of one answer, as measured."""
    recommended: bool = False


@dataclass(frozen=True)
class Ledger:
    """What money is counted from: costs by `Route.made_of`, facts by key, this machine's rates and power, listed prices by model."""

    costs: Mapping[tuple[str, ...], Cost]
    facts: Mapping[str, Facts]
    rates: Rates
    prices: Mapping[str, RentedPrice]
    watts: float | None = None
    """Of this machine while it answers: needed for energy, and for money where only electricity has a price."""

    def arm(self, route: Route) -> ArmFacts | None:
        """What the race measured of a route; None where it was not in one, or answered nothing."""
        found = (self.facts.get(route.answers_key, Facts()).arms or {}).get(route.arm) if route.arm else None
        return found if found and found.answers else None

    def machine(self, seconds: float | None, cost: Cost | None = None) -> Money | None:
        """What `seconds` of this machine cost, or `cost` with its fees; None where no price is known."""
        if self.rates.machine_hour is None and (
            self.rates.electricity is None or (cost is None and self.watts is None)
        ):
            return None
        if cost is not None:
            return cost.money(self.rates)
        return None if seconds is None else self.rates.money(wall_s=seconds, joules=seconds * (self.watts or 0.0))


def routes_table(summary: VerdictSummary, ledger: Ledger) -> list[RouteMoney]:
    """One line a route, break-even volumes filled in."""
    lines = [_line(route, summary, ledger) for route in summary.routes]
    rents = [line for line in lines if line.route == "rent" and line.cost_per_1000 is not None]
    return [_with_break_even(line, rents, summary) for line in lines]


def rented_cost(rented: RentedPrice, prompt_tokens: int, answer_tokens: int) -> Money:
    """Listed price of so many tokens, rounded up to a nano-unit once."""
    prompt, completion = rented.prompt.money, rented.completion.money
    nano = prompt_tokens * prompt.nano + answer_tokens * completion.nano
    return Money(nano=-(-nano // MILLION), currency=(prompt + completion).currency)


def answer_seconds(facts: Facts, summary: VerdictSummary) -> float | None:
    """Seconds of one answer in the engine on this machine; None where its speed was not measured."""
    if not facts.prompt_tokens_per_s or not facts.decode_tokens_per_s:
        return None
    return summary.prompt_tokens / facts.prompt_tokens_per_s + summary.answer_tokens / facts.decode_tokens_per_s


def break_even(
    to_make: Money | None, own: Money | None, rent: Money | None, rent_to_make: Money | None = None
) -> int | None:
    """Answers from which on `to_make` is earned back; `own` and `rent` are per 1,000 answers. None if never, or not known.

    `rent_to_make` is what the rented route needs made too, such as the index of the files; None for nothing.

    >>> usd = lambda nano: Money(nano=nano, currency="USD")
    >>> break_even(usd(9_000), usd(1_000), usd(4_000)), break_even(usd(9_000), usd(1_000), usd(4_000), usd(3_000))
    (3000, 2000)
    """
    if to_make is None or own is None or rent is None:
        return None
    rent_to_make = rent_to_make or Money(nano=0, currency=rent.currency)
    if len({money.currency for money in (to_make, own, rent, rent_to_make)}) > 1:
        return None
    saved = rent.nano - own.nano
    return max(0, -(-(to_make.nano - rent_to_make.nano) * ANSWERS // saved)) if saved > 0 else None


def pays_from(own: RouteMoney, rent: RouteMoney) -> int | None:
    """Answers from which on one line of the table is cheaper than another."""
    return break_even(own.cost_to_make, own.cost_per_1000, rent.cost_per_1000, rent.cost_to_make)


def _with_break_even(line: RouteMoney, rents: Sequence[RouteMoney], summary: VerdictSummary) -> RouteMoney:
    if line.route == "rent" or not rents:
        return line
    update: dict[str, object] = {"break_even_answers": pays_from(line, min(rents, key=_nano))}
    equal = [rent for rent in rents if line.arm and rent.arm and _tied(summary, line.arm, rent.arm)]
    if equal:
        rent = min(equal, key=_nano)
        update |= {"break_even_equal_answers": pays_from(line, rent), "break_even_equal_arm": rent.arm}
    return line.model_copy(update=update)


def _nano(line: RouteMoney) -> int:
    assert line.cost_per_1000 is not None, "only lines with a price are compared"
    return line.cost_per_1000.nano


def _tied(summary: VerdictSummary, arm: str, other: str) -> bool:
    difference = summary.between(arm, other)
    return difference is not None and better(difference, higher=True) is None


def _tokens(route: Route, summary: VerdictSummary, ledger: Ledger) -> tuple[float, float]:
    """Prompt and answer tokens of one answer: as the race measured the route, else the mean of its arms (those with the files, if
    any has them), else as the verdict's settings say."""
    own = ledger.arm(route)
    with_files = [one for one in summary.routes if one.files]
    measured = [own] if own else [arm for one in with_files or summary.routes if (arm := ledger.arm(one))]
    measured = [arm for arm in measured if arm.prompt_tokens]
    if not measured:
        return summary.prompt_tokens, summary.answer_tokens
    each = [(arm.prompt_tokens / arm.answers, arm.answer_tokens / arm.answers) for arm in measured]
    return sum(prompt for prompt, _ in each) / len(each), sum(answer for _, answer in each) / len(each)


def _prices(
    route: Route, tokens: tuple[float, float], seconds: float | None, ledger: Ledger
) -> tuple[Money | None, Money | None]:
    """To make, and per 1,000 answers."""
    cost = ledger.costs.get(route.made_of) if route.made_of else None
    to_make = None if cost is None else ledger.machine(None, cost)
    if route.route != "rent":
        return to_make, None if seconds is None else ledger.machine(ANSWERS * seconds)
    listed, arm = ledger.prices.get(route.model), ledger.arm(route)
    if listed is not None:
        rent: Money | None = rented_cost(listed, *(round(ANSWERS * count) for count in tokens))
    else:
        rent = arm.fees.times(ANSWERS / arm.answers) if arm and arm.fees else None
    if rent is None:
        return to_make, None
    retrieval = ledger.machine(ANSWERS * seconds) if seconds else None
    whole = rent + retrieval if retrieval and retrieval.currency == rent.currency else rent
    return to_make if route.made_of else Money(nano=0, currency=rent.currency), whole


_SAME = {
    "route", "model", "step", "note", "arm", "files", "leaves_house", "asked", "stopped", "troubles", "by_grader", "cited", "found",
}  # fmt: skip


def _line(route: Route, summary: VerdictSummary, ledger: Ledger) -> RouteMoney:
    arm, tokens = ledger.arm(route), _tokens(route, summary, ledger)
    seconds = arm.busy_s / arm.answers if arm else answer_seconds(ledger.facts.get(route.bundle_key, Facts()), summary)
    to_make, answers = _prices(route, tokens, seconds, ledger)
    joules = None if seconds is None or ledger.watts is None or route.route == "rent" else seconds * ledger.watts
    return RouteMoney(
        **route.model_dump(include=_SAME),
        **_fields("bpb", route.bpb, "se"),
        **_fields("accuracy", route.accuracy, "se"),
        **_fields("own", route.own, "low", "high"),
        **_fields("difference", route.bpb_difference, "low", "high"),
        **_fields("accuracy_difference", route.accuracy_difference, "low", "high"),
        **_fields("own_difference", route.own_difference, "low", "high"),
        cost_to_make=to_make,
        cost_per_1000=answers,
        latency_s=arm.latency_p50_s if arm else seconds,
        latency_p90_s=arm.latency_p90_s if arm else None,
        energy_j=joules,
        prompt_tokens=tokens[0] if arm else None,
        answer_tokens=tokens[1] if arm else None,
    )


def _fields(name: str, found: Score | Difference | None, *ends: str) -> dict[str, Any]:
    """A mean as the field `name`, what belongs to it as `name_low` and so on; {} for nothing."""
    return {} if found is None else {name: found.mean, **{f"{name}_{end}": getattr(found, end) for end in ends}}
