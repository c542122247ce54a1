"""The plan of a recipe: each step as hit, resume or build, why, and what it will cost on this machine, as an interval.

Made from the graph, the store's manifests and each stage's own estimate; opens no data and imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from luosi.artifacts import Facts, Manifest
from luosi.cost import Estimate, Machine, Money, Rates
from luosi.errors import DamagedArtifact
from luosi.ledger.attempts import all_attempts, read_attempts
from luosi.ledger.report import Planned as PlannedMoney
from luosi.ledger.report import planned
from luosi.pipeline.graph import Graph, Step
from luosi.pipeline.key import canonical
from luosi.pipeline.runner import Planned, source_digest
from luosi.pipeline.store import Store
from luosi.recipe import Budget, config_changes

State = Literal["hit", "resume", "build", "damaged"]


class StepPlan(BaseModel):
    """One line of the plan. `estimate` is what is left to pay: nothing for a hit, the rest for a resume."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    step: str
    stage: str
    key: str
    state: State
    done: float
    """Share of the work that a resumed step has behind it; 1.0 for a hit."""
    why: str
    warnings: tuple[str, ...]
    inputs: tuple[str, ...]
    estimate: Estimate
    whole: Estimate
    """What the step costs from its beginning; what the bill compares with."""
    uncalibrated_s: float
    planned: PlannedMoney

    def for_runner(self) -> Planned:
        """What the runner logs with each attempt."""
        return Planned(self.whole, self.uncalibrated_s)


class BudgetCheck(BaseModel):
    """One limit of the recipe's budget beside the plan: fits (nine chances in ten), likely, unlikely."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    what: str
    limit: float
    expected: float
    verdict: Literal["fits", "likely", "does not fit"]


class Plan(BaseModel):
    """Every step, their sum, and whether it fits the budget."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    recipe: str
    machine: str
    machine_source: str
    steps: tuple[StepPlan, ...]
    total: PlannedMoney
    memory_bytes: int
    budget: tuple[BudgetCheck, ...]
    warnings: tuple[str, ...]
    spent_s: float
    """Wall seconds that this recipe has taken before, killed attempts included: the budget is for what is left."""
    killed: int


def plan_steps(graph: Graph, store: Store, machine: Machine, rates: Rates, budget: Budget) -> Plan:
    """Look up what is there and price what is not.

    Raises:
        UsageError: No price is known.
    """
    facts: dict[str, Facts] = {}
    bare = machine.model_copy(update={"factors": {}, "steps": {}})
    lines: list[StepPlan] = []
    states: dict[str, State] = {}
    for step in graph.steps:
        known = {role: [facts[name] for name in names] for role, names in step.inputs.items()}
        manifest, damage = _manifest(store, step, graph.keys[step.name])
        line = _line(graph, store, step, manifest, damage, known, machine, bare, rates, states)
        facts[step.name] = manifest.facts if manifest else step.stage.predict(step.config, known)
        states[step.name] = line.state
        lines.append(line)
    total = sum((line.estimate for line in lines), Estimate())
    tries = [one for one in all_attempts(store.root / "attempts") if one.recipe == graph.recipe]
    return Plan(
        recipe=graph.recipe,
        machine=machine.name,
        machine_source=machine.source,
        steps=tuple(lines),
        total=planned(total, rates),
        memory_bytes=total.memory_bytes,
        budget=tuple(_budget(budget, total, rates)),
        warnings=tuple(_warnings(machine, total)),
        spent_s=sum(one.cost.wall_s for one in tries),
        killed=sum(one.reason == "killed" for one in tries),
    )


def _manifest(store: Store, step: Step, key: str) -> tuple[Manifest | None, str]:
    """The published manifest, or why it cannot be used."""
    try:
        manifest = store.manifest(step.stage.name, key)
    except DamagedArtifact as error:
        return None, error.message
    if manifest and (damage := store.damage(manifest, digests=False)):
        return None, f"damaged: {damage[0]}; run with --rebuild {step.name}"
    return manifest, ""


def _line(
    graph: Graph,
    store: Store,
    step: Step,
    manifest: Manifest | None,
    damage: str,
    known: Mapping[str, Sequence[Facts]],
    machine: Machine,
    bare: Machine,
    rates: Rates,
    states: Mapping[str, State],
) -> StepPlan:
    key = graph.keys[step.name]
    whole = step.stage.estimate(step.config, known, machine.for_step(step.stage.name, step.name))
    uncalibrated_s = step.stage.estimate(step.config, known, bare).seconds.p50
    done = 1.0 if manifest else _done(store, key)
    left = 1.0 - done
    estimate = Estimate(
        seconds=whole.seconds.times(left),
        flop=whole.flop * left,
        joules=whole.joules.times(left),
        memory_bytes=0 if manifest else whole.memory_bytes,
        fees=None if manifest else whole.fees,
    )
    state: State = "hit" if manifest else "damaged" if damage else "resume" if done else "build"
    warnings = []
    if manifest and manifest.source_digest != source_digest(step.stage):
        warnings.append(f"source changed since version {manifest.stage_version}; bump it if the meaning changed")
    if state == "build" and (otherwise := _left_behind(graph, store, step)):
        warnings.append(otherwise)
    return StepPlan(
        step=step.name,
        stage=step.stage.name,
        key=key,
        state=state,
        done=done,
        why=damage or ("" if manifest else _why(graph, store, step, states)),
        warnings=tuple(warnings),
        inputs=tuple(step.upstream()),
        estimate=estimate,
        whole=whole,
        uncalibrated_s=uncalibrated_s,
        planned=planned(estimate, rates),
    )


def _done(store: Store, key: str) -> float:
    """How far the staged build of `key` had come when it last said so."""
    if not store.staging(key).exists():
        return 0.0
    for one in reversed(read_attempts(store.attempts_file(key))):
        if one.progress and one.progress[-1].total > 0:
            return min(0.99, one.progress[-1].done / one.progress[-1].total)
    return 0.0


def _left_behind(graph: Graph, store: Store, step: Step) -> str:
    """What was begun as this step with other settings, field by field; "" if nothing was."""
    for key, config in store.begun(graph.recipe, step.name):
        if key != graph.keys[step.name] and (done := _done(store, key)):
            changes = "; ".join(config_changes(config, canonical(step.config), step.name)) or "from other inputs"
            return f"it was begun otherwise and is {done:.0%} done so: {changes}; change it back to go on from there"
    return ""


def _why(graph: Graph, store: Store, step: Step, states: Mapping[str, State]) -> str:
    """Why the step is not a hit: field by field against what its name meant last."""
    last = store.ref(graph.recipe, step.name)
    if not last:
        return "not built yet"
    if last == graph.keys[step.name]:
        return "was deleted"
    try:
        old = store.manifest(step.stage.name, last)
    except DamagedArtifact:
        old = None
    if old is None:
        return f"{last} was deleted"
    reasons = config_changes(old.config, canonical(step.config), step.name)
    if old.stage_version != step.stage.version:
        reasons.append(f"stage {step.stage.name} version {old.stage_version} -> {step.stage.version}")
    now = graph.input_keys(step)
    for role in sorted({*old.inputs, *now}):
        if old.inputs.get(role) != now.get(role):
            names = [n for n in step.inputs.get(role, []) if graph.keys[n] not in old.inputs.get(role, [])]
            new = [n for n in names if states[n] != "hit"]
            reasons.append(f"input {', '.join(new or names) or role} {'will be new' if new else 'is another'}")
    return "; ".join(reasons) or "its key changed"


def _budget(budget: Budget, total: Estimate, rates: Rates) -> list[BudgetCheck]:
    low, high = total.money(rates), total.money(rates, "p90")
    rows = [
        ("seconds", budget.seconds, total.seconds.p50, total.seconds.p90),
        ("kWh", budget.kwh, total.joules.p50 / 3.6e6, total.joules.p90 / 3.6e6),
        ("FLOP", budget.flop, total.flop, total.flop),
        ("USD", budget.usd if low.currency == "USD" else None, _units(low), _units(high)),
    ]
    return [
        BudgetCheck(
            what=what,
            limit=limit,
            expected=p50,
            verdict="fits" if p90 <= limit else "likely" if p50 <= limit else "does not fit",
        )
        for what, limit, p50, p90 in rows
        if limit is not None
    ]


def _units(money: Money) -> float:
    return money.nano / 1e9


def _warnings(machine: Machine, total: Estimate) -> list[str]:
    if total.memory_bytes > machine.memory_bytes:
        need, have = total.memory_bytes / 2**30, machine.memory_bytes / 2**30
        return [f"needs about {need:.1f} GiB of memory, this machine has {have:.1f}"]
    return []
