"""Attempts: the append-only log of every try at an artifact, `attempts/<key>.jsonl`, from which every bill is made.

A try writes one `start` line, a `tick` line each second and an `end` line. A killed try has no end: its last tick is what
it cost. A line torn by a kill is skipped, and the next writer begins a new line. Knows no stages and no database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import orjson
import psutil
from pydantic import BaseModel, ConfigDict

from luosi.cost import Cost, Estimate
from luosi.ledger.live import NewLines, Sampled, alive

MOST_POINTS = 4096
"""Points of progress read of one try: of a long one every second, every fourth, ...; the log keeps them all."""

Reason = Literal["running", "killed", "published", "failed", "budget", "interrupted"]


class Progress(BaseModel):
    """How far a try had come when it last said so."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    done: float
    total: float
    unit: str
    metrics: dict[str, float]
    wall_s: float


class Try(BaseModel):
    """One try at an artifact as read back from the log."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    key: str
    recipe: str
    step: str
    stage: str
    machine: str
    started_at: str
    planned: Estimate
    uncalibrated_s: float
    """The plan's median seconds before the ledger's correction."""
    cost: Cost
    foreign_cores: float
    """Cores that other programs kept busy meanwhile, on average: a loaded try teaches the plan nothing."""
    reason: Reason
    message: str
    progress: tuple[Progress, ...]


class AttemptLog:
    """Appends to one key's log."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        if self._file.tell() and _last_byte(path) != b"\n":
            self._file.write(b"\n")

    def write(self, event: str, **fields: Any) -> None:
        """One line, handed to the operating system at once: it survives kill -9."""
        self._file.write(orjson.dumps({"event": event, **fields}, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()

    def close(self) -> None:
        """Flush to disk and close."""
        os.fsync(self._file.fileno())
        self._file.close()


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def read_attempts(path: Path) -> list[Try]:
    """Every try in one key's log, oldest first; [] if there is no log. What was read before in this process is not read again."""
    return _log(path.absolute()).tries()


class _Log:
    """One key's log as far as it was read."""

    def __init__(self, path: Path) -> None:
        self._new, self._lock = NewLines(path), threading.Lock()
        self._tries: dict[str, dict[str, Any]] = {}

    def tries(self) -> list[Try]:
        """Every try, oldest first."""
        with self._lock:
            anew, lines = self._new.read()
            if anew:
                self._tries = {}
            for line in lines:
                self._take(line)
            return [_try(one) for one in self._tries.values()]

    def _take(self, line: dict[str, Any]) -> None:
        event, name = line.pop("event"), str(line.pop("attempt"))
        if event == "start":
            ending = {"reason": "running", "message": "", "cost": Cost(), "foreign_cores": 0.0}
            self._tries[name] = {**line, "id": name, **ending, "progress": Sampled(MOST_POINTS)}
        elif name in self._tries:
            one = self._tries[name]
            one["cost"], one["foreign_cores"] = line["cost"], line["foreign_cores"]
            if line.get("progress"):
                one["progress"].add(Progress.model_validate(line["progress"]))
            if event == "end":
                one["reason"], one["message"] = line["reason"], line["message"]


_log = lru_cache(maxsize=4096)(_Log)


def _try(one: dict[str, Any]) -> Try:
    reason = one["reason"]
    if reason == "running" and not alive(one["pid"], one["born"]):
        reason = "killed"
    kept = {name: value for name, value in one.items() if name not in ("pid", "born")}
    return Try.model_validate(kept | {"reason": reason, "progress": tuple(one["progress"])})


def all_attempts(folder: Path) -> list[Try]:
    """Every try in every log of `folder`, oldest first."""
    tries = [one for path in sorted(folder.glob("*.jsonl")) for one in read_attempts(path)]
    return sorted(tries, key=lambda one: one.started_at)


def builds(tries: Iterable[Try]) -> list[list[Try]]:
    """The tries behind each finished build, in the order in which they were finished; a rebuild is another build of its key."""
    finished: list[list[Try]] = []
    under_way: dict[str, list[Try]] = {}
    for one in tries:
        under_way.setdefault(one.key, []).append(one)
        if one.reason == "published":
            finished.append(under_way.pop(one.key))
    return finished


def process_born() -> float:
    """When this process started, to tell it from a later one with the same number."""
    return psutil.Process().create_time()
