"""What a stage is: a name, a hand-bumped version, a config that enters the key and a runtime that does not, typed inputs and
one typed output, a price before and the work itself. Knows neither the store nor the ledger; both reach it as a Context.

A stage in one file: examples/custom_stage.py.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from luosi.artifacts import Artifact, Facts
from luosi.cost import Cost, Estimate, Machine

NOT_IN_KEY: dict[str, Any] = {"not_in_key": True}
"""`Field(json_schema_extra=NOT_IN_KEY)`: where something is, not what it is (a path beside its digest)."""

LOCATION: dict[str, Any] = {"not_in_key": True, "location": True}
"""`Field(json_schema_extra=LOCATION)`: a path (or several) as text; a relative one starts from the recipe's folder. Not in the key."""

ADDED_LATER: dict[str, Any] = {"added_later": True}
"""`Field(default, json_schema_extra=ADDED_LATER)`: left out of the key while it equals its default, so that older keys live on."""


Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
"""Of everything that is drawn by chance."""


class StageConfig(BaseModel):
    """What a step does. Every field enters the key unless marked `NOT_IN_KEY`; one line of doc under each, with its unit."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class StageRuntime(BaseModel):
    """Where and how a step runs. Never enters the key; must not change what is computed."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    max_seconds: float | None = None
    """Stop (exit 3, checkpoint kept) when this attempt has used so many wall seconds; None for no limit."""


C = TypeVar("C", bound=StageConfig)
R = TypeVar("R", bound=StageRuntime)
A = TypeVar("A", bound=Artifact)


@dataclass(frozen=True)
class Role:
    """One input of a stage: which artifact types it takes, whether several, whether it may be absent."""

    kinds: tuple[type[Artifact], ...]
    many: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Input:
    """One artifact handed to a running stage."""

    key: str
    step: str
    artifact: Artifact
    facts: Facts


class Inputs:
    """What a running stage was given, by role."""

    def __init__(self, roles: Mapping[str, Sequence[Input]]) -> None:
        self._roles = {role: list(inputs) for role, inputs in roles.items()}

    def all(self, role: str) -> list[Input]:
        """Every input of `role`, in the recipe's order; [] if none."""
        return self._roles.get(role, [])

    def one(self, role: str) -> Input:
        """The single input of `role`."""
        (only,) = self._roles[role]
        return only

    def artifact(self, role: str, kind: type[A]) -> A:
        """The single artifact of `role`, checked to be a `kind`."""
        artifact = self.one(role).artifact
        assert isinstance(artifact, kind), (
            f"{role} is a {type(artifact).__name__}, the graph let it pass as {kind.__name__}"
        )
        return artifact


class Context(Protocol):
    """What a running stage may use of the outside world."""

    out: Path
    """Empty or half-written folder to fill; published whole after `run` returns. No temporary files here."""
    scratch: Path
    """Survives kills, dropped on publication: checkpoints to resume from."""
    machine: Machine

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        """Tell how far the step is; `metrics` (loss, tokens_per_s, ...) are drawn as curves. Cheap: call it at every step.

        Raises:
            BudgetExceeded, Interrupted: The step must stop now; stages with checkpoints save first, see `stop_reason`.
        """

    @property
    def stop_reason(self) -> str:
        """ "" while the step may go on; ask before `progress` where a checkpoint should be saved first."""

    def say(self, message: str) -> None:
        """One line for the person watching."""

    def spend(self, cost: Cost) -> None:
        """Add what the meter cannot see: FLOP, tokens, fees, device seconds. Wall, CPU, memory and energy are metered."""


class Stage(ABC, Generic[C, R]):
    """A step's code. Importing a stage must stay light (no torch, numpy, pyarrow): do heavy imports inside `run`."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Bumped by hand when the same config means something else; a changed source alone only warns."""
    Config: ClassVar[type[StageConfig]]
    Runtime: ClassVar[type[StageRuntime]] = StageRuntime
    inputs: ClassVar[Mapping[str, Role]] = {}
    output: ClassVar[type[Artifact]]

    @abstractmethod
    def predict(self, config: C, inputs: Mapping[str, Sequence[Facts]]) -> Facts:
        """What will be known of the output, from the config and what is known or predicted of the inputs."""

    @abstractmethod
    def estimate(self, config: C, inputs: Mapping[str, Sequence[Facts]], machine: Machine) -> Estimate:
        """What the step will cost on `machine`: use `machine.estimate(self.name, ...)`, which adds what the ledger knows."""

    @abstractmethod
    def run(self, config: C, runtime: R, inputs: Inputs, context: Context) -> Facts:
        """Fill `context.out`; return what is now known of it. May be killed at any instruction and called again."""
