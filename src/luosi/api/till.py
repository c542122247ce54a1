"""Till: what a model's answers cost, by its name: from the accounts or battles, the ledger, this machine's rates and the price list.

What is paid for an answer goes with the length of its prompt, and models may have been asked different things. Models of the arena's
votes therefore cost what they cost in its battles, where prompts are of one kind. Models of a file of votes are all counted with prompts
of one length, the mean of theirs in the accounts, each with its own answers' length; those of which only the sum paid is known, with
the prompts they were paid for, which the notes say where they differ much.

Own answers cost the seconds in which this machine is busy with them, by the engine's measured speed; where rates.toml says that a rented
machine is used, it must stand there all month, and answers cost nothing more. Idle hours of a machine of one's own are not counted,
nor, where there was no race, the milliseconds of finding passages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from luosi.api.till_words import MEAN
from luosi.api.used import Used, mean, mean_of
from luosi.api.verdicts import cost_of
from luosi.api.workspace import Workspace
from luosi.cost import Machine, Money, Rates
from luosi.errors import InputError, UsageError
from luosi.pipeline.store import Store
from luosi.plan.demand import ANSWER_TOKENS, PROMPT_TOKENS
from luosi.plan.prices import PriceTable, RentedModel, load_prices, rates
from luosi.plan.worth_entry import MONTH_S
from luosi.stages.verdict.costs import rented_cost
from luosi.stages.verdict.names import said

if TYPE_CHECKING:
    from luosi.artifacts.evidence import Route, Sentence, VerdictSummary
    from luosi.stages.verdict.costs import RouteMoney

Traffic = Literal["accounts", "battles", "race"]
Tokens = tuple[int, int]
"""Prompt and completion of one answer."""
DEFAULT = (float(PROMPT_TOKENS), float(ANSWER_TOKENS))
ASSUMED = said(en="an assumption", zh="只是假定")


@dataclass(frozen=True)
class Till:
    """Everything money is counted from."""

    store: Store
    machine: Machine
    table: PriceTable
    known: Rates
    """Of this machine; without any price where none is known."""
    given: frozenset[str]
    """Models priced in the user's own file."""
    used: Mapping[str, Used]
    """By served name."""
    traffic: Traffic
    """Where `used` comes from."""
    own: Mapping[str, tuple[str, ...]]
    """Keys of our models (bundle, and index if it answers with the files) by served name."""
    tokens: Tokens | None
    """As given."""
    typical: tuple[float, float]
    """Prompt and completion of an answer of a model that nobody measured."""
    why: Sentence
    """Why these."""
    prompt: float | None = None
    """Of every answer of a model priced by the token, whatever it was asked; None takes prompts as measured."""

    @classmethod
    def of(
        cls,
        place: Workspace,
        used: Mapping[str, Used],
        prices: Path | None = None,
        tokens: Tokens | None = None,
        traffic: Traffic = "accounts",
    ) -> Till:
        """Of a workspace, with the price file `prices` in place of its rates.toml.

        Args:
            place: Its ledger and rates.
            used: By served name.
            prices: None for the workspace's.
            tokens: In place of those used.
            traffic: Where `used` comes from; of the accounts, prompts are made alike.
        """
        if prices is not None and not prices.is_file():
            raise InputError(f"there is no file {prices}", hint="prices stand in a file like rates.toml")
        table = load_prices(prices) if prices else place.prices()
        try:
            known = rates(place.machine(), table)
        except UsageError:
            known = Rates()
        given = (
            frozenset(tomllib.loads(prices.read_text(encoding="utf-8")).get("models", ())) if prices else frozenset()
        )
        typical, why = (mean(used.values()), MEAN) if used else (DEFAULT, ASSUMED)
        prompt = typical[0] if traffic == "accounts" else None
        return cls(
            place.store,
            place.machine(),
            table,
            known,
            given,
            used,
            traffic,
            served(place),
            tokens,
            typical,
            why,
            prompt,
        )

    def of_verdict(self, lines: Sequence[RouteMoney], summary: VerdictSummary) -> Till:
        """With the tokens that `luosi verdict` takes for a route that it did not ask: see stages/verdict/costs.py."""
        asked = [line for line in lines if line.prompt_tokens and line.answer_tokens]
        asked = [line for line in asked if line.files] or asked
        if not asked:
            return replace(self, typical=(summary.prompt_tokens, summary.answer_tokens), why=ASSUMED)
        each = [(line.prompt_tokens or 0.0, line.answer_tokens or 0.0) for line in asked]
        return replace(self, typical=mean_of(each), why=MEAN)

    def money(self, name: str) -> dict[str, Any]:
        """The money of a model, as fields of `Entry`."""
        keys = self.own.get(name)
        return self._ours(name, keys) if keys else self._rented(name)

    def of_route(self, route: Route, line: RouteMoney) -> dict[str, Any]:
        """The money of a route of a verdict, as fields of `Entry`."""
        ours, row = bool(route.bundle_key), self.table.models.get(route.model)
        if ours and (self.tokens or self.standing):
            arms = self.store.find(route.answers_key).facts.arms if route.answers_key else None
            arm = (arms or {}).get(route.arm)
            seen = Used(arm.answers, arm.prompt_tokens, arm.answer_tokens) if arm and arm.answers else None
            return self._ours("", route.made_of, seen)
        if self.tokens and row and route.route == "rent":
            return self._listed(row, *self._uses("")) | {"to_make": line.cost_to_make}
        measured = line.prompt_tokens is not None and line.answer_tokens is not None
        each = (line.prompt_tokens, line.answer_tokens) if measured else self.typical
        return {
            "cost": line.cost_per_1000, "to_make": line.cost_to_make, "answers": 1000, "measured": route.asked * measured,
            "prompt_tokens": round(1000 * (each[0] or 0)), "completion_tokens": round(1000 * (each[1] or 0)),
            "seconds": 1000 * (line.latency_s or 0.0) if ours else 0.0,
            "source": "this machine's time" if ours else f"list price of {row.date}" if row else "fees paid",
        }  # fmt: skip

    @property
    def standing(self) -> bool:
        """Whether the rates say that a rented machine is used."""
        return bool(self.table.use.machine) and self.known.machine_hour is not None

    def _uses(self, name: str, seen: Used | None = None) -> tuple[Used, int, str]:
        """What answers use, how many of them were measured, and how that is known."""
        seen = seen or self.used.get(name)
        if self.tokens:
            return Used(1, *self.tokens).many(), 0, "tokens as given"
        if seen is not None:
            return seen.many(), seen.answers, f"tokens of {seen.answers:,} answers"
        prompt, completion = (round(1000 * count) for count in self.typical)
        return Used(1000, prompt, completion).many(), 0, "tokens assumed"

    def _by_token(self, uses: Used) -> Used:
        """With the prompts on which all models are compared."""
        return uses if self.prompt is None or self.tokens else uses.asked(self.prompt)

    def uncounted(self, name: str) -> int:
        """Of the model's requests, those that its cost should hold and does not."""
        uses = self.used.get(name)
        if uses is None or self.tokens:
            return 0
        return uses.unpriced if self.paid(name) is not None or self.traffic == "battles" else uses.broken

    def paid(self, name: str) -> Money | None:
        """The sum is known to have been paid, where that is taken: not if there is a price of one's own, or one by the token."""
        uses = None if self.tokens or name in self.given or name in self.own else self.used.get(name)
        row = self.table.models.get(name) if self.prompt is not None else None
        return uses.paid if uses and not row else None

    def _rented(self, name: str) -> dict[str, Any]:
        row, (uses, measured, how) = self.table.models.get(name), self._uses(name)
        if self.paid(name) is not None and uses.paid is not None:
            nothing = Money(nano=0, currency=uses.paid.currency)
            source = f"paid for {measured:,} answers"
            return uses.fields(measured) | {"cost": uses.paid, "to_make": nothing, "source": source}
        if row is None:
            return uses.fields(measured) | {"cost": None, "to_make": None}
        return self._listed(row, self._by_token(uses), measured, how)

    def _listed(self, row: RentedModel, uses: Used, measured: int, how: str) -> dict[str, Any]:
        cost = rented_cost(row, uses.prompt_tokens, uses.completion_tokens)
        source = f"list price of {row.date}, {how}"
        return uses.fields(measured) | {
            "cost": cost,
            "to_make": Money(nano=0, currency=cost.currency),
            "source": source,
        }

    def _ours(self, name: str, keys: tuple[str, ...], seen: Used | None = None) -> dict[str, Any]:
        uses, measured, how = self._uses(name, seen)
        uses = self._by_token(uses)
        facts = self.store.find(keys[0]).facts
        fields = uses.fields(measured) | {"to_make": self._made(keys), "cost": None}
        if not facts.prompt_tokens_per_s or not facts.decode_tokens_per_s:
            return fields | {"source": "speed not measured"}
        seconds = uses.prompt_tokens / facts.prompt_tokens_per_s + uses.completion_tokens / facts.decode_tokens_per_s
        fields |= {"seconds": seconds, "source": f"this machine's time, {how}"}
        if self.standing and self.known.machine_hour:
            hour = self.known.machine_hour.money
            month = Money(nano=hour.nano * MONTH_S // 3600, currency=hour.currency)
            return fields | {"cost": Money(nano=0, currency=hour.currency), "per_month": month}
        return fields | {"cost": self._time(seconds)}

    def _time(self, seconds: float) -> Money | None:
        if self.known.machine_hour is None and self.known.electricity is None:
            return None
        return self.known.money(wall_s=seconds, joules=seconds * self.machine.watts_busy)

    def _made(self, keys: tuple[str, ...]) -> Money | None:
        if self.known.machine_hour is None and self.known.electricity is None:
            return None
        return cost_of(self.store, keys).money(self.known)


def served(place: Workspace) -> dict[str, tuple[str, ...]]:
    """Keys of our finished models by the names they are served under, with the files and without."""
    from luosi.serve.grounded import SUFFIX

    found: dict[str, tuple[str, ...]] = {}
    for one in place.served():
        key = one.bundle.path.parent.name
        found[one.name] = (key,)
        if one.index:
            found[one.name + SUFFIX] = (key, one.index.path.parent.name)
    return found
