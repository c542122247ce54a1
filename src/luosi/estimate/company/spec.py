"""A model company as a small TOML file: its entries, and the published figures it is set against.

`entries` and `published` say what may stand in it; this reads it and says which field is wrong. Computes nothing.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from luosi.cost import Frozen
from luosi.errors import InputError
from luosi.estimate.company.entries import (
    Api,
    Compute,
    Income,
    Month,
    Name,
    People,
    Round,
    Serving,
    Spending,
    Training,
    Uncertain,
    Users,
)
from luosi.estimate.company.published import Claim, Given, Rack, Spot


class Company(Frozen):
    """All of it."""

    name: str
    """As it is called."""
    about: str = ""
    """A line to read with it."""
    start: Month
    """First month."""
    months: int = Field(ge=1, le=360)
    """From the first."""
    currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    """ISO 4217."""
    per_usd: Uncertain = 1.0
    """Units of the currency for a dollar."""
    cash: Uncertain = 0.0
    """In the bank before the first month."""
    trials: int = Field(default=2000, ge=100, le=100_000)
    """Of everything uncertain."""
    seed: int = Field(default=1, ge=0)
    """Of the draws: the same gives the same."""
    people: list[People] = Field(default_factory=list)
    """Groups that are paid."""
    compute: list[Compute] = Field(default_factory=list)
    """Fleets: rented, leased or owned."""
    spending: list[Spending] = Field(default_factory=list)
    """Data, space and all else."""
    income: list[Income] = Field(default_factory=list)
    """Revenue beside what users pay."""
    users: list[Users] = Field(default_factory=list)
    """Groups that are served."""
    serving: Serving | None = None
    """Machines that follow their tokens."""
    api: Api | None = None
    """A rented model to set beside the own one."""
    funding: list[Round] = Field(default_factory=list)
    """Rounds."""
    training: list[Training] = Field(default_factory=list)
    """Runs, each of which ends in a model."""
    racks: list[Rack] = Field(default_factory=list)
    """To be filled."""
    spot: list[Spot] = Field(default_factory=list)
    """Offers to be judged."""
    given: dict[Name, Given] = Field(default_factory=dict)
    """Published figures to reckon with."""
    claims: list[Claim] = Field(default_factory=list)
    """Published figures to be checked."""

    @model_validator(mode="after")
    def _consistent(self) -> Company:
        costs = (
            [one.name for one in self.compute]
            + [one.name for one in self.training]
            + [one.name for one in self.spending]
        )
        costs += ["serving"] if self.serving else []
        others = (
            [one.name for one in group] for group in (self.people, self.income, self.users, self.racks, self.spot)
        )
        for names in (costs, *others):
            if len(set(names)) < len(names):
                raise ValueError(f"two entries are called {max(names, key=names.count)!r}")
        known: set[str] = set()
        for run in self.training:
            if run.of and run.of not in known:
                raise ValueError(f"training {run.name!r} is measured by {run.of!r}, which does not stand before it")
            known.add(run.name)
        if self.currency != "USD" and self.per_usd == 1.0:
            raise ValueError(f"per_usd is missing: how many {self.currency} is a dollar?")
        return self


def read(path: Path) -> Company:
    """The company of a TOML file.

    Raises:
        InputError: The file cannot be read, or a field of it is wrong; names the field.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path} cannot be read: there is no such file", hint="examples/company holds worked examples"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path} cannot be read as TOML: {error}") from None
    try:
        return Company.model_validate(held, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"{path}: {where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
        got = (
            ""
            if first["type"] in ("value_error", "missing") and isinstance(first["input"], dict)
            else f", got {first['input']!r:.80}"
        )
        raise InputError(
            what + got, hint="examples/company holds worked examples; an uncertain number is [low, high]"
        ) from None


def month_of(start: str, month: str) -> int:
    """Months from `start` to `month`, both "YYYY-MM".

    >>> month_of("2023-11", "2024-02")
    3
    """
    years, months = (int(month[:4]) - int(start[:4]), int(month[5:]) - int(start[5:]))
    return 12 * years + months
