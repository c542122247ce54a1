"""Rented models as the user names them, and the cap."""

from __future__ import annotations

import pytest

from luosi.errors import UsageError
from luosi.plan.prices import listed_prices
from luosi.plan.rented import address, cap_nano, split_address


@pytest.mark.parametrize(
    "text", ["", "name", "name=", "=http://host", "name=host/v1", "name=ftp://host", "name=http://#K"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="NAME=URL"):
        split_address(text)


def test_the_price_and_the_shape_come_from_the_table() -> None:
    prices = listed_prices()
    openai = address("gpt-4o-mini=https://host/v1#MY_KEY", prices)
    anthropic = address("claude-haiku-5-5=https://other/v1", prices)
    assert (openai.shape, openai.key_variable, anthropic.shape, anthropic.key_variable) == (
        "openai",
        "MY_KEY",
        "anthropic",
        "",
    )
    assert openai.price["prompt_nano"] == prices.models["gpt-4o-mini"].prompt_nano
    assert openai.fields()["source"] == prices.models["gpt-4o-mini"].source


def test_a_model_without_a_price_is_refused() -> None:
    with pytest.raises(UsageError, match="no rented model 'gpt-4o-mino'"):
        address("gpt-4o-mino=https://host/v1", listed_prices())


def test_the_cap_is_exact_and_in_the_models_currency() -> None:
    rented = [address("gpt-4o-mini=https://host/v1", listed_prices())]
    assert cap_nano("0.3 usd", rented) == 300_000_000
    assert cap_nano("anything", []) == 0
    for wrong in ("", "5", "1 EUR", "-1 USD", "1e9 USD"):
        with pytest.raises(UsageError):
            cap_nano(wrong, rented)
