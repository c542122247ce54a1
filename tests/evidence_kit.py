"""A step's outside world without a runner, and races as they end: shared by the tests of scoring, of the verdict and of reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from luosi.artifacts import Answers, Facts, Question
from luosi.artifacts.answers import Answered, AnswersSummary, Arm, Cited, RouteName
from luosi.artifacts.base import ArmFacts, write_json, write_jsonl
from luosi.cost import Cost, Machine
from luosi.errors import Interrupted
from luosi.pipeline.stage import Input

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


ARMS: dict[str, tuple[RouteName, str, bool]] = {
    "open": ("open", "Small-135M, Q8_0", False),
    "open_files": ("open", "Small-135M, Q8_0", True),
    "adapt": ("adapt", "Small-135M-my, Q8_0", False),
    "adapt_files": ("adapt", "Small-135M-my, Q8_0", True),
    "scratch": ("scratch", "4.5 M from scratch, Q8_0", False),
    "rent": ("rent", "big", False),
    "rent_files": ("rent", "big", True),
}


def arm(name: str, *, asked: int, stopped: str = "") -> Arm:
    """An arm of `ARMS`: bundles and index are called as the steps of a recipe that has them."""
    route, model, files = ARMS[name]
    bundle = "" if route == "rent" else f"k1-score_{route}"
    return Arm(
        name=name, route=route, model=model, files=files, bundle_key=bundle, index_key="k1-index" if files else "",
        leaves_house=route == "rent", asked=asked, stopped=stopped,
    )  # fmt: skip


def question(number: int, **more: Any) -> Question:
    """The user's own question, about a page of a handbook."""
    given = {"answers": (f"{20 + number} days",), "grader": "number", "file": "handbook.pdf", "page": number % 9 + 1}
    return Question.model_validate(
        {"id": f"own-{number}", "source": "own", "prompt": f"How many days of leave has grade {number}?", **given}
        | more
    )


def answered(name: str, one: Question, mark: float, **more: Any) -> Answered:
    """What an arm said; those with files are shown two passages, the first of which is right."""
    files = ARMS[name][2]
    shown = [
        Cited(number=n, file=one.file, page=one.page + 3 * n, heading="Leave", text=one.answers[0], cited=n == 0)
        for n in (0, 1)
    ]
    given = {
        "arm": name, "question": one.id, "text": one.answers[0] if mark else "I do not know", "mark": mark,
        "passages": tuple(shown) if files else (), "marks": {"number": mark} | ({"citation": 1.0} if files else {}),
        "prompt_tokens": 400 if files else 40, "answer_tokens": 20,
    }  # fmt: skip
    return Answered.model_validate(given | more)


def race(
    folder: Path, marks: Mapping[str, Sequence[float]], *, total: int = 0, stopped: Mapping[str, str] | None = None, name: str = "race",
    change: Callable[[Answered], Answered] = lambda row: row,
) -> Input:  # fmt: skip
    """A race in which each arm got these marks, one a question from the first on."""
    asked = [question(n) for n in range(total or max(len(one) for one in marks.values()))]
    out = folder / name
    out.mkdir()
    arms = tuple(arm(one, asked=len(its), stopped=(stopped or {}).get(one, "")) for one, its in marks.items())
    summary = AnswersSummary(
        arms=arms, reference=arms[0].name, questions=len(asked), passages=2, sequential=True, saved_share=0.31
    )
    rows = [
        change(answered(arm, one, its[n])).model_dump()
        for n, one in enumerate(asked)
        for arm, its in marks.items()
        if n < len(its)
    ]
    write_json(out / "answers.json", summary.model_dump())
    write_jsonl(out / "answers.jsonl", rows)
    write_jsonl(out / "questions.jsonl", [one.model_dump() for one in asked])
    return Input(f"k1-{name}", name, Answers(out), Facts(arms={one.name: measured(one) for one in arms}))


def measured(one: Arm) -> ArmFacts:
    """2 s of this machine an answer without files, 5 s with them; rented ones take 0.1 s of it to find the passages."""
    seconds = (0.1 if one.files else 0.0) if one.route == "rent" else 5.0 if one.files else 2.0
    tokens = (400 if one.files else 40) * one.asked
    return ArmFacts(
        answers=one.asked, latency_p50_s=seconds + 0.5, latency_p90_s=seconds + 1.5, busy_s=seconds * one.asked,
        prompt_tokens=tokens, answer_tokens=20 * one.asked,
    )  # fmt: skip
