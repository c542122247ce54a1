"""What the answers of each model used and what was paid for them: from the accounts, or from the arena's battles.

The accounts hold all traffic: what each model was asked there may be of another kind, and longer. Battles hold the same kind of prompts
for every model, and only those are counted that may be told of, so that nothing shows who stands in an open one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from luosi.cost import Money
from luosi.errors import InputError

if TYPE_CHECKING:
    from luosi.serve.battle_tables import Spent

MANY = 1_000_000
"""All that answers used is counted so many times over: prices are per million tokens, and so nothing is rounded."""


@dataclass(frozen=True)
class Used:
    """What so many answers used together."""

    answers: int
    prompt_tokens: int
    completion_tokens: int
    paid: Money | None = None
    """For them, and of the accounts for those requests that failed or were cancelled and whose cost is known; None where it is not
    known."""
    broken: int = 0
    """Requests of the accounts that failed or were cancelled."""
    unpriced: int = 0
    """Those of them whose cost is not known; of battles, whole answers whose cost or tokens are not known, which are in no other figure."""

    def many(self) -> Used:
        """`MANY` times over, but for those requests that are no answers."""
        paid = Money(nano=self.paid.nano * MANY, currency=self.paid.currency) if self.paid else None
        tokens = (self.prompt_tokens * MANY, self.completion_tokens * MANY)
        return Used(self.answers * MANY, *tokens, paid, self.broken, self.unpriced)

    def asked(self, prompt: float) -> Used:
        """Of prompts of so many tokens each; what was paid was for others."""
        return replace(self, prompt_tokens=round(prompt * self.answers), paid=None)

    def fields(self, measured: int) -> dict[str, Any]:
        """Of `Entry`; `measured` answers these were."""
        return {
            "answers": self.answers, "measured": measured, "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }  # fmt: skip


def mean(used: Iterable[Used]) -> tuple[float, float]:
    """Prompt and completion of an answer, every model alike; of one at least."""
    return mean_of([(one.prompt_tokens / one.answers, one.completion_tokens / one.answers) for one in used])


def mean_of(each: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Of prompts and of completions."""
    return sum(prompt for prompt, _ in each) / len(each), sum(completion for _, completion in each) / len(each)


def in_accounts(accounts: Path) -> dict[str, Used]:
    """By served model, of the answers that were given whole and whose tokens were reported; {} without accounts.

    Raises:
        InputError: The accounts cannot be read.
    """
    if not accounts.exists():
        return {}
    import sqlalchemy as sa

    from luosi.serve.accounts import charges
    from luosi.sqlite import READS, connect

    done = charges.c.status == "done"
    whole = sa.case((done, charges.c.prompt_tokens))
    query = sa.select(
        charges.c.model,
        sa.func.count(whole),
        sa.func.coalesce(sa.func.sum(whole), 0),
        sa.func.coalesce(sa.func.sum(sa.case((done, charges.c.completion_tokens))), 0),
        sa.func.sum(charges.c.nano),
        sa.func.count(sa.case((done, charges.c.nano))),
        sa.func.count(charges.c.currency.distinct()),
        sa.func.max(charges.c.currency),
        sa.func.count(sa.case((~done, 1))),
        sa.func.count(sa.case((sa.and_(~done, charges.c.nano.is_(None)), 1))),
    ).group_by(charges.c.model)
    engine = connect(accounts)
    try:
        with engine.execution_options(**READS).connect() as connection:
            rows = connection.execute(query).all()
    except sa.exc.DatabaseError as error:
        raise InputError(f"{accounts} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()
    found = {}
    for model, answers, prompt, completion, nano, priced, currencies, currency, broken, unpriced in rows:
        paid = Money(nano=nano, currency=currency) if currencies == 1 and priced == answers else None
        if answers:
            found[model] = Used(answers, prompt, completion, paid, broken, unpriced)
    return found


def in_battles(spent: Iterable[Spent]) -> Mapping[str, Used]:
    """By model, of the whole answers in battles that may be told of; only those with a known cost where some have one, and with known tokens."""
    rows: dict[str, list[Spent]] = {}
    for one in spent:
        rows.setdefault(one.model, []).append(one)
    found = {}
    for model, its in rows.items():
        priced = [one for one in its if one.currency]
        counted = priced or its
        answers = sum(one.reported for one in counted)
        prompt, completion = sum(one.prompt_tokens for one in counted), sum(one.completion_tokens for one in counted)
        paid = Money(nano=priced[0].nano, currency=priced[0].currency) if len(priced) == 1 else None
        if answers and prompt + completion:
            unpriced = sum(one.answers for one in its) - answers
            found[model] = Used(answers, prompt, completion, paid, unpriced=unpriced)
    return found
