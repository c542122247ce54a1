"""What things cost: measured quantities, estimated quantities, money, and the machine they are counted on.

Quantities are what is stored (seconds, FLOP, joules, tokens, bytes); money is derived from them by dated rates, because
prices change and quantities do not. A `Cost` is measured, an `Estimate` is a forecast with an interval. Knows nothing of
stages, stores or models.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from luosi.errors import UsageError

NANO = 1_000_000_000
Z90 = 1.2815515655446004  # the 90 % point of the standard normal distribution


_WHOLE = r"[0-9]{1,3}(?:[,_][0-9]{3})+|[0-9]+"
_COUNT = re.compile(rf"\s*(?P<whole>{_WHOLE})\s*")
_AMOUNT = re.compile(
    rf"\s*(?P<sign>[$¥￥€£])?\s*(?P<amount>(?:{_WHOLE})(?:\.[0-9]+)?)\s*(?P<currency>[A-Za-z]{{3}})?\s*", re.ASCII
)
_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP"}
_MOST_DIGITS = 15


class Frozen(BaseModel):
    """An immutable record that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Money(Frozen):
    """An exact amount: `nano` billionths of one unit of `currency` (ISO 4217). Never a float.

    >>> Money(nano=1_500_000_000, currency="USD") + Money(nano=1, currency="USD")
    Money(nano=1500000001, currency='USD')
    """

    nano: int
    currency: str = Field(pattern="^[A-Z]{3}$")

    def __add__(self, other: Money) -> Money:
        if other.currency != self.currency:
            raise UsageError(f"cannot add {other.currency} to {self.currency}", hint="give all prices in one currency")
        return Money(nano=self.nano + other.nano, currency=self.currency)

    def times(self, quantity: float) -> Money:
        """This price for `quantity` units, rounded up to a whole nano-unit once."""
        return Money(nano=math.ceil(self.nano * quantity), currency=self.currency)

    def __str__(self) -> str:
        units = self.nano / NANO
        return f"{units:.2f} {self.currency}" if units >= 1 or self.nano == 0 else f"{units:.3g} {self.currency}"


def parse_count(text: str, hint: str = "") -> int:
    """A whole number with or without separators between its thousands.

    Raises:
        UsageError: It is none: a separator elsewhere may be meant as a decimal point.

    >>> parse_count("10,000"), parse_count("1_000_000")
    (10000, 1000000)
    """
    match = _COUNT.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not a whole number, such as 10000 or 10,000", hint=hint)
    return int(_digits(match["whole"], text, hint))


def parse_money(text: str, *, currency: str = "", hint: str = "") -> Money:
    """An amount of money as people write it: 50USD, "1,000.50 eur", $50.

    Args:
        text: Separators stand only between thousands, a point before at most nine decimals. $, € and £ are USD, EUR and GBP.
        currency: Where the text names none; "" refuses it.
        hint: Of the error.

    Raises:
        UsageError: It is none, or its currency is not certain: ¥ may be CNY or JPY.

    >>> parse_money("1,000.5 eur"), parse_money("2", currency="CNY")
    (Money(nano=1000500000000, currency='EUR'), Money(nano=2000000000, currency='CNY'))
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is not an amount of money, such as 1000.50 USD or 1,000.50 USD", hint=hint)
    sign, named = match["sign"] or "", (match["currency"] or "").upper()
    meant = _SIGNS.get(sign, "")
    if meant and named not in ("", meant):
        raise UsageError(f"{text!r} names two currencies", hint=hint)
    if sign and not meant and named not in ("CNY", "JPY"):
        raise UsageError(f"{text!r}: {sign} may be CNY or JPY; write which, as in 50 CNY", hint=hint)
    known = meant or named or currency
    if not known:
        raise UsageError(f"{text!r} names no currency", hint=hint)
    whole, point, decimals = match["amount"].partition(".")
    if len(decimals) > 9:
        raise UsageError(f"{text!r} has {len(decimals)} decimals; expected at most 9", hint=hint)
    amount = Decimal(_digits(whole, text, hint) + point + decimals)
    return Money(nano=int(amount * NANO), currency=known)


def _digits(whole: str, text: str, hint: str) -> str:
    found = re.sub("[,_]", "", whole)
    if len(found) > _MOST_DIGITS:
        raise UsageError(f"{text[:40]!r} has {len(found)} digits; expected at most {_MOST_DIGITS}", hint=hint)
    return found


class Price(Frozen):
    """Money for one unit of something, with where and when the figure was read."""

    money: Money
    unit: Literal["machine_hour", "core_hour", "kwh", "million_prompt_tokens", "million_completion_tokens"]
    source: str
    date: str


class Rates(Frozen):
    """The dated prices that turn quantities into money: a machine's hour (rented: power included), or the power of an owned one.

    At least one must be known, else `money` refuses: an unknown price is never taken as 0.
    """

    machine_hour: Price | None = None
    electricity: Price | None = None

    def money(self, *, wall_s: float, joules: float) -> Money:
        """What `wall_s` seconds of the machine and `joules` of energy cost together.

        Raises:
            UsageError: Neither price is known.
        """
        if self.machine_hour is not None:
            return self.machine_hour.money.times(wall_s / 3600)
        if self.electricity is not None:
            return self.electricity.money.times(joules / 3.6e6)
        raise UsageError("no price is known for this machine", hint="set machine_hour or electricity in rates.toml")


def _sum(first: Money | None, second: Money | None) -> Money | None:
    return first + second if first and second else first or second


class Cost(Frozen):
    """What was spent: every attempt of a step counts, killed ones too.

    `joules_by` says how the energy was come by; a sum of both kinds is "modelled".
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0
    device_s: float = 0.0
    flop: float = 0.0
    joules: float = 0.0
    joules_by: Literal["none", "measured", "modelled"] = "none"
    tokens: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    peak_rss_bytes: int = 0
    peak_vram_bytes: int = 0
    fees: Money | None = None
    """Money paid to others for this step (rented models), in addition to the machine."""

    def __add__(self, other: Cost) -> Cost:
        ways = {self.joules_by, other.joules_by} - {"none"}
        return Cost(
            wall_s=self.wall_s + other.wall_s,
            cpu_s=self.cpu_s + other.cpu_s,
            device_s=self.device_s + other.device_s,
            flop=self.flop + other.flop,
            joules=self.joules + other.joules,
            joules_by="modelled" if "modelled" in ways else "measured" if ways else "none",
            tokens=self.tokens + other.tokens,
            bytes_read=self.bytes_read + other.bytes_read,
            bytes_written=self.bytes_written + other.bytes_written,
            peak_rss_bytes=max(self.peak_rss_bytes, other.peak_rss_bytes),
            peak_vram_bytes=max(self.peak_vram_bytes, other.peak_vram_bytes),
            fees=_sum(self.fees, other.fees),
        )

    def money(self, rates: Rates) -> Money:
        """This cost in money, fees included."""
        own = rates.money(wall_s=self.wall_s, joules=self.joules)
        return own + self.fees if self.fees else own


class Interval(Frozen):
    """A forecast: one chance in ten below `p10`, even chances around `p50`, one in ten above `p90`."""

    p10: float
    p50: float
    p90: float

    @classmethod
    def around(cls, p50: float, sigma: float) -> Self:
        """The log-normal interval with median `p50` and standard deviation `sigma` of the logarithm.

        >>> Interval.around(10.0, 0.0)
        Interval(p10=10.0, p50=10.0, p90=10.0)
        """
        return cls(p10=p50 * math.exp(-Z90 * sigma), p50=p50, p90=p50 * math.exp(Z90 * sigma))

    @classmethod
    def exactly(cls, value: float) -> Self:
        """No doubt at all: for steps that are done already."""
        return cls(p10=value, p50=value, p90=value)

    def __add__(self, other: Interval) -> Interval:
        """The sum of two forecasts whose errors are independent: medians add, half-widths add in quadrature."""
        p50 = self.p50 + other.p50
        low = math.hypot(self.p50 - self.p10, other.p50 - other.p10)
        high = math.hypot(self.p90 - self.p50, other.p90 - other.p50)
        return Interval(p10=max(0.0, p50 - low), p50=p50, p90=p50 + high)

    def times(self, factor: float) -> Interval:
        """Every point multiplied by `factor`."""
        return Interval(p10=self.p10 * factor, p50=self.p50 * factor, p90=self.p90 * factor)


class Estimate(Frozen):
    """What a step is expected to cost; `memory_bytes` is the expected peak."""

    seconds: Interval = Interval(p10=0.0, p50=0.0, p90=0.0)
    flop: float = 0.0
    joules: Interval = Interval(p10=0.0, p50=0.0, p90=0.0)
    memory_bytes: int = 0
    fees: Money | None = None
    """To be paid to others (rented models), in addition to the machine."""

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            seconds=self.seconds + other.seconds,
            flop=self.flop + other.flop,
            joules=self.joules + other.joules,
            memory_bytes=max(self.memory_bytes, other.memory_bytes),
            fees=_sum(self.fees, other.fees),
        )

    def money(self, rates: Rates, point: Literal["p10", "p50", "p90"] = "p50") -> Money:
        """What it is expected to cost at one point of the interval, fees included."""
        own = rates.money(wall_s=getattr(self.seconds, point), joules=getattr(self.joules, point))
        return own + self.fees if self.fees else own


class Factor(Frozen):
    """What the ledger taught of one stage or step on one machine: measured / estimated seconds, and how much that varies."""

    ratio: float = 1.0
    sigma: float = 0.5
    runs: int = 0


class Machine(Frozen):
    """Where steps run, as measured there or read from a catalogue."""

    name: str
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    cores: int = Field(gt=0)
    memory_bytes: int = Field(gt=0)
    fp32_flops: float = Field(gt=0)
    """Sustained FLOP/s of a large matrix product in fp32, all cores."""
    bf16_flops: float = Field(gt=0)
    """The same in bf16; equal to `fp32_flops` where bf16 is not faster and is not used."""
    watts_idle: float = 0.0
    watts_busy: float = Field(gt=0)
    """Power of the machine with all cores busy; modelled from the core count where it cannot be read."""
    source: Literal["measured", "catalogue"] = "catalogue"
    date: str = ""
    factors: dict[str, Factor] = {}
    """By stage name; see `Factor`."""
    steps: dict[str, Factor] = {}
    """By "STAGE/STEP", for steps of that name that were run here; nearer than their stage's."""

    @property
    def training_flops(self) -> float:
        """The faster of the two precisions."""
        return max(self.fp32_flops, self.bf16_flops)

    def for_step(self, stage: str, step: str) -> Machine:
        """This machine, with what is known of the step called `step` in place of what is known of its stage."""
        known = self.steps.get(f"{stage}/{step}")
        return self.model_copy(update={"factors": {**self.factors, stage: known}}) if known else self

    def estimate(
        self, stage: str, *, seconds: float, flop: float = 0.0, memory_bytes: int = 0, fees: Money | None = None
    ) -> Estimate:
        """An estimate of `seconds` by first principles, corrected by what the ledger knows of `stage` here."""
        factor = self.factors.get(stage, Factor())
        interval = Interval.around(max(seconds, 0.05) * factor.ratio, factor.sigma)
        joules = interval.times(self.watts_busy)
        return Estimate(seconds=interval, flop=flop, joules=joules, memory_bytes=int(memory_bytes), fees=fees)
