"""CPU seconds of training alone, and held-out quality on the way: scoring stops the clock, compiling is counted apart."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from arms.runs import Run
from arms.scoring import Heldout, Logits

MARKS = (0.125, 0.25, 0.5, 0.75)
"""Parts of a run after which it is scored, besides the end."""
SLOW_STEP = 5.0
"""A step of more than so many medians (and a second) also compiled; the rest of it is set apart."""


class Meter:
    """Reads the process's CPU seconds; an arm calls `start`, `step` after every update, and `end`."""

    def __init__(self, run: Run, heldout: Heldout | None) -> None:
        self._run, self._heldout = run, heldout
        self.step_s: list[float] = []
        """CPU seconds of every update."""
        self._last = self._before = 0.0
        self._marks = [mark * run.tokens for mark in MARKS] if heldout else []
        self.curve: list[list[float]] = []
        """[tokens, bits per byte, CPU seconds so far], scored in bf16; the last one in fp32."""

    def start(self) -> None:
        """Training begins now."""
        self._last = time.process_time()

    def step(self, tokens: int, logits: Logits | None = None) -> None:
        """An update is done, `tokens` in all; `logits` gives the model as it is, to be scored if it is time to."""
        now = time.process_time()
        self.step_s.append(now - self._last)
        self._last = now
        if logits is not None and self._marks and tokens >= self._marks[0]:
            del self._marks[0]
            with self.paused():
                self._score(tokens, logits, exact=False)

    def end(self, logits: Logits) -> None:
        """Training is over; the finished model is scored."""
        self._score(self._run.tokens, logits, exact=True)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """What is done inside, before the training begins, counts."""
        begun = time.process_time()
        yield
        self._before += time.process_time() - begun

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done inside does not count."""
        yield
        self._last = time.process_time()

    def _score(self, tokens: int, logits: Logits, *, exact: bool) -> None:
        assert self._heldout is not None
        bits = self._heldout.bits_per_byte(logits, exact=exact)
        self.curve.append([tokens, round(bits, 6), round(self.cpu_s, 2)])

    @property
    def cpu_s(self) -> float:
        """Of training and what it needs before, without what compiling took."""
        return self._before + sum(self.step_s) - self.compile_s

    @property
    def compile_s(self) -> float:
        """CPU seconds of this process in steps that also compiled, beyond what such a step takes."""
        if len(self.step_s) < 10:
            return 0.0
        usual = statistics.median(self.step_s)
        return sum(step - usual for step in self.step_s if step > SLOW_STEP * usual + 1.0)

    @property
    def steps(self) -> int:
        """Updates done."""
        return len(self.step_s)

    @property
    def final_bpb(self) -> float:
        """Of the finished model."""
        return self.curve[-1][1]
