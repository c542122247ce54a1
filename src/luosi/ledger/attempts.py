"""Attempts: the append-only log of every try at an artifact, `attempts/<key>.jsonl`, from which every bill is made.

A try writes one `start` line, a `tick` line each second and an `end` line. A killed try has no end: its last tick is what
it cost. A line torn by a kill is skipped, and the next writer begins a new line. Knows no stages and no database.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
import psutil
from pydantic import BaseModel, ConfigDict

from luosi.cost import Cost, Estimate

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
    """Every try in one key's log, oldest first; [] if there is no log."""
    tries: dict[str, dict[str, Any]] = {}
    for line in _lines(path):
        event, name = line.pop("event"), line.get("attempt")
        if event == "start":
            pid, born = line.pop("pid"), line.pop("born")
            reason = "running" if _is_alive(pid, born) else "killed"
            cost = {**line, "id": name, "cost": Cost(), "foreign_cores": 0.0, "reason": reason, "message": ""}
            tries[str(name)] = cost | {"progress": []}
        elif name in tries:
            one = tries[str(name)]
            one["cost"], one["foreign_cores"] = line["cost"], line["foreign_cores"]
            if line.get("progress"):
                one["progress"].append(line["progress"])
            if event == "end":
                one["reason"], one["message"] = line["reason"], line["message"]
    return [Try.model_validate({k: v for k, v in one.items() if k != "attempt"}) for one in tries.values()]


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


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue  # torn by a kill; the next line is whole
        if isinstance(value, dict) and "event" in value:
            yield value


def process_born() -> float:
    """When this process started, to tell it from a later one with the same number."""
    return psutil.Process().create_time()


def _is_alive(pid: int, born: float) -> bool:
    try:
        return bool(abs(psutil.Process(pid).create_time() - born) < 1.0)
    except psutil.Error:
        return False
