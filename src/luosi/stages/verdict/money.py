"""Joins a verdict with money: what each route cost to make, what its answers cost, and from how many answers on it pays.

Pure functions of a VerdictSummary, what the ledger knows of each bundle, and today's prices. Own answers cost the seconds in
which the machine is busy with them, one at a time; idle hours are not in them. A price that is not known leaves its field empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from luosi.artifacts import Facts
from luosi.artifacts.evidence import Route, VerdictSummary
from luosi.cost import Cost, Frozen, Money, Price, Rates
from luosi.stages.verdict.advice import best_route

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
    bpb: float | None
    bpb_se: float | None
    accuracy: float | None
    accuracy_se: float | None
    difference: float | None
    """In bits per byte: negative is better."""
    difference_low: float | None
    difference_high: float | None
    accuracy_difference: float | None
    accuracy_difference_low: float | None
    accuracy_difference_high: float | None
    cost_to_make: Money | None
    cost_per_1000: Money | None
    break_even_answers: int | None
    """Answers from which on making and running it costs less than renting; None if never, or not known."""
    latency_s: float | None
    """Seconds of one answer."""
    note: str


class VerdictReport(Frozen):
    """Everything `luosi verdict` shows."""

    source: str
    reference: str
    rented_model: str
    prompt_tokens: int
    answer_tokens: int
    routes: tuple[RouteMoney, ...]
    advice: tuple[str, ...]


def report(
    summary: VerdictSummary,
    costs: Mapping[str, Cost],
    facts: Mapping[str, Facts],
    rates: Rates,
    rented: RentedPrice | None,
    watts: float | None = None,
) -> VerdictReport:
    """The routes with their money, and the advice: what to do first, then what it follows from; arguments as `routes_table`."""
    table = routes_table(summary, costs, facts, rates, rented, watts)
    return VerdictReport(
        source=summary.source,
        reference=summary.reference,
        rented_model=summary.rented_model,
        prompt_tokens=summary.prompt_tokens,
        answer_tokens=summary.answer_tokens,
        routes=tuple(table),
        advice=(*money_advice(summary, table, rates), *summary.advice),
    )


def routes_table(
    summary: VerdictSummary,
    costs: Mapping[str, Cost],
    facts: Mapping[str, Facts],
    rates: Rates,
    rented: RentedPrice | None,
    watts: float | None = None,
) -> list[RouteMoney]:
    """One line a route.

    Args:
        summary: Of the verdict.
        costs: By bundle key what the bundle and all it was made from have cost.
        facts: By bundle key its measured facts.
        rates: Today's prices of this machine.
        rented: Today's listed prices of the rented model; None where there is none.
        watts: Power of the machine while it answers: needed where only electricity has a price.
    """
    rent = (
        None
        if rented is None
        else rented_cost(rented, ANSWERS * summary.prompt_tokens, ANSWERS * summary.answer_tokens)
    )
    lines = []
    for route in summary.routes:
        seconds = answer_seconds(facts.get(route.bundle_key, Facts()), summary)
        make = costs.get(route.bundle_key)
        to_make = None if make is None else _money(rates, make.wall_s, make.joules, make)
        answers = None if seconds is None else _answers(rates, ANSWERS * seconds, watts)
        if route.route == "rent":
            to_make, answers = None if rent is None else Money(nano=0, currency=rent.currency), rent
        pays = None if route.route == "rent" else break_even(to_make, answers, rent)
        lines.append(_line(route, to_make, answers, pays, seconds))
    return lines


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


def break_even(to_make: Money | None, own: Money | None, rent: Money | None) -> int | None:
    """Answers from which on `to_make` is earned back; `own` and `rent` are per 1,000 answers. None if never, or not known.

    >>> usd = lambda nano: Money(nano=nano, currency="USD")
    >>> break_even(usd(9_000), usd(1_000), usd(4_000))
    3000
    """
    if to_make is None or own is None or rent is None or len({m.currency for m in (to_make, own, rent)}) > 1:
        return None
    saved = rent.nano - own.nano
    return -(-to_make.nano * ANSWERS // saved) if saved > 0 else None


def money_advice(summary: VerdictSummary, table: Sequence[RouteMoney], rates: Rates) -> Iterator[str]:
    """Which route to take at which volume, and what would change that."""
    step = best_route(summary).step
    own = next(line for line in table if line.step == step)
    rent = next((line for line in table if line.route == "rent"), None)
    cheaper = next((line for line in table if line.route == "baseline" and _fewer_bits(line, own)), None)
    if cheaper is not None:
        yield (
            f"Take none of these models: {cheaper.model} predicts this text better than {own.model}, the best of them. Rent one, "
            "or adapt a larger open model; what would change that: more text, more training, or questions that they answer well"
        )
        return
    take = f"By quality take {own.model}"
    if rent is None or rent.cost_per_1000 is None:
        yield f"{take}; no rented model's price was given to hold its cost against"
    elif own.cost_per_1000 is None or own.cost_to_make is None:
        yield f"{take}; its cost is not known: its speed was not measured here, or this machine has no price"
    elif own.cost_per_1000.currency != rent.cost_per_1000.currency:
        yield f"{take}; it is priced in {own.cost_per_1000.currency}, {rent.model} in {rent.cost_per_1000.currency}"
    else:
        yield from _rent_or_own(own, rent, own.cost_per_1000, rent.cost_per_1000)
        yield from _idle(rates, rent.cost_per_1000)


def _fewer_bits(line: RouteMoney, other: RouteMoney) -> bool:
    return line.bpb is not None and other.bpb is not None and line.bpb < other.bpb


def _rent_or_own(own: RouteMoney, rent: RouteMoney, own_price: Money, rent_price: Money) -> Iterator[str]:
    prices = f"{own_price} per 1,000 answers against {rent_price}"
    unmeasured = f"the quality of {rent.model} is {rent.note}"
    if own.break_even_answers is None:
        yield (
            f"Rent {rent.model} at any volume if its quality will do: {own.model} costs more for each answer "
            f"({prices}); {unmeasured}"
        )
        change = f"a machine that gives {own_price.nano / max(1, rent_price.nano):,.1f} times the answers for its price"
        yield f"What would change that: {change}, or a rented price above {own_price} per 1,000 answers"
        return
    yield (
        f"Take {own.model} from {own.break_even_answers:,} answers on, rent {rent.model} below ({prices}, and "
        f"{own.cost_to_make} once); {unmeasured}"
    )
    change = f"a volume below {own.break_even_answers:,} answers"
    yield f"What would change that: {change}, or a rented price below {own_price} per 1,000 answers"


def _idle(rates: Rates, rent_price: Money) -> Iterator[str]:
    """What a machine that is kept on costs beside."""
    day = rates.machine_hour.money.times(24) if rates.machine_hour is not None else None
    if day is not None and day.currency == rent_price.currency and rent_price.nano:
        answers = -(-day.nano * ANSWERS // rent_price.nano)
        yield (
            f"Only the seconds of answering are counted: a machine kept on costs {day} a day, for which renting gives "
            f"{answers:,} answers"
        )


def _line(
    route: Route, to_make: Money | None, answers: Money | None, pays: int | None, seconds: float | None
) -> RouteMoney:
    bits, right = route.bpb_difference, route.accuracy_difference
    return RouteMoney(
        route=route.route,
        model=route.model,
        step=route.step,
        bpb=route.bpb.mean if route.bpb else None,
        bpb_se=route.bpb.se if route.bpb else None,
        accuracy=route.accuracy.mean if route.accuracy else None,
        accuracy_se=route.accuracy.se if route.accuracy else None,
        difference=bits.mean if bits else None,
        difference_low=bits.low if bits else None,
        difference_high=bits.high if bits else None,
        accuracy_difference=right.mean if right else None,
        accuracy_difference_low=right.low if right else None,
        accuracy_difference_high=right.high if right else None,
        cost_to_make=to_make,
        cost_per_1000=answers,
        break_even_answers=pays,
        latency_s=seconds,
        note=route.note,
    )


def _answers(rates: Rates, seconds: float, watts: float | None) -> Money | None:
    if rates.machine_hour is None and watts is None:
        return None
    return _money(rates, seconds, seconds * (watts or 0.0))


def _money(rates: Rates, wall_s: float, joules: float, cost: Cost | None = None) -> Money | None:
    """In money, fees of `cost` included; None where this machine has no price."""
    if rates.machine_hour is None and rates.electricity is None:
        return None
    own = rates.money(wall_s=wall_s, joules=joules)
    return own + cost.fees if cost is not None and cost.fees is not None else own
