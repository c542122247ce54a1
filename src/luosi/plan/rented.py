"""Rented models as the user names them, "NAME=URL#KEY_VARIABLE", joined with their dated prices; and the cap on what they may cost.

Knows neither how they are asked nor by whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from luosi.cost import parse_money
from luosi.errors import UsageError
from luosi.plan.chain import Address
from luosi.plan.prices import PriceTable

ANTHROPIC = "Anthropic"
"""Provider whose API has a shape of its own; all others are asked in OpenAI's."""


def split_address(text: str) -> tuple[str, str, str]:
    """Name, URL and key variable ("" for none) of "NAME=URL#KEY_VARIABLE".

    Raises:
        UsageError: It is not of that form.

    >>> split_address("small=http://127.0.0.1:9000/v1#MY_KEY")
    ('small', 'http://127.0.0.1:9000/v1', 'MY_KEY')
    """
    name, equals, rest = text.partition("=")
    url, _, variable = rest.partition("#")
    parts = urlsplit(url)
    if not equals or not name or parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{text!r} is not NAME=URL", hint="as in gpt-4o-mini=https://host/v1#MY_KEY")
    return name, url, variable


def address(text: str, prices: PriceTable) -> Address:
    """The rented model that `text` names, with its listed price.

    Raises:
        UsageError: It is not NAME=URL, or the price table has no such model: what is not priced is not asked.
    """
    name, url, variable = split_address(text)
    row = prices.model(name)
    price = {
        "prompt_nano": row.prompt_nano, "completion_nano": row.completion_nano,
        "currency": row.currency, "source": row.source, "date": row.date,
    }  # fmt: skip
    shape = "anthropic" if row.provider == ANTHROPIC else "openai"
    return Address(name, url, shape, variable, price)


def cap_nano(text: str, rented: Sequence[Address]) -> int:
    """The spending cap in billionths of the currency in which all `rented` models are priced; 0 where there are none.

    Raises:
        UsageError: It is no amount of money, or not in their currency.
    """
    if not rented:
        return 0
    cap = parse_money(text, hint='as in --cap "1 USD"')
    currencies = sorted({str(one.price["currency"]) for one in rented})
    if currencies != [cap.currency]:
        raise UsageError(
            f"the cap is in {cap.currency}, the rented models are priced in {', '.join(currencies)}",
            hint="give the cap in their currency, and ask models priced in one currency at a time",
        )
    return cap.nano
