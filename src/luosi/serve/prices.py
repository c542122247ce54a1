"""What an answer costs: tokens used times listed prices, in whole nano-units, rounded up once. Knows nothing of HTTP or of models."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from luosi.cost import NANO, Frozen, Money, Price

MILLION = 1_000_000
MOST_TOKENS = 10**12
"""More than this in one request is not believed."""


class Usage(Frozen):
    """Tokens of one request, as whoever answered it counted them."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)

    @classmethod
    def read(cls, answer: dict[str, Any]) -> Self | None:
        """The usage an answer or a streamed chunk reports; None if it reports none, or none that can be believed."""
        usage = answer.get("usage")
        if not isinstance(usage, dict):
            return None
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens", 0)
        if type(prompt) is not int or type(completion) is not int:
            return None
        if min(prompt, completion) < 0 or max(prompt, completion) > MOST_TOKENS:
            return None
        return cls(prompt_tokens=prompt, completion_tokens=completion)


class TokenPrice(Frozen):
    """Prices of a million prompt tokens and of a million completion tokens, in one currency. Discounts (cached tokens) are not known."""

    prompt: Price
    completion: Price

    @model_validator(mode="after")
    def _units_fit(self) -> Self:
        units = (self.prompt.unit, self.completion.unit)
        if units != ("million_prompt_tokens", "million_completion_tokens"):
            raise ValueError(f"the prices are per {units[0]} and {units[1]}, expected per million tokens of each kind")
        if self.prompt.money.currency != self.completion.money.currency:
            raise ValueError("the two prices are in different currencies")
        return self

    def charge(self, usage: Usage) -> Money:
        """What `usage` costs: exact integers, one rounding up on the sum.

        >>> per_million = lambda unit, nano: Price(money=Money(nano=nano, currency="USD"), unit=unit, source="", date="")
        >>> price = TokenPrice(prompt=per_million("million_prompt_tokens", 150_000_000),
        ...                    completion=per_million("million_completion_tokens", 600_000_001))
        >>> price.charge(Usage(prompt_tokens=1000, completion_tokens=1)).nano
        150601
        """
        total = usage.prompt_tokens * self.prompt.money.nano + usage.completion_tokens * self.completion.money.nano
        return Money(nano=-(-total // MILLION), currency=self.prompt.money.currency)


def exact(money: Money) -> str:
    """All nine decimals and the currency, as the header `x-luosi-cost` carries it.

    >>> exact(Money(nano=1_000_000_150, currency="USD"))
    '1.000000150 USD'
    """
    return f"{money.nano // NANO}.{money.nano % NANO:09d} {money.currency}"
