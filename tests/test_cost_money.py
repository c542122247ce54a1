"""Money and counts as people write them: one reading for the command line and the page, and nothing guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.cost import NANO, Money, parse_count, parse_money
from luosi.errors import UsageError
from luosi.web.worth import budget_of


@given(st.integers(1, 10**15 - 1), st.integers(0, NANO - 1), st.sampled_from(["{:,}", "{:_}", "{}"]))
def test_what_is_written_is_read(whole: int, nano: int, form: str) -> None:
    text = f" {form.format(whole)}.{nano:09d} usd"
    assert parse_money(text) == Money(nano=whole * NANO + nano, currency="USD") == budget_of(text, "EUR")
    assert parse_count(form.format(whole)) == whole


@pytest.mark.parametrize(
    ("text", "currency"),
    [("50USD", "USD"), ("50 eur", "EUR"), ("$50", "USD"), ("$ 50 usd", "USD"), ("€50", "EUR"), ("£50", "GBP"), ("¥50 CNY", "CNY"), ("￥50jpy", "JPY")],
)  # fmt: skip
def test_currencies(text: str, currency: str) -> None:
    assert parse_money(text) == Money(nano=50 * NANO, currency=currency) == budget_of(text, "CHF")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,50 EUR", "not an amount"), ("1.000,50 EUR", "not an amount"), ("10,00 USD", "not an amount"), ("1,0000 USD", "not an amount"),
        ("1000,000 USD", "not an amount"), ("1,,000 USD", "not an amount"), ("1, 000 USD", "not an amount"), ("5. USD", "not an amount"),
        (".5 USD", "not an amount"), ("1e3 USD", "not an amount"), ("-5 USD", "not an amount"), ("５ USD", "not an amount"),
        ("¥50", "may be CNY or JPY"), ("¥50 USD", "may be CNY or JPY"), ("$5 EUR", "two currencies"),
        ("0.0123456789 USD", "10 decimals"), ("9" * 5000 + " USD", "5000 digits"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_by_both(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_money(text)
    assert budget_of(text, "USD") is None


def test_a_currency_is_never_guessed() -> None:
    with pytest.raises(UsageError, match="names no currency") as caught:
        parse_money("50", hint="as in 50USD")
    assert caught.value.hint == "as in 50USD" and parse_money("50", currency="CNY") == Money(
        nano=50 * NANO, currency="CNY"
    )


@pytest.mark.parametrize("text", ["1,00", "10,00", "1_0000", "1000,000", "-3", "+3", "1.0", "", "１０", "9" * 16])
def test_counts_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match=r"whole number|digits"):
        parse_count(text)
