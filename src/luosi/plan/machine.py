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
from luosi.plan.energy import modelled_watts, power_table

NEVER_MEASURED_SIGMA = 1.0
"""Of an estimate on a guessed machine: nine in ten within a factor of 3.6 above and below."""
PRIOR_SIGMA = 0.5
"""Of the logarithm of measured / estimated before any run; `cost.Factor`'s default."""
RUN_SIGMA = 0.2
"""Of the same between runs of one stage on one machine, before there are runs to tell; it weighs like two runs."""
LOADED_SIGMA = 0.3
"""Added (in quadrature) where every run was disturbed by other programs; less where only some were."""
REMEMBERED = 20
"""Only this many latest runs of a stage count: machines and programs change."""


class Observation(NamedTuple):
    """One run of a stage as the ledger has it."""

    stage: str
    estimated_s: float
    """The plan's median seconds before any correction."""
    measured_s: float
    loaded: bool
    """Other programs kept the cores busy meanwhile."""


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


def calibrate(machine: Machine, history: Sequence[Observation]) -> Machine:
    """`machine` with a factor for every stage of `history` (oldest first): how much longer runs take than estimated.

    The logarithm of measured / estimated is taken as normal around a mean that is itself normal around 0: a few runs move
    the factor part of the way, many runs all the way, and the interval narrows to the spread between runs. Loaded runs move
    nothing and widen the interval.
    """
    factors = dict(machine.factors)
    for stage in {one.stage for one in history}:
        runs = [one for one in history if one.stage == stage and one.estimated_s > 0 and one.measured_s > 0]
        quiet = [math.log(one.measured_s / one.estimated_s) for one in runs if not one.loaded]
        disturbed = sum(one.loaded for one in runs[-REMEMBERED:])
        prior = NEVER_MEASURED_SIGMA if machine.source == "catalogue" else PRIOR_SIGMA
        factors[stage] = _factor(quiet[-REMEMBERED:], disturbed, prior)
    return machine.model_copy(update={"factors": factors})


def _factor(logs: Sequence[float], disturbed: int, prior: float) -> Factor:
    """Posterior mean and predictive spread of a normal variable with a normal prior on its mean (Gelman et al., Bayesian
    Data Analysis, section 2.5), the spread between runs pooled with `RUN_SIGMA`."""
    count = len(logs)
    mean = sum(logs) / count if count else 0.0
    squares = sum((value - mean) ** 2 for value in logs)
    between = (2 * RUN_SIGMA**2 + squares) / (2 + max(count - 1, 0)) if count else 0.0
    precision = 1 / prior**2 + (count / between if count else 0.0)
    centre = mean * count / between / precision if count else 0.0
    load = LOADED_SIGMA * disturbed / (count + disturbed) if disturbed else 0.0
    return Factor(ratio=math.exp(centre), sigma=math.sqrt(1 / precision + between + load**2), runs=count)
