"""A step's outside world without a runner: shared by the tests of scoring and of the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from luosi.cost import Cost, Machine
from luosi.errors import Interrupted

MACHINE = Machine(name="test", cores=2, memory_bytes=1 << 33, fp32_flops=2e11, bf16_flops=8e11, watts_busy=30)


@dataclass
class Outside:
    """A context that stops the step after so many calls of progress."""

    out: Path
    scratch: Path
    stop_after: int = 10**9
    machine: Machine = MACHINE
    stop_reason: str = ""
    calls: list[tuple[float, float]] = field(default_factory=list)
    spent: Cost = field(default_factory=Cost)

    def progress(self, done: float, total: float, unit: str, **metrics: float) -> None:
        self.calls.append((done, total))
        if len(self.calls) >= self.stop_after:
            raise Interrupted("stopped")

    def say(self, message: str) -> None:
        pass

    def spend(self, cost: Cost) -> None:
        self.spent += cost


def outside(folder: Path, name: str, stop_after: int = 10**9) -> Outside:
    for part in ("out", "scratch"):
        (folder / name / part).mkdir(parents=True, exist_ok=True)
    return Outside(folder / name / "out", folder / name / "scratch", stop_after)
