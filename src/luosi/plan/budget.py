"""Budget: what the user is ready to spend, as read from text such as "10 min", "5 USD" or "2 kWh", and what an estimate
takes of it. Knows no recipes."""

from __future__ import annotations

import difflib
import math
import re
from typing import Literal

from luosi.cost import NANO, Estimate, Frozen, Rates
from luosi.errors import UsageError

Kind = Literal["seconds", "usd", "kwh", "flop"]
Point = Literal["p10", "p50", "p90"]

UNITS: dict[str, tuple[Kind, float]] = {
    "s": ("seconds", 1), "sec": ("seconds", 1), "second": ("seconds", 1), "seconds": ("seconds", 1),
    "min": ("seconds", 60), "minute": ("seconds", 60), "minutes": ("seconds", 60),
    "h": ("seconds", 3600), "hour": ("seconds", 3600), "hours": ("seconds", 3600),
    "d": ("seconds", 86400), "day": ("seconds", 86400), "days": ("seconds", 86400),
    "usd": ("usd", 1), "$": ("usd", 1), "dollar": ("usd", 1), "dollars": ("usd", 1),
    "wh": ("kwh", 1e-3), "kwh": ("kwh", 1), "mwh": ("kwh", 1e3), "j": ("kwh", 1 / 3.6e6), "kj": ("kwh", 1 / 3600),
    "flop": ("flop", 1), "flops": ("flop", 1), "gflop": ("flop", 1e9), "tflop": ("flop", 1e12),
    "pflop": ("flop", 1e15), "eflop": ("flop", 1e18),
}  # fmt: skip

SHOWN: dict[Kind, tuple[tuple[str, float], ...]] = {
    "seconds": (("day", 86400), ("h", 3600), ("min", 60), ("s", 1)),
    "usd": (("USD", 1),),
    "kwh": (("kWh", 1), ("Wh", 1e-3)),
    "flop": (("FLOP", 1),),
}
"""Units to show an amount in, the largest first."""

EXAMPLES = 'for example "10 min", "1 h", "5 USD", "2 kWh" or "1e17 FLOP"'
AMOUNT = re.compile(
    r"\s*(?P<sign>\$?)\s*(?P<number>[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)\s*(?P<unit>[A-Za-z$]*)\s*"
)


class Budget(Frozen):
    """At most `amount` of one kind of thing: wall seconds, US dollars, kilowatt-hours or FLOP."""

    kind: Kind
    amount: float

    def __str__(self) -> str:
        unit, size = next(((u, s) for u, s in SHOWN[self.kind] if self.amount >= s), SHOWN[self.kind][-1])
        return f"{self.amount / size:.4g} {unit}"


def parse_budget(text: str) -> Budget:
    """The budget that `text` says.

    Raises:
        UsageError: It says none; the hint shows some that do.

    >>> parse_budget("10 min")
    Budget(kind='seconds', amount=600.0)
    """
    match = AMOUNT.fullmatch(text)
    unit = (match["sign"] or match["unit"]).lower() if match else ""
    if match is None or (match["sign"] and match["unit"].lower() not in ("", "usd")):
        raise UsageError(f"{text!r} is not a budget; expected a number and a unit", hint=EXAMPLES)
    if not unit:
        raise UsageError(f"the budget {text!r} has no unit", hint=EXAMPLES)
    if unit not in UNITS:
        close = difflib.get_close_matches(unit, UNITS, n=1, cutoff=0.5)
        raise UsageError(
            f"{match['unit']!r} is not a unit of a budget", hint=f"did you mean {close[0]!r}?" if close else EXAMPLES
        )
    kind, size = UNITS[unit]
    amount = float(match["number"]) * size
    if not 0 < amount < math.inf:
        raise UsageError(f"a budget of {text!r} buys nothing; expected more than 0", hint=EXAMPLES)
    return Budget(kind=kind, amount=amount)


def takes(estimate: Estimate, kind: Kind, rates: Rates, point: Point = "p90") -> float:
    """How much of a budget of `kind` the work of `estimate` takes.

    Raises:
        UsageError: The budget is in dollars and this machine is billed in another currency, or has no price.
    """
    seconds, joules = getattr(estimate.seconds, point), getattr(estimate.joules, point)
    if kind == "usd":
        money = estimate.money(rates, point)
        if money.currency != "USD":
            raise UsageError(
                f"the budget is in USD, this machine is billed in {money.currency}",
                hint="give a budget in hours or kWh",
            )
        return money.nano / NANO
    amounts: dict[Kind, float] = {"seconds": seconds, "kwh": joules / 3.6e6, "flop": estimate.flop}
    return float(amounts[kind])


def at_least(amount: float, kind: Kind) -> Budget:
    """A budget of two significant digits, as shown, that is not below `amount`.

    >>> str(at_least(603.0, "seconds"))
    '11 min'
    """
    size = next((size for _, size in SHOWN[kind] if amount >= size), SHOWN[kind][-1][1])
    step = 10.0 ** (math.floor(math.log10(amount / size)) - 1)
    return Budget(kind=kind, amount=math.ceil(amount / size / step * (1 - 1e-12)) * step * size)
