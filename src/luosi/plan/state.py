"""The state of a recipe's steps as plain JSON, for drawing: where each stands, how far it is, and its curves.

Made from the plan's lines and the attempts' logs; knows no pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luosi.cost import Cost, Rates
from luosi.ledger.attempts import Try
from luosi.ledger.live import Pace, priced
from luosi.plan.steps import StepPlan


def step_state(line: StepPlan, tries: Sequence[Try], rates: Rates) -> dict[str, Any]:
    """One step: its state, inputs, progress, curves ({metric: [[done, value], ...]}), planned and spent seconds, money spent, and
    `left_s`, the seconds until it is done by its pace over the last minute (None where that is not known)."""
    progress = [point for one in tries for point in one.progress]
    metrics: dict[str, list[list[float]]] = {}
    for point in progress:
        for name, value in point.metrics.items():
            metrics.setdefault(name, []).append([point.done, value])
    last = tries[-1] if tries else None
    spent = sum((one.cost for one in tries), Cost())
    money = priced(spent, rates) if tries else None
    state = line.state if line.state == "hit" or last is None or last.reason == "published" else last.reason
    return {
        "step": line.step,
        "stage": line.stage,
        "key": line.key,
        "state": state,
        "inputs": list(line.inputs),
        "done": progress[-1].done if progress else 0,
        "total": progress[-1].total if progress else 0,
        "unit": progress[-1].unit if progress else "",
        "metrics": metrics,
        "why": line.why,
        "message": last.message if last else "",
        "attempts": len(tries),
        "planned_s": line.whole.seconds.p50,
        "spent_s": spent.wall_s,
        "money": money.model_dump() if money else None,
        "left_s": _left_s(last) if state == "running" and last else None,
    }


def _left_s(last: Try) -> float | None:
    pace = Pace()
    for point in last.progress:
        pace.add(point.wall_s, point.done)
    return pace.left_s(last.progress[-1].total) if last.progress else None
