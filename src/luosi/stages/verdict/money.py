"""What `luosi verdict` shows: the routes with their money, and the advice, what to do first, then what it follows from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field

from luosi.artifacts import Facts
from luosi.artifacts.evidence import Sentence, VerdictSummary
from luosi.cost import Cost, Estimate, Frozen, Price, Rates
from luosi.grading.agreement import Agreement
from luosi.stages.verdict.choice import VOLUME, choose
from luosi.stages.verdict.costs import Ledger, RentedPrice, RouteMoney, routes_table
from luosi.stages.verdict.names import said
from luosi.stages.verdict.recommend import afterthoughts, recommend
from luosi.stages.verdict.unasked import advise_by_scores

ESTIMATED = "estimate only: not trained"


class Listed(Frozen):
    """A price that money was counted with, and where and when it was read."""

    what: str
    """The rented model; "" for this machine."""
    price: Price


class VerdictReport(Frozen):
    """Everything `luosi verdict` shows but the single answers."""

    source: str
    reference: str
    rented_model: str
    prompt_tokens: int
    answer_tokens: int
    routes: tuple[RouteMoney, ...]
    advice: tuple[Sentence, ...]
    reference_arm: str = ""
    """"" where the user's own questions were not asked."""
    questions: int = 0
    graders: dict[str, int] = Field(default_factory=dict)
    sequential: bool = False
    saved_share: float = 0.0
    """Of the evaluation's cost, by stopping arms that could no longer win."""
    judge: str = ""
    agreement: Agreement | None = None
    """Of the judge's marks with those of people; None where there was no judge, or nobody marked."""
    volume: int = VOLUME
    """Answers that the recommendation counts costs at."""
    prices: tuple[Listed, ...] = ()
    watts: float | None = None
    """Power of this machine while it answers: what energy is modelled from."""


def report(
    summary: VerdictSummary, costs: Mapping[tuple[str, ...], Cost], facts: Mapping[str, Facts], rates: Rates,
    prices: Mapping[str, RentedPrice], *, watts: float | None = None, scratch: Estimate | None = None, agreement: Agreement | None = None,
) -> VerdictReport:  # fmt: skip
    """The routes with their money, and the advice.

    Args:
        summary: Of the verdict.
        costs: By `Route.made_of` what all that was made for it has cost, each ancestor counted once.
        facts: Measured facts by key: of the bundles, and of the races (`Route.answers_key`).
        rates: Today's prices of this machine.
        prices: Today's listed prices by model's name: of `summary.rented_model` and of the rented arms.
        watts: Power of the machine while it answers: needed for energy, and where only electricity has a price.
        scratch: What training from scratch would take, where it was not done.
        agreement: Of the judge with people; see `judge_agreement`.
    """
    table = routes_table(summary, Ledger(costs, facts, rates, prices, watts))
    choice = choose(summary, table)
    after: tuple[Sentence, ...] = ()
    if choice is None:
        advice = tuple(advise_by_scores(summary, table, rates)) if summary.reference else ()
    else:
        advice, after = tuple(recommend(summary, table, choice)), tuple(afterthoughts(table, choice, rates))
        table = [line.model_copy(update={"recommended": line is choice.taken and choice.useful}) for line in table]
    if scratch is not None and all(line.route != "scratch" for line in table):
        table.append(_estimated(scratch, rates))
        after += (_not_trained(table[-1], scratch),)
    return VerdictReport(
        **summary.model_dump(include=_SAME),
        routes=tuple(table),
        advice=(*advice, *summary.advice, *after),
        agreement=agreement,
        prices=tuple(_listed(rates, prices, table)),
        watts=watts,
    )


_SAME = {
    "source", "reference", "rented_model", "prompt_tokens", "answer_tokens", "reference_arm", "questions", "graders", "sequential",
    "saved_share", "judge",
}  # fmt: skip


def _estimated(scratch: Estimate, rates: Rates) -> RouteMoney:
    """Training from scratch as a line of the table: its price alone."""
    known = rates.machine_hour is not None or rates.electricity is not None
    to_make = scratch.money(rates) if known else None
    return RouteMoney(route="scratch", model="from scratch", step="", note=ESTIMATED, cost_to_make=to_make)


def _not_trained(line: RouteMoney, scratch: Estimate) -> Sentence:
    hours = scratch.seconds.p50 / 3600
    time, time_zh = (
        (f"{hours:,.1f} h", f"{hours:,.1f} 小时") if hours >= 1 else (f"{hours * 60:.0f} min", f"{hours * 60:.0f} 分钟")
    )
    price, price_zh = (f" and {line.cost_to_make}", f"、{line.cost_to_make}") if line.cost_to_make else ("", "")
    return said(
        en=f"Training from scratch was not tried: it would need about {time}{price}",
        zh=f"没有从零训练：大约需要 {time_zh}{price_zh}",
    )


def _listed(rates: Rates, prices: Mapping[str, RentedPrice], table: Iterable[RouteMoney]) -> Iterator[Listed]:
    """Every price that a figure of the table rests on."""
    for price in (rates.machine_hour, rates.electricity):
        if price is not None:
            yield Listed(what="", price=price)
    for model in dict.fromkeys(line.model for line in table if line.route == "rent" and line.model in prices):
        yield Listed(what=model, price=prices[model].prompt)
        yield Listed(what=model, price=prices[model].completion)
