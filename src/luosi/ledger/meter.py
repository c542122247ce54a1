"""Meter: measures an attempt from outside (wall, CPU, memory, bytes, energy) and logs it each second.

CPU seconds are those of this process, its finished children and its living ones. Energy is read where the machine has a
counter and modelled from CPU seconds elsewhere; the log says which. Knows no stages.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from luosi.cost import Cost, Estimate, Machine
from luosi.errors import BudgetExceeded, Interrupted, LuosiError
from luosi.ledger.attempts import AttemptLog, process_born, read_attempts
from luosi.ledger.energy import EnergyCounter

TICK_S = 1.0
FIRST_TICK_S = 0.05


class Usage:
    """Counters of this process and its children, from a start."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._process = psutil.Process()
        self._energy = EnergyCounter()
        self._wall = time.monotonic()
        self._cpu = self._cpu_seconds()
        self._busy, self._stolen = _system_seconds()
        self._read, self._written = self._bytes()
        self._peak = 0
        self.sample()

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in [self._process, *self._children()]:
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system
                # of those it has waited for, which are no longer listed: a worker's seconds outlive it in the server that forked it
                total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        return total

    def _children(self) -> list[psutil.Process]:
        try:
            return self._process.children(recursive=True)
        except psutil.Error:
            return []

    def _bytes(self) -> tuple[int, int]:
        try:
            counters = self._process.io_counters()  # type: ignore[attr-defined,unused-ignore]
        except (AttributeError, psutil.Error):
            return 0, 0
        return int(getattr(counters, "read_chars", counters.read_bytes)), int(
            getattr(counters, "write_chars", counters.write_bytes)
        )

    def sample(self) -> None:
        """Take the peak of resident memory, children included."""
        total = 0
        for process in [self._process, *self._children()]:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        self._peak = max(self._peak, total)

    def seconds(self) -> float:
        """Wall seconds since the start."""
        return time.monotonic() - self._wall

    def cost(self) -> Cost:
        """What was used since the start."""
        wall, cpu = self.seconds(), max(0.0, self._cpu_seconds() - self._cpu)
        read, written = self._bytes()
        # the counter is the processor's: an accelerator's power is not in it
        measured = self._energy.joules() if self._machine.device == "cpu" else None
        machine = self._machine
        watts_per_core = (machine.watts_busy - machine.watts_idle) / machine.cores if machine.device == "cpu" else 0.0
        # an accelerator works while the processor waits for it
        modelled = wall * (machine.watts_idle if machine.device == "cpu" else machine.watts_busy) + cpu * watts_per_core
        return Cost(
            wall_s=wall,
            cpu_s=cpu,
            joules=modelled if measured is None else measured,
            joules_by="modelled" if measured is None else "measured",
            bytes_read=max(0, read - self._read),
            bytes_written=max(0, written - self._written),
            peak_rss_bytes=self._peak,
        )

    def foreign_cores(self) -> float:
        """Cores kept busy by others (stolen by the host counts too), on average since the start."""
        busy, stolen = _system_seconds()
        others = (busy - self._busy) - (self._cpu_seconds() - self._cpu) + (stolen - self._stolen)
        return max(0.0, others) / max(self.seconds(), 1e-3)


def _system_seconds() -> tuple[float, float]:
    """(busy, stolen) core-seconds of the whole machine since it started."""
    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq")), getattr(
        times, "steal", 0.0
    )


class MeteredAttempt:
    """One attempt being metered; see pipeline/runner.py for the protocol."""

    def __init__(self, usage: Usage, before: Cost) -> None:
        self._usage = usage
        self._before = before
        self._spent = Cost()
        self._lock = threading.Lock()
        self._progress: dict[str, Any] | None = None
        self._unlogged = False
        self.log: Callable[[], None] = lambda: None
        """Writes what was spent so far."""

    def spend(self, cost: Cost) -> None:
        """Add what the counters cannot see; money paid to others is logged at once, lest a kill lose it from the bill."""
        with self._lock:
            self._spent = self._spent + cost
        if cost.fees:
            self.log()

    def progress(self, done: float, total: float, unit: str, metrics: Mapping[str, float]) -> None:
        """Remember how far the step is; the next tick logs it."""
        with self._lock:
            wall = round(self._usage.seconds(), 2)
            self._progress = {"done": done, "total": total, "unit": unit, "metrics": dict(metrics), "wall_s": wall}
            self._unlogged = True

    def seconds(self) -> float:
        """Wall seconds of this attempt."""
        return self._usage.seconds()

    def cost(self) -> Cost:
        """Of this attempt alone."""
        with self._lock:
            return self._usage.cost() + self._spent

    def total(self) -> Cost:
        """Of all attempts at this key so far."""
        return self._before + self.cost()

    def line(self) -> dict[str, Any]:
        """What a tick says."""
        self._usage.sample()
        with self._lock:
            progress, self._unlogged = (self._progress if self._unlogged else None), False
        return {
            "cost": self.cost().model_dump(),
            "foreign_cores": round(self._usage.foreign_cores(), 3),
            "progress": progress,
        }


class LedgerMeter:
    """Meters the attempts of one run of one recipe.

    Args:
        attempts_file: key -> path of its log.
        recipe: Whose bill this is.
        machine: Where it runs; its watts model the energy.
    """

    def __init__(self, attempts_file: Callable[[str], Path], recipe: str, machine: Machine) -> None:
        self._attempts_file = attempts_file
        self._recipe = recipe
        self._machine = machine

    @contextmanager
    def attempt(self, *, key: str, step: str, stage: str, planned: Any) -> Iterator[MeteredAttempt]:
        """Meter and log what happens inside; an exception is logged as the attempt's end and goes on upwards."""
        path = self._attempts_file(key)
        before = sum((one.cost for one in read_attempts(path)), Cost())
        usage = Usage(self._machine)
        attempt = MeteredAttempt(usage, before)
        name = uuid.uuid4().hex[:8]
        log = AttemptLog(path)
        estimate: Estimate = planned.estimate
        log.write(
            "start",
            attempt=name, key=key, recipe=self._recipe, step=step, stage=stage, machine=self._machine.name,
            pid=os.getpid(), born=process_born(), started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            planned=estimate.model_dump(), uncalibrated_s=planned.uncalibrated_s,
        )  # fmt: skip
        done = threading.Event()

        def write_tick() -> None:
            with suppress(OSError):  # a full disk is the step's to report, not the log's
                log.write("tick", attempt=name, **attempt.line())

        def tick() -> None:
            pause = FIRST_TICK_S  # short at first: a try killed in its first second costs too
            while not done.wait(pause):
                write_tick()
                pause = min(TICK_S, 2 * pause)

        attempt.log = write_tick
        thread = threading.Thread(target=tick, name="meter", daemon=True)
        thread.start()
        reason, message = "failed", "stopped by an unexpected error"
        try:
            yield attempt
            reason, message = "published", ""
        except BaseException as error:
            reason, message = _ending(error)
            raise
        finally:
            done.set()
            thread.join()
            with suppress(OSError):
                log.write("end", attempt=name, reason=reason, message=message, **attempt.line())
                log.close()


def _ending(error: BaseException) -> tuple[str, str]:
    if isinstance(error, BudgetExceeded):
        return "budget", error.message
    if isinstance(error, (Interrupted, KeyboardInterrupt)):
        return "interrupted", str(error)
    return "failed", error.message if isinstance(error, LuosiError) else f"{type(error).__name__}: {error}"
