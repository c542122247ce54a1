"""What to do about a bad loss: which ones are bad, which batches are then skipped, when to give up. Knows losses as numbers only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from luosi.artifacts.base import write_json
from luosi.errors import TrainingDiverged

WINDOW = 64
"""Steps that a loss is compared with, and over which faults are counted."""

LEAST = 32
"""Losses that it takes to know what is usual."""

SPIKE_NATS = 0.5
SPIKE_MADS = 8.0
SPIKE_REACH = 2.0
"""A spike lies above the median of the window by more than so many nats, so many times the median distance from it, and so many
times the distance of the highest loss in it: text of several kinds has several usual losses."""

ODD_REACH = 1.5
"""Besides, it lies above the median by more than so many times the distance of a batch that turned out to be odd text only."""

CHANCES = 3
"""Faults within WINDOW steps that are met by going back; the next one ends the training."""

OFTEN = 0.01
"""Faults a step, besides CHANCES, that are met over the whole run: more of them are no accidents."""

AVERAGED = 20
RAN_AWAY_NATS = 1.0
"""How far the mean of the last AVERAGED losses may lie above that of the first."""


@dataclass
class Faults:
    """The faults of a run, as its checkpoints keep them."""

    skipped: dict[int, str] = field(default_factory=dict)
    """Steps, counted from 0, whose batches are not learned from, and why."""
    met: list[int] = field(default_factory=list)
    """The steps at which a fault was met."""
    above: dict[int, float] = field(default_factory=dict)
    """How many nats above the usual the losses lay at which faults were met, by step; those that were no numbers are left out."""

    def odd(self, losses: Sequence[float]) -> float:
        """The largest distance above the usual of a batch that was skipped alone, before and after which was learned as ever: the
        weights were sound, so its text is of a rare kind that will come again. 0 if there was none.

        >>> Faults({2: "jumped"}, [2], {2: 3.5}).odd([2.5, 2.4, math.nan, 2.5])
        3.5
        """

        def learned(step: int) -> bool:
            return 0 <= step < len(losses) and math.isfinite(losses[step])

        return max(
            (above for step, above in self.above.items() if learned(step - 1) and learned(step + 1)), default=0.0
        )

    def skip(self, step: int, why: str, above: float = math.nan) -> int | None:
        """Choose what to skip after a fault at `step`: its batch; but if the ones just before it were skipped in vain, then the fault
        is in the weights, and the batch that was learned from last is skipped too.

        Args:
            step: From 0.
            why: In words.
            above: How far its loss lay above the usual; not finite where the loss was no number.

        Returns:
            Of how many steps the checkpoint to go back to may be at most; None if there were too many faults, lately or in all.
        """
        lately = sum(one > step - WINDOW for one in self.met)
        if lately >= CHANCES or len(self.met) >= CHANCES + OFTEN * step:
            return None
        self.met.append(step)
        if math.isfinite(above):
            self.above[step] = above
        last = step - 1
        while last in self.skipped:
            last -= 1
        self.skipped[step] = why
        if last == step - 1 or last < 0:
            return step
        self.skipped[last] = why
        return last


def fault(loss: float, norm: float, losses: Sequence[float], odd: float = 0.0) -> str:
    """What is wrong with a step's loss and the norm of its gradient after `losses` (of skipped steps: nan), or ""; `odd` as `Faults.odd`.

    >>> fault(9.0, 1.0, [3.0, 3.1, 2.9, 3.0] * 16)
    'the loss jumped to 9.00, where 3.00 is usual'
    """
    if not math.isfinite(loss) or not math.isfinite(norm):
        return f"the loss is {loss:.4g} and the gradient's norm {norm:.4g}"
    recent = _recent(losses)
    if len(recent) < LEAST:
        return ""
    usual = statistics.median(recent)
    spread = statistics.median(abs(one - usual) for one in recent)
    limit = max(SPIKE_NATS, SPIKE_MADS * spread, SPIKE_REACH * (max(recent) - usual), ODD_REACH * odd)
    return f"the loss jumped to {loss:.2f}, where {usual:.2f} is usual" if loss > usual + limit else ""


def above_usual(loss: float, losses: Sequence[float]) -> float:
    """How far a loss lies above the median of those lately; nan where there are none."""
    recent = _recent(losses)
    return loss - statistics.median(recent) if recent else math.nan


def _recent(losses: Sequence[float]) -> list[float]:
    return [one for one in losses[-WINDOW:] if math.isfinite(one)]


def ran_away(losses: Sequence[float]) -> str:
    """How the losses have risen since the start, slowly enough to be no spike; "" if they have not. Going back would not help."""
    first, last = ([one for one in part if math.isfinite(one)] for part in (losses[:AVERAGED], losses[-AVERAGED:]))
    if len(losses) < 2 * AVERAGED or not first or not last:
        return ""
    if statistics.fmean(last) < statistics.fmean(first) + RAN_AWAY_NATS:
        return ""
    return f"the mean loss rose from {statistics.fmean(first):.2f} to {statistics.fmean(last):.2f}"


def diverged(step: int, what: str, faults: Faults, documents: Sequence[str], folder: Path) -> TrainingDiverged:
    """The end of a training in words; all documents of the batch are listed in `folder`/diverged.json."""
    path = folder / "diverged.json"
    try:
        write_json(path, {"step": step + 1, "documents": list(documents)})
        listed = f" (all of the batch's documents: {path})"
    except OSError as error:  # that the disk is full must not hide what happened
        listed = f" ({path.name} could not be written: {error})"
    shown = ", ".join(documents[:8]) + (f" and {len(documents) - 8} more" if len(documents) > 8 else "")
    again = f", after going back {len(faults.met)} times" if faults.met else ""
    return TrainingDiverged(
        f"training diverged at step {step + 1}{again}: {what}; the batch holds the documents {shown}",
        hint="lower the learning rate, or look at these documents; the last good checkpoint is kept" + listed,
    )
