"""Machine: what this computer can do, measured in a few seconds or guessed from its cores, and what the ledger taught of it.

Makes a `cost.Machine` from a child process that multiplies matrices (so that planning never loads torch), the operating
system's word on cores and memory, and past runs. Kept as `machine.json` in the workspace. Knows no prices.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from pydantic import ValidationError

from luosi.cost import Factor, Machine
from luosi.errors import InputError
from luosi.ledger.energy import EnergyCounter
from luosi.ledger.learning import Run
from luosi.plan.energy import modelled_watts, power_table

NEVER_MEASURED_SIGMA = 1.0
"""Of an estimate on a guessed machine: nine in ten within a factor of 3.6 above and below."""
PRIOR_SIGMA = 0.5
"""Of the logarithm of measured / estimated before any run; `cost.Factor`'s default."""
STEPS_SIGMA = 0.3
"""Of the same between the steps of one stage, before there are several to tell; it weighs like two steps."""
RUN_SIGMA = 0.1
"""Of the same between runs of one step, before there are runs to tell; it weighs like two runs."""
LOADED_SIGMA = 0.3
"""Added (in quadrature) where every run was disturbed by other programs; less where only some were."""
FORGETTING = 0.8
"""What a run counts for beside the next one: machines, programs and texts change."""
REMEMBERED = 20
"""Only this many latest runs of a step count."""


def usable_cores(root: Path = Path("/")) -> int:
    """Cores this process may use: the least of what the machine has, its affinity mask and its control group allow."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(cores) for cores in map(_quota, _control_groups(root)) if cores is not None]
    return max(1, min([affinity, *quotas]))


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes of memory this process may use: the machine's, or its control group's if that is less."""
    limits = [int(text) for group in _control_groups(root) if (text := _text(group / "memory.max")).isdigit()]
    return min([int(psutil.virtual_memory().total), *limits])


def _control_groups(root: Path) -> list[Path]:
    """This process's control group (version 2) and those around it."""
    top = root / "sys/fs/cgroup"
    lines = _text(root / "proc/self/cgroup").splitlines()
    own = next((line[3:].strip("/") for line in lines if line.startswith("0::")), "")
    group = top / own
    return [group, *[parent for parent in group.parents if parent == top or top in parent.parents]]


def _quota(group: Path) -> float | None:
    quota, _, period = _text(group / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def processor_name() -> str:
    """The processor's name as the system gives it."""
    lines = _text(Path("/proc/cpuinfo")).splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return model or platform.processor() or platform.machine() or "unknown processor"


def catalogue(stages: Iterable[str] = ()) -> Machine:
    """This machine as guessed from its core count: good for an order of magnitude, and the intervals say so.

    Args:
        stages: Names of the stages whose estimates are to be that uncertain.
    """
    cores = usable_cores()
    speed = power_table().core_flops.fp32 * cores
    idle, busy = modelled_watts(cores)
    return Machine(
        name=f"{processor_name()}, {cores} cores",
        cores=cores,
        memory_bytes=usable_memory(),
        fp32_flops=speed,
        bf16_flops=speed,
        watts_idle=idle,
        watts_busy=busy,
        factors={stage: Factor(sigma=NEVER_MEASURED_SIGMA) for stage in stages},
    )


def measure(seconds: float = 3.0, stages: Iterable[str] = ()) -> Machine:
    """This machine as measured: `seconds` of matrix products in a child process, plus the time to load torch.

    Without torch, or if the measurement fails, the same as `catalogue(stages)`.
    """
    guess = catalogue(stages)
    counter = EnergyCounter()
    command = [sys.executable, "-m", "luosi.models.probe", "--seconds", str(seconds), "--threads", str(guess.cores)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        watts = _peak_watts(child, counter, deadline=time.monotonic() + 120 + 10 * seconds)
        output = child.stdout.read() if child.stdout else ""
    if child.returncode != 0:
        return guess
    return _measured(guess, json.loads(output), watts)


def _measured(guess: Machine, found: dict[str, Any], watts: float | None) -> Machine:
    """`guess` with what the probe found in its place; `watts` is the processor's measured power, None if it cannot be read."""
    cuda = found["device"] == "cuda"
    idle, busy = modelled_watts(guess.cores, found["device_name"])
    return guess.model_copy(
        update={
            "name": f"{found['device_name']}, {guess.name}" if cuda else guess.name,
            "device": found["device"],
            "memory_bytes": found["memory_bytes"] if cuda else guess.memory_bytes,
            "fp32_flops": found["fp32_flops"],
            "bf16_flops": found["bf16_flops"],
            "watts_idle": idle,
            "watts_busy": busy if cuda or watts is None else max(watts, idle),
            "source": "measured",
            "date": datetime.now(UTC).date().isoformat(),
            "factors": {},
            "steps": {},
        }
    )


def _peak_watts(child: subprocess.Popen[str], counter: EnergyCounter, *, deadline: float) -> float | None:
    """Wait for `child`; the highest power seen over half a second, which is that of all cores busy."""
    peak, joules, since = None, counter.joules(), time.monotonic()
    while child.poll() is None:
        if time.monotonic() > deadline:
            child.kill()
        time.sleep(0.05 if joules is None else 0.5)
        now, at = counter.joules(), time.monotonic()
        if joules is not None and now is not None and at - since > 0.4:
            peak = max(peak or 0.0, (now - joules) / (at - since))
        joules, since = now, at
    return peak


def save(machine: Machine, path: Path) -> None:
    """Write `machine` whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(machine.model_dump_json(indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> Machine | None:
    """The machine kept at `path`; None if there is none.

    Raises:
        InputError: The file is not a machine.
    """
    try:
        return Machine.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path} does not describe a machine: {where + ': ' if where else ''}{first['msg']}",
            hint="delete it: the machine is then measured again",
        ) from None


def calibrate(machine: Machine, history: Sequence[Run]) -> Machine:
    """`machine` with a factor for every stage and step of `history` (oldest first): how much longer runs take than estimated.

    The logarithm of measured / estimated is taken as normal around a mean of the step's own, these as normal around their
    stage's mean, and that as normal around 0 (a hierarchical model; Gelman et al., Bayesian Data Analysis, section 5.4): one
    run moves its step's factor most of the way and its stage's part of it, and the intervals narrow to the spread between
    runs and between steps. Later runs count more. Loaded runs move nothing and widen the intervals.
    """
    prior = NEVER_MEASURED_SIGMA if machine.source == "catalogue" else PRIOR_SIGMA
    by_stage: dict[str, dict[str, list[Run]]] = {}
    for one in history:
        if one.estimated_s > 0 and one.seconds > 0:
            by_stage.setdefault(one.stage, {}).setdefault(one.step, []).append(one)
    factors, steps = dict(machine.factors), dict(machine.steps)
    for stage, by_step in by_stage.items():
        known = {step: _Logs.of(runs[-REMEMBERED:]) for step, runs in by_step.items()}
        means = [logs.mean for logs in known.values() if logs.values]
        whole = _posterior(0.0, prior**2, means, [1.0] * len(means), STEPS_SIGMA)
        own = {
            step: _posterior(whole.centre, whole.spread or prior**2, logs.values, logs.weights, RUN_SIGMA)
            for step, logs in known.items()
        }
        between_runs = sum(one.spread for one in own.values()) / len(own)
        runs, loaded = sum(len(logs.values) for logs in known.values()), sum(logs.loaded for logs in known.values())
        factors[stage] = whole._replace(spread=whole.spread + between_runs).factor(runs, loaded)
        for step, logs in known.items():
            steps[f"{stage}/{step}"] = own[step].factor(len(logs.values), logs.loaded)
    return machine.model_copy(update={"factors": factors, "steps": steps})


class _Logs(NamedTuple):
    """Logarithms of measured / estimated seconds of one step's undisturbed runs, their weights, and the loaded runs."""

    values: list[float]
    weights: list[float]
    loaded: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> _Logs:
        values = [math.log(one.seconds / one.estimated_s) for one in runs if not one.loaded]
        return cls(values, [FORGETTING**age for age in reversed(range(len(values)))], len(runs) - len(values))

    @property
    def mean(self) -> float:
        return sum(map(math.prod, zip(self.values, self.weights, strict=True))) / sum(self.weights)


class _Posterior(NamedTuple):
    """Of a normal variable: what its mean is taken to be, the variance of that, and of single values around it."""

    centre: float
    variance: float
    spread: float

    def factor(self, runs: int, loaded: int) -> Factor:
        load = LOADED_SIGMA * loaded / (runs + loaded) if loaded else 0.0
        return Factor(ratio=math.exp(self.centre), sigma=math.sqrt(self.variance + self.spread + load**2), runs=runs)


def _posterior(
    prior: float, prior_variance: float, values: Sequence[float], weights: Sequence[float], usual_sigma: float
) -> _Posterior:
    """Normal values around a mean with a normal prior, the spread pooled with two values' worth of `usual_sigma` (Gelman et
    al., section 2.5). Without values the prior, whose variance is taken to hold the spread too."""
    weight = sum(weights)
    if not weight:
        return _Posterior(prior, prior_variance, 0.0)
    mean = sum(map(math.prod, zip(values, weights, strict=True))) / weight
    squares = sum(share * (value - mean) ** 2 for value, share in zip(values, weights, strict=True))
    spread = (2 * usual_sigma**2 + squares) / (2 + max(weight - 1, 0.0))
    precision = 1 / prior_variance + weight / spread
    return _Posterior((prior / prior_variance + mean * weight / spread) / precision, 1 / precision, spread)
