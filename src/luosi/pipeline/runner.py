"""Runner: takes a graph and makes every artifact of it that is not there yet, one step after the other, each once.

Knows the store, and of the ledger and the screen only the two protocols below: a meter, which measures and logs each
attempt, and an observer, which tells people.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from luosi.artifacts import Facts, Manifest
from luosi.cost import Cost, Estimate, Machine
from luosi.errors import BudgetExceeded, Interrupted, LuosiError, MissingDependency
from luosi.pipeline.graph import Graph, Step
from luosi.pipeline.key import canonical
from luosi.pipeline.stage import Input, Inputs, Stage
from luosi.pipeline.store import Store

INSTALL_ALL = "pip install 'luosi[all]'"
SMALLEST_FREE_BYTES = 64 * 1024 * 1024


class Attempt(Protocol):
    """One try at a step, being metered."""

    def spend(self, cost: Cost) -> None:
        """Add what the meter cannot see."""

    def progress(self, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Log how far the step is."""

    def seconds(self) -> float:
        """Wall seconds since the attempt began."""

    def total(self) -> Cost:
        """The cost of all attempts at this key, this one up to now included."""


class Meter(Protocol):
    """Measures attempts and logs them where a kill cannot take them."""

    def attempt(self, *, key: str, step: str, stage: str, planned: Planned) -> AbstractContextManager[Attempt]:
        """Meter what happens inside; the log's end says how it ended."""


class Observer(Protocol):
    """Tells people what happens; every call is cheap."""

    def step_started(self, step: str, planned: Planned) -> None:
        """A step is being built."""

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """How far it is."""

    def step_said(self, step: str, message: str) -> None:
        """One line from the step."""

    def step_finished(self, step: str, *, built: bool) -> None:
        """The step's artifact is there; `built` is False where it was there already."""

    def step_waiting(self, step: str) -> None:
        """Another process is building it."""


class Silence:
    """An observer that tells nobody."""

    def step_started(self, step: str, planned: object) -> None:
        """Nothing."""

    def step_progress(self, step: str, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Nothing."""

    def step_said(self, step: str, message: str) -> None:
        """Nothing."""

    def step_finished(self, step: str, *, built: bool) -> None:
        """Nothing."""

    def step_waiting(self, step: str) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Planned:
    """What the plan says of a step: the estimate, and its median seconds before the ledger's correction."""

    estimate: Estimate
    uncalibrated_s: float


@dataclass
class Running:
    """The Context a stage sees; see pipeline/stage.py."""

    out: Path
    scratch: Path
    machine: Machine
    step: Step
    attempt: Attempt
    observer: Observer
    stop: Callable[[], str]

    @property
    def stop_reason(self) -> str:
        """ "" while the step may go on."""
        limit = self.step.runtime.max_seconds
        if limit is not None and self.attempt.seconds() > limit:
            return f"budget: this attempt's limit of {limit:g} s is used up"
        return self.stop()

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        """Log, tell, and stop the step if it must stop."""
        self.attempt.progress(done, total, unit, metrics)
        self.observer.step_progress(self.step.name, done, total, unit, metrics)
        reason = self.stop_reason
        if reason.startswith("budget"):
            raise BudgetExceeded(
                f"step {self.step.name} stopped at {done:,.0f} of {total:,.0f} {unit}: {reason.removeprefix('budget: ')}",
                hint="what was done is kept: raise the limit and run again to go on",
            )
        if reason:
            raise Interrupted(
                f"step {self.step.name} stopped at {done:,.0f} of {total:,.0f} {unit}: {reason}",
                hint="run again to go on",
            )

    def say(self, message: str) -> None:
        """One line for the person watching."""
        self.observer.step_said(self.step.name, message)

    def spend(self, cost: Cost) -> None:
        """Add what the meter cannot see."""
        self.attempt.spend(cost)


@dataclass(frozen=True)
class Runner:
    """Everything a run needs; `stop` returns a reason to stop, or ""."""

    store: Store
    machine: Machine
    meter: Meter
    observer: Observer
    stop: Callable[[], str]

    def run(self, graph: Graph, planned: Mapping[str, Planned], rebuild: frozenset[str] = frozenset()) -> None:
        """Make every artifact of `graph` that is not there yet, and again those in `rebuild`.

        Raises:
            LuosiError: A step failed or was stopped; everything published before stays.
        """
        checked: set[str] = set()
        for step in graph.steps:
            key = graph.keys[step.name]
            with self.store.lock(key, lambda step=step: self._wait(step.name)):  # type: ignore[misc]
                if step.name in rebuild:
                    self.store.discard(step.stage.name, key)
                manifest = self.store.manifest(step.stage.name, key)
                if manifest is not None:
                    self.store.require_whole(manifest, step.name, digests=False)
                    self.store.set_ref(graph.recipe, step.name, key)
                    self.observer.step_finished(step.name, built=False)
                    continue
                self._build(graph, step, planned[step.name], checked)
            self.observer.step_finished(step.name, built=True)

    def _wait(self, step: str) -> None:
        self.observer.step_waiting(step)
        if reason := self.stop():
            raise Interrupted(f"stopped while waiting for another process to build {step}: {reason}")

    def _build(self, graph: Graph, step: Step, planned: Planned, checked: set[str]) -> None:
        key, store = graph.keys[step.name], self.store
        if (left := store.staged_manifest(key)) is not None:
            store.finish_publishing(left)
            store.set_ref(graph.recipe, step.name, key)
            return
        inputs = self._open_inputs(graph, step, checked)
        store.require_space(SMALLEST_FREE_BYTES)
        staging = store.staging(key)
        store.begin(key, graph.recipe, step.name, canonical(step.config))
        self.observer.step_started(step.name, planned)
        with self.meter.attempt(key=key, step=step.name, stage=step.stage.name, planned=planned) as attempt:
            context = Running(
                staging / "out", staging / "scratch", self.machine, step, attempt, self.observer, self.stop
            )
            try:
                facts = step.stage.run(step.config, step.runtime, inputs, context)
                step.stage.output(staging / "out")
                store.publish(self._manifest(graph, step, facts, attempt.total(), planned))
            except OSError as error:
                raise _disk_error(step.name, error) from error
            except ModuleNotFoundError as error:
                package, stage = error.name or "a package", step.stage.name
                raise MissingDependency(package, needed_for=f"stage {stage}", install=INSTALL_ALL) from error

    def _manifest(self, graph: Graph, step: Step, facts: Facts, cost: Cost, planned: Planned) -> Manifest:
        key = graph.keys[step.name]
        config = canonical(step.config)
        assert isinstance(config, dict)
        return Manifest(
            key=key,
            stage=step.stage.name,
            stage_version=step.stage.version,
            kind=step.stage.output.__name__,
            config=config,
            inputs=graph.input_keys(step),
            files=self.store.digests(key),
            facts=facts,
            cost=cost,
            estimate=planned.estimate,
            uncalibrated_s=planned.uncalibrated_s,
            source_digest=source_digest(step.stage),
            luosi_version=version("luosi"),
            machine=self.machine.name,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            recipe=graph.recipe,
            step=step.name,
        )

    def _open_inputs(self, graph: Graph, step: Step, checked: set[str]) -> Inputs:
        """The step's inputs, each proved whole once a run: a damaged file must not grow into a damaged model."""
        roles: dict[str, list[Input]] = {}
        for role, names in step.inputs.items():
            for name in names:
                source, key = graph.step(name), graph.keys[name]
                manifest = self.store.manifest(source.stage.name, key)
                assert manifest is not None, f"{name} was made before {step.name}"
                if key not in checked:
                    self.store.require_whole(manifest, name)
                    checked.add(key)
                artifact = self.store.open(manifest, source.stage.output)
                roles.setdefault(role, []).append(Input(key, name, artifact, manifest.facts))
        return Inputs(roles)


def source_digest(stage: Stage[Any, Any]) -> str:
    """Digest of the stage's own source files: a change under an equal version is worth a warning."""
    path = Path(type(stage).run.__code__.co_filename)
    files = sorted(path.parent.glob("*.py")) if (path.parent / "__init__.py").exists() else [path]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _disk_error(step: str, error: OSError) -> LuosiError:
    """A stage's file trouble in words; what was published before stands."""
    hint = "free some space (`luosi gc`) and run again: it goes on where it stopped" if error.errno == 28 else ""
    return LuosiError(f"step {step}: {error.strerror or error} ({error.filename or 'no file named'})", hint=hint)
