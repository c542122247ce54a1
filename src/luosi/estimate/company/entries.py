"""The entries of a company's file: people, compute, spending, income, users, serving, an API's price, funding, training runs.

Every amount is in the company's currency unless its name says USD. A number may be uncertain: `[low, high]` are its 10th and 90th
percentile, log-normal between two numbers above 0 and normal otherwise. Months are "YYYY-MM". Computes nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from luosi.cost import Frozen
from luosi.estimate.goodput import TAKEN_A_MONTH


def _reckonable(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e30 <= value <= 1e30:
        raise ValueError("expected a number between -1e30 and 1e30")
    return float(value)


def _uncertain(value: object) -> float | list[float]:
    if isinstance(value, list):
        if len(value) != 2:
            raise ValueError("expected a number or [low, high]")
        return [_reckonable(one) for one in value]
    return _reckonable(value)  # type: ignore[arg-type]


Number = Annotated[float, AfterValidator(_reckonable)]
Uncertain = Annotated[float | list[float], PlainValidator(_uncertain)]
Month = Annotated[str, Field(pattern=r"^(19|20)\d\d-(0[1-9]|1[0-2])$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
How = Literal["rented", "spot", "leased", "owned"]


class Item(Frozen):
    """What all have."""

    name: Name
    """Small letters, digits and _, as measures call it."""
    start: Month | None = None
    """First month; the company's first if left out."""
    end: Month | None = None
    """Last month; the company's last if left out."""


class People(Item):
    """A group that is paid."""

    count: Uncertain
    """In its first month."""
    cost_per_year: Uncertain
    """Of one, all that the employer pays."""
    growth_per_year: Uncertain = 0.0
    """Of the count: 0.5 is half as many again."""
    raise_per_year: Uncertain = 0.0
    """Of the cost of one."""


class Compute(Item):
    """Accelerators held for a time."""

    use: Literal["training", "serving", "other"] = "training"
    """Under which it stands in the budget."""
    how: How = "rented"
    """rented and spot by the hour, leased for all its months, owned with network, space and power."""
    chip: str
    """As in data/chips.csv."""
    devices: Uncertain
    """In its first month."""
    busy: Uncertain = 1.0
    """Share of the hours that is paid where rented; that the power is for where owned. Leased ones are paid always."""
    growth_per_year: Uncertain = 0.0
    """Of the devices."""
    usd_hour: Uncertain | None = None
    """Of one device, if not rented at the listed price."""
    source: str = ""
    """Where and when a price given here was read."""
    price_change_per_year: Uncertain = 0.0
    """Of rents: -0.3 is a fall by 30 % a year. A lease keeps its first price."""
    taken_a_month: Number = Field(default=TAKEN_A_MONTH, gt=0, le=30)
    """Share of spot servers that are taken back in a month; what is lost by it is rented in addition."""
    lease_discount: Number = Field(default=0.0, ge=0, lt=1)
    """Share off the rent for a lease."""
    years: Number = Field(default=4.0, ge=1, le=20)
    """After which owned ones are written off and bought again."""
    server_usd: Number | None = Field(default=None, gt=0)
    """Of a whole server, if not at the listed price."""
    usd_kwh: Number | None = Field(default=None, gt=0)
    """Of power for owned ones, if not at the listed price."""
    pue: Number = Field(default=1.1, ge=1, lt=10)
    """Power of the data centre for a unit of theirs."""


class Spending(Item):
    """Money that goes elsewhere."""

    kind: Literal["data", "compute.training", "compute.serving", "marketing", "space", "power", "other"] = "other"
    """Under which it stands in the budget."""
    once: Uncertain = 0.0
    """In the first month."""
    per_month: Uncertain = 0.0
    """In every month, the first too."""
    growth_per_year: Uncertain = 0.0
    """Of `per_month`."""


class Income(Item):
    """Revenue that does not follow the users."""

    once: Uncertain = 0.0
    """In the first month."""
    per_month: Uncertain = 0.0
    """In every month, the first too."""
    growth_per_year: Uncertain = 0.0
    """Of `per_month`."""


class Users(Item):
    """Who is served, and what they pay."""

    count: Uncertain
    """In the first month."""
    growth_per_month: Uncertain = 0.0
    """Of the count: 0.1 is a tenth more each month."""
    at_most: Number | None = Field(default=None, gt=0)
    """The market: no more than these."""
    tokens_per_month: Uncertain = 0.0
    """Of one user, prompt and answer."""
    paying: Uncertain = 0.0
    """Share of them."""
    price_per_month: Uncertain = 0.0
    """Of one who pays."""
    price_change_per_year: Uncertain = 0.0
    """Price cuts: -0.3 is a fall by 30 % a year."""


class Serving(Frozen):
    """Machines that follow the users' tokens."""

    chip: str
    """As in data/chips.csv."""
    model: str = ""
    """A name of the catalogue, a config.json or a size: how many tokens a device serves over day and night is predicted."""
    prompt: Number = Field(default=1000, gt=0)
    """Tokens of a request, for the prediction."""
    answer: Number = Field(default=300, gt=0)
    """Tokens of an answer, for the prediction."""
    tokens_s: Uncertain | None = None
    """Of one device at full load, prompt and answer, in place of a model."""
    busy: Uncertain = 0.4
    """Mean load over that for which there are machines: day and night, peaks, spares; a predicted model has its own."""
    speedup_per_year: Uncertain = 0.0
    """Of tokens per device, by better programs and chips."""
    usd_hour: Uncertain | None = None
    """Of one device, if not at the listed price."""
    source: str = ""
    """Where and when a price given here was read."""
    price_change_per_year: Uncertain = 0.0
    """Of the rent: -0.3 is a fall by 30 % a year."""

    @model_validator(mode="after")
    def _one_way(self) -> Serving:
        if bool(self.model) == (self.tokens_s is not None):
            raise ValueError("give model or tokens_s")
        return self


class Api(Frozen):
    """What renting a model would cost for the same tokens."""

    usd_per_million: Uncertain
    """Prompt and answer tokens, mixed as the users' are."""
    source: str = Field(min_length=1)
    """Where and when the price was read."""
    price_change_per_year: Uncertain = 0.0
    """-0.3 is a fall by 30 % a year."""


class Round(Frozen):
    """Money raised."""

    amount: Uncertain
    """In the company's currency."""
    month: Month
    """In which it comes."""
    chance: Number = Field(default=1.0, ge=0, le=1)
    """That it comes at all."""


class Training(Frozen):
    """A run that ends in a model."""

    name: Name
    """Small letters, digits and _, as measures call it."""
    start: Month | None = None
    """First month; the company's first if left out."""
    model: str = ""
    """A name of the catalogue, a config.json or a size such as "70B": its step is searched and predicted, `tokens_b` says how long."""
    flop: Uncertain | None = None
    """In all, in place of a model; or 6 for each of `parameters_b` and `tokens_b`; or `times` that of the run `of`."""
    parameters_b: Uncertain | None = None
    """Active ones, in billions."""
    tokens_b: Uncertain | None = None
    """In billions."""
    times: Uncertain | None = None
    """As much compute as `of`, that many times."""
    of: str = ""
    """The name of a run above."""
    chip: str
    """As in data/chips.csv."""
    devices: Uncertain
    """All the time."""
    precision: str = "bf16"
    """bf16, fp8, fp4, ..: of which peak `mfu` is a share."""
    mfu: Uncertain | None = None
    """Share of the peak that is the model's own work, if not as predicted for `model` or as usual."""
    goodput: Uncertain = 0.92
    """Share of the time that counts: failures and checkpoints."""
    paid: bool = True
    """False where `compute` pays for its devices already."""
    usd_hour: Uncertain | None = None
    """Of one device, if not rented at the listed price."""
    source: str = ""
    """Where and when a price given here was read."""
    pue: Number = Field(default=1.1, ge=1, lt=10)
    """Power of the data centre for a unit of theirs."""

    @model_validator(mode="after")
    def _one_way(self) -> Training:
        sized = self.tokens_b is not None
        ways = [
            bool(self.model) and sized,
            self.flop is not None,
            self.parameters_b is not None and sized,
            bool(self.times and self.of),
        ]
        if sum(ways) != 1:
            raise ValueError("give model and tokens_b, or parameters_b and tokens_b, or flop, or times and of")
        return self
