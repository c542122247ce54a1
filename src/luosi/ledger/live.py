"""Live: a step under way as its attempts' log tells it: how far it is, how fast it goes, how much longer, what it cost so far.

Reads only what was added since the last look, so that looking at a run of days takes no longer than at one of minutes; it may
be another process's run. Knows neither screens nor pages.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson
import psutil

from luosi.cost import Cost, Machine, Money, Rates
from luosi.errors import UsageError

T = TypeVar("T")

MINUTE_S = 60.0
"""Speeds, and with them the time left, are means over the last so many seconds."""

APART_S = 0.5
"""Points of a pace closer together than this are one."""

HEAD_BYTES = 128
"""A log begins with its first try's random name: by so many bytes it is told from one that took its place."""


class Pace:
    """How fast something grows, on average over the last minute."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()

    def add(self, seconds: float, amount: float) -> None:
        """So much was there after so many seconds; less than before is a new beginning: work that was lost is done again."""
        points = self._points
        if points and (amount < points[-1][1] or seconds < points[-1][0]):
            points.clear()
        if len(points) > 1 and points[-1][0] - points[-2][0] < APART_S:
            points.pop()
        points.append((seconds, amount))
        while len(points) > 2 and points[1][0] <= seconds - MINUTE_S:
            points.popleft()

    @property
    def per_s(self) -> float | None:
        """Amount per second; None while it is not known.

        >>> pace = Pace()
        >>> for second in range(0, 200, 10):
        ...     pace.add(second, 2 * second if second > 100 else second)
        >>> pace.per_s
        2.0
        """
        if len(self._points) < 2:
            return None
        (begun, first), (now, last) = self._points[0], self._points[-1]
        return (last - first) / (now - begun) if now > begun and last > first else None

    def left_s(self, total: float) -> float | None:
        """Seconds until there is `total`; None while it is not known."""
        rate = self.per_s
        return None if rate is None else max(0.0, total - self._points[-1][1]) / rate


class Sampled(Generic[T]):
    """Every n-th of a growing number of things, and the latest; n doubles when there are more than `most`.

    >>> sampled = Sampled(4)
    >>> for number in range(10):
    ...     sampled.add(number)
    >>> list(sampled)
    [0, 4, 8, 9]
    """

    def __init__(self, most: int) -> None:
        self._most, self._every, self._count = most, 1, 0
        self._kept: list[T] = []
        self._latest: list[T] = []

    def add(self, one: T) -> None:
        """One more."""
        self._latest = [one]
        if self._count % self._every == 0:
            self._kept.append(one)
            self._latest = []
        self._count += 1
        if len(self._kept) > self._most:
            if len(self._kept) % 2 == 0:
                self._latest = [one]
            self._kept = self._kept[::2]
            self._every *= 2

    def __iter__(self) -> Iterator[T]:
        return iter([*self._kept, *self._latest])


@dataclass
class Seen:
    """One try as far as its log was read."""

    recipe: str
    pid: int
    born: float
    reason: str = ""
    """Why it ended; "" while it goes on, or if it was killed."""
    message: str = ""
    cost: Mapping[str, Any] = field(default_factory=dict)
    point: Mapping[str, Any] = field(default_factory=dict)
    """How far it last said to be: `done`, `total`, `unit`, `metrics`, `wall_s`; empty before it said anything."""
    done: Pace = field(default_factory=Pace)
    flop: Pace = field(default_factory=Pace)

    @property
    def runs(self) -> bool:
        """Whether its process is at it now."""
        return not self.reason and alive(self.pid, self.born)


class NewLines:
    """What was added to a log since it was last read; the file may not be there yet, and may be another one by now.

    Args:
        path: `attempts/<key>.jsonl`.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._offset, self._head = path, 0, b""

    def read(self) -> tuple[bool, list[dict[str, Any]]]:
        """Whether the file begins anew, which makes void what was read of it; and its new lines, oldest first.

        A line torn by a kill is passed over, one that is half written is left for the next time.
        """
        try:
            with self._path.open("rb") as file:
                head = file.read(HEAD_BYTES)
                anew = not head.startswith(self._head) or file.seek(0, os.SEEK_END) < self._offset
                self._offset, self._head = (0 if anew else self._offset), head
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            anew = self._offset > 0
            self._offset, self._head = 0, b""
            return anew, []
        self._offset += len(whole) + len(newline)
        return anew, [line for text in whole.splitlines() if (line := _parsed(text))]


class Tail:
    """Follows the log of one key; may be looked at from several threads.

    Args:
        path: `attempts/<key>.jsonl`.
    """

    def __init__(self, path: Path) -> None:
        self._new, self._lock = NewLines(path), threading.Lock()
        self.tries: dict[str, Seen] = {}

    def look(self) -> list[dict[str, Any]]:
        """The log's lines since the last look, oldest first."""
        with self._lock:
            anew, lines = self._new.read()
            if anew:
                self.tries = {}
            return [line for line in lines if self._read(line)]

    def _read(self, line: Mapping[str, Any]) -> bool:
        """Take in one line; whether it could be."""
        name = line["attempt"]
        if line["event"] == "start":
            self.tries[name] = Seen(line["recipe"], line["pid"], line["born"])
        elif (one := self.tries.get(name)) is not None:
            one.cost = line["cost"]
            one.flop.add(line["cost"]["wall_s"], line["cost"]["flop"])
            if point := line.get("progress"):
                one.point = point
                one.done.add(point["wall_s"], point["done"])
            if line["event"] == "end":
                one.reason, one.message = line["reason"], line["message"]
        return name in self.tries

    @property
    def last(self) -> Seen | None:
        """The latest try; None before there is one."""
        return next(reversed(self.tries.values()), None)

    def cost(self, recipe: str) -> Cost:
        """What the tries on this recipe's bill took so far."""
        return total(one.cost for one in list(self.tries.values()) if one.recipe == recipe)


def alive(pid: int, born: float) -> bool:
    """Whether the process that was born then still works; one that is dead but not yet reaped does not."""
    try:
        process = psutil.Process(pid)
        return bool(abs(process.create_time() - born) < 1.0 and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def total(costs: Iterable[Mapping[str, Any]]) -> Cost:
    """The sum of costs as the log has them."""
    return sum((Cost.model_validate(cost) for cost in costs), Cost())


def priced(cost: Cost, rates: Rates) -> Money | None:
    """A cost in money; None where there is no one sum of it: fees in another currency than the machine's price."""
    try:
        return cost.money(rates)
    except UsageError:
        return None


def completed(metrics: Mapping[str, float], flop_per_s: float | None, machine: Machine) -> dict[str, float]:
    """A step's metrics with what it did not say but the ledger knows: `flop_per_s`, and `mfu`, its share of the machine's peak.

    The peak is that of large matrix products as measured here, in the faster precision; a guessed one gives no share.
    """
    found = dict(metrics)
    if flop_per_s is not None:
        found.setdefault("flop_per_s", flop_per_s)
    if "flop_per_s" in found and machine.source == "measured":
        found.setdefault("mfu", found["flop_per_s"] / machine.training_flops)
    return found


def _parsed(text: bytes) -> dict[str, Any] | None:
    """A line of the log; None for one torn by a kill."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) and "event" in value and "attempt" in value else None
