"""Budgets in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import Estimate, Interval, Money, Price, Rates
from luosi.errors import UsageError
from luosi.plan.budget import Kind, at_least, parse_budget, takes


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("10 min", "seconds", 600),
        ("1h", "seconds", 3600),
        (" 1.5 Hours ", "seconds", 5400),
        ("90s", "seconds", 90),
        ("5 USD", "usd", 5),
        ("$0.25", "usd", 0.25),
        ("2 kWh", "kwh", 2),
        ("500 Wh", "kwh", 0.5),
        ("3.6e6 J", "kwh", 1),
        ("1e17 FLOP", "flop", 1e17),
        ("100 PFLOP", "flop", 1e17),
        ("1_000 s", "seconds", 1000),
    ],
)
def test_amounts_and_units(text: str, kind: Kind, amount: float) -> None:
    budget = parse_budget(text)
    assert (budget.kind, budget.amount) == (kind, pytest.approx(amount))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a budget"),
        ("soon", "is not a budget"),
        ("-5 min", "is not a budget"),
        ("nan h", "is not a budget"),
        ("10", "has no unit"),
        ("0 min", "buys nothing"),
        ("1e400 h", "buys nothing"),
        ("10 minuets", "did you mean 'minutes'"),
        ("5 bananas", "not a unit"),
        ("$5 min", "is not a budget"),
    ],
)
def test_anything_else_is_refused_with_an_example(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_budget(text)
    assert caught.value.hint and caught.value.exit_code == 2


@given(st.floats(1e-3, 1e21), st.sampled_from(["seconds", "usd", "kwh", "flop"]))
def test_a_proposed_budget_is_enough_and_can_be_typed(amount: float, kind: Kind) -> None:
    proposed = at_least(amount, kind)
    typed = parse_budget(str(proposed))
    assert typed.kind == kind
    assert amount * (1 - 1e-9) <= typed.amount <= amount * 1.101


WORK = Estimate(seconds=Interval(p10=1, p50=3600, p90=7200), joules=Interval(p10=1, p50=3.6e6, p90=7.2e6), flop=1e15)


def hourly(currency: str) -> Rates:
    money = Money(nano=2_000_000_000, currency=currency)
    return Rates(machine_hour=Price(money=money, unit="machine_hour", source="", date=""))


def test_what_work_takes_of_each_kind() -> None:
    found = {kind: takes(WORK, kind, hourly("USD")) for kind in ("seconds", "usd", "kwh", "flop")}
    assert found == {"seconds": 7200, "usd": 4.0, "kwh": 2.0, "flop": 1e15}
    assert takes(WORK, "usd", hourly("USD"), "p50") == 2.0
    with pytest.raises(UsageError, match="billed in EUR"):
        takes(WORK, "usd", hourly("EUR"))
