"""A workspace as the pages see one: a demo run in its middle, a verdict with a race, and a recipe whose every name is an attack.

What people say is kept in a real store, in a temporary folder.
"""

from __future__ import annotations

import copy
import math
import tempfile
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from luosi.artifacts.answers import Answered, Cited, Judgement
from luosi.artifacts.corpus import Question
from luosi.cost import Money
from luosi.errors import UsageError
from luosi.grading.check import Report, Text, check
from luosi.grading.questions import OwnQuestions
from luosi.report import render
from luosi.serve.feedback import Feedback
from luosi.stages.verdict.money import RouteMoney, VerdictReport
from luosi.stages.verdict.rows import answer_rows
from luosi.web.words import Language

HOSTILE = "<script>window.hacked=1</script>"
IMAGE = "<img src=x onerror=window.hacked=1>\"'"

CHAIN: list[tuple[str, str, str, list[str]]] = [
    ("curate", "curate", "hit", []),
    ("exam", "exam", "hit", ["curate"]),
    ("open", "import_model", "hit", []),
    ("ship_open", "export", "hit", ["open"]),
    ("open_q8", "compress", "hit", ["ship_open"]),
    ("adapt", "finetune", "running", ["open", "curate"]),
    ("ship_adapt", "export", "build", ["adapt"]),
    ("adapt_q8", "compress", "build", ["ship_adapt"]),
    ("adapt_q4", "compress", "build", ["ship_adapt"]),
    ("tokenizer", "train_tokenizer", "hit", ["curate"]),
    ("tokens", "tokenize", "hit", ["curate", "tokenizer"]),
    ("scratch", "pretrain", "killed", ["tokens", "tokenizer"]),
    ("ship_scratch", "export", "build", ["scratch"]),
    ("scratch_q8", "compress", "build", ["ship_scratch"]),
    ("score_open", "evaluate", "hit", ["open_q8", "curate", "exam"]),
    ("score_adapt_q8", "evaluate", "build", ["adapt_q8", "curate", "exam"]),
    ("score_adapt_q4", "evaluate", "build", ["adapt_q4", "curate", "exam"]),
    ("score_scratch", "evaluate", "build", ["scratch_q8", "curate", "exam"]),
    ("score_xz", "evaluate", "failed", ["curate"]),
    ("verdict", "verdict", "build", ["score_open", "score_adapt_q8", "score_adapt_q4", "score_scratch", "score_xz"]),
]
SECONDS = {"adapt": 280.0, "scratch": 118.0, "curate": 9.4, "verdict": 0.05}


def usd(nano: int) -> dict[str, Any]:
    return {"nano": nano, "currency": "USD"}


def quantities(seconds: float) -> dict[str, Any]:
    return {"flop": seconds * 4e11, "joules": seconds * 31, "money": usd(math.ceil(seconds * 12_300))}


def planned(seconds: float) -> dict[str, Any]:
    return {"seconds": {"p10": seconds * 0.7, "p50": seconds, "p90": seconds * 1.5}, **quantities(seconds)}


def bill_line(step: str, stage: str, state: str) -> dict[str, Any]:
    seconds = SECONDS.get(step, 4.2)
    spent = 0.0 if state == "build" else seconds * (0.62 if state in ("running", "killed") else 1.13)
    return {
        "step": step, "stage": stage, "key": f"k1-{abs(hash(step)):016x}"[:19],
        "state": {"hit": "published", "build": "not started"}.get(state, state), "planned": planned(seconds),
        "spent": {"seconds": spent, "cpu_seconds": 1.9 * spent, **quantities(spent)},
        "error": 0.13 if state == "hit" else None, "attempts": 0 if state == "build" else 2 if step == "scratch" else 1,
        "killed": int(state == "killed"), "loaded": step == "adapt",
    }  # fmt: skip


def route(
    route: str, model: str, bpb: float | None, accuracy: float | None, nanos: tuple[int | None, int | None], **more: Any
) -> dict[str, Any]:
    make, per_1000 = (None if nano is None else usd(nano) for nano in nanos)
    return {
        "route": route, "model": model, "bpb": bpb, "bpb_se": None if bpb is None else 0.012, "accuracy": accuracy,
        "accuracy_se": None if accuracy is None else 0.061, "cost_to_make": make, "cost_per_1000": per_1000,
        "break_even_answers": None, "difference": None, "difference_low": None, "difference_high": None, "note": "",
        **more,
    }  # fmt: skip


ROUTES = [
    route("open", "SmolLM2-135M, unmodified, Q8_0", 0.945, 0.48, (120_000, 31_000_000), break_even_answers=41),
    route("adapt", "SmolLM2-135M + legal, Q8_0", 0.883, 0.60, (9_700_000, 31_000_000), break_even_answers=2900,
          difference=-0.062, difference_low=-0.071, difference_high=-0.053),
    route("adapt", "SmolLM2-135M + legal, Q4_0", 0.931, 0.57, (9_800_000, 27_000_000), break_even_answers=2950,
          difference=-0.014, difference_low=-0.022, difference_high=-0.006),
    route("scratch", "4.5 M from scratch, Q8_0", 1.380, 0.31, (4_100_000, 2_100_000), break_even_answers=1200,
          difference=0.435, difference_low=0.41, difference_high=0.46, note="loses: too little text for its size"),
    route("baseline", "xz", 1.210, None, (0, None), note="the training text as its prefix"),
    route("rent", "example-mini", None, None, (0, 330_000_000), note="not measured until you connect it"),
]  # fmt: skip


RACE = "own"
ARMS: dict[str, dict[str, Any]] = {
    "open": {"route": "open", "own": 0.22, "make": 900_000, "per_1000": 31_000_000, "seconds": 0.9},
    "open_files": {"route": "open", "own": 0.54, "make": 1_500_000, "per_1000": 74_000_000, "seconds": 2.1},
    "adapt": {"route": "adapt", "own": 0.36, "make": 9_700_000, "per_1000": 31_500_000, "seconds": 0.9},
    "adapt_files": {"route": "adapt", "own": 0.66, "make": 10_300_000, "per_1000": 75_000_000, "seconds": 2.2},
    "rent": {"route": "rent", "own": 0.40, "make": 0, "per_1000": 110_000_000, "seconds": 1.4},
    "rent_files": {"route": "rent", "own": 0.72, "make": 600_000, "per_1000": 420_000_000, "seconds": 1.9},
}
MODELS = {"open": "SmolLM2-135M-Instruct, Q8_0", "adapt": "SmolLM2-135M + handbook, Q8_0", "rent": "example-mini"}
STOPPED = {"open": 120, "rent": 260}
JUDGE = "judge-large"
TOPICS = [
    ("How many days of annual leave does a new employee have?", "25 days", "25", "number", "handbook.pdf", 12),
    (
        "Who signs travel requests above 2,000 euros?",
        "the head of finance",
        "the travel desk",
        "f1",
        "travel/policy 2026.docx",
        3,
    ),
    ("试用期最长可以约定多久？", "六个月", "三个月", "judge", "劳动合同法.pdf", 7),
    ("When must an accident be reported?", "within 24 hours", "as soon as possible", "judge", "safety.html", 0),
]
ADVICE = [
    ("Take adapted + files: 66 % of your questions rightly, told from the open model with files by 12 points (95 % interval 4 to 20), and no question leaves the house.",
     "选适配模型 + 文件：答对你 66% 的问题，比附带文件的开源模型高 12 个百分点（95% 区间 4 至 20），问题不外传。"),
    ("Renting with your files is not told from it: +6 points (−2 to +14); ten times the price of an answer.",
     "租用模型 + 文件与它没有可辨的差别：+6 个百分点（−2 至 +14）；单次回答价格是它的数倍。"),
    ("What would change that: about 300 more questions, or a rented price below 0.075 USD per 1,000 answers.",
     "什么会改变结论：再有约 300 个问题，或租用价低于每千次 0.075 美元。"),
]  # fmt: skip


@cache
def race_report() -> VerdictReport:
    return VerdictReport(
        source="text", reference="score_open", rented_model="example-mini", prompt_tokens=380, answer_tokens=40,
        routes=tuple(race_route(arm, **about) for arm, about in ARMS.items()),
        advice=[{"en": en, "zh": zh} for en, zh in ADVICE],
        reference_arm="open", questions=500, sequential=True, saved_share=0.34, judge=JUDGE,
    )  # fmt: skip


def race_route(arm: str, route: str, own: float, make: int, per_1000: int, seconds: float) -> RouteMoney:
    rented, files = route == "rent", arm.endswith("_files")
    return RouteMoney(
        route=route, model=MODELS[route], step="", bpb=None if rented else 0.91 - 0.1 * (route == "adapt"), bpb_se=None if rented else 0.01,
        accuracy=None if rented else 0.6, accuracy_se=None if rented else 0.05, difference=None, difference_low=None, difference_high=None,
        accuracy_difference=None, accuracy_difference_low=None, accuracy_difference_high=None,
        cost_to_make=Money(nano=make, currency="USD"), cost_per_1000=Money(nano=per_1000, currency="USD"),
        break_even_answers=None if rented else 1_000 * make // (420_000_000 - per_1000), latency_s=seconds, note="", arm=arm,
        files=files, leaves_house=rented, asked=STOPPED.get(arm, 500), stopped="cannot win" if arm in STOPPED else "",
        own=own, own_low=own - 0.05, own_high=own + 0.05, own_difference=None if arm == "open" else own - 0.22,
        own_difference_low=None if arm == "open" else own - 0.28, own_difference_high=None if arm == "open" else own - 0.16,
        latency_p90_s=2 * seconds, energy_j=None if rented else 31 * seconds, recommended=arm == "adapt_files",
    )  # fmt: skip


@cache
def race_answers(count: int = 500) -> list[dict[str, Any]]:
    """`count` questions with six arms' answers; how often an arm is right is about its accuracy."""
    return [race_question(number) for number in range(count)]


def race_question(number: int) -> dict[str, Any]:
    prompt, accepted, wrong, grader, file, page = TOPICS[number % len(TOPICS)]
    question = Question(
        id=f"own/{number}", source="own", prompt=f"{prompt} ({number})", answers=(accepted,), file=file, page=page,
        grader=grader, origin=f"questions.xlsx row {number + 2}",
    )  # fmt: skip
    answers = []
    for place, (arm, about) in enumerate(ARMS.items()):
        if number >= STOPPED.get(arm, 500):
            continue
        luck = (number * 37 + place * 11) % 100 / 100
        mark = 1.0 if luck < about["own"] else 0.4 if luck > 0.9 else 0.0
        silent = arm == "rent" and number % 50 == 3
        shown = arm.endswith("_files")
        answers.append(
            Answered(
                arm=arm, question=question.id, text="" if silent else f"It is {accepted if mark == 1 else wrong}{' [1]' if shown else ''}.",
                passages=passages(file, page, accepted) if shown else (), mark=0.0 if silent else mark,
                judgement=Judgement(first=mark == 1, second=mark == 1, model=JUDGE) if grader == "judge" and not silent else None,
                trouble="timed out after 60 s" if silent else "",
            )
        )  # fmt: skip
    return {"question": question, "answers": answers}


def passages(file: str, page: int, accepted: str) -> tuple[Cited, ...]:
    return tuple(
        Cited(
            number=number, file=file, page=page and page + number - 1, heading="Part 2 > Rules",
            text=f"The rule in force since 2024 says: {accepted}. " + "Exceptions are granted in writing only. " * 8, cited=number == 1,
        )
        for number in (1, 2, 3)
    )  # fmt: skip


class Example:
    """The recorded workspace; each look finds the running step a little further."""

    def __init__(self) -> None:
        self.looks = 0

    def recipes(self) -> list[str]:
        return ["demo", RACE, HOSTILE, "broken"]

    def _known(self, ref: str) -> None:
        if ref not in ("demo", RACE, HOSTILE):
            raise UsageError(f"recipe {ref} has no verdict step", hint="run it first")

    def state(self, ref: str) -> dict[str, Any]:
        self._known(ref)
        self.looks += 1
        steps = []
        for name, stage, state, inputs in CHAIN:
            total = 28_000 if name == "adapt" else 1500
            partly = min(total, 17_000 + 500 * self.looks) if name == "adapt" else 700
            done = {"hit": total, "running": partly, "killed": partly}.get(state, 0)
            steps.append({
                "step": name, "stage": stage, "key": bill_line(name, stage, state)["key"], "state": state,
                "inputs": inputs, "done": done, "total": total, "unit": "tokens" if name == "adapt" else "steps",
                "metrics": learning(done) if name in ("adapt", "scratch") else {},
                "message": "killed by signal 9" if state == "killed" else "xz is not installed" if state == "failed" else "",
                "why": "finetune.rank 8 -> 16" if name == "adapt" else "", "attempts": 1,
                "planned_s": SECONDS.get(name, 4.2), "spent_s": 171.0 if done else 0.0,
                "money": usd(2_100_000) if done else None, "left_s": (total - done) / 90 if state == "running" else None,
            })  # fmt: skip
        return renamed({"recipe": ref, "steps": steps}, ref)

    def bill(self, ref: str) -> dict[str, Any]:
        self._known(ref)
        lines = [bill_line(name, stage, state) for name, stage, state, _ in CHAIN]
        total = bill_line("total", "", "")
        total |= {"planned": planned(452.0), "attempts": 13, "killed": 1, "error": 0.13}
        total["spent"] = {"seconds": 301.4, "cpu_seconds": 570.0, **quantities(301.4)}
        taught = [{"runs": 0, "builds": 9, "error": 0.41}, {"runs": 1, "builds": 6, "error": 0.12}]
        return renamed({"recipe": ref, "steps": lines, "total": total, "learned": taught}, ref)

    @cached_property
    def _feedback(self) -> Feedback:
        return Feedback(Path(tempfile.mkdtemp(prefix="luosi-")) / "accounts.db")

    def feedback(self) -> Feedback:
        return self._feedback

    @cached_property
    def _asked(self) -> Path:
        path = Path(tempfile.mkdtemp(prefix="luosi-")) / "asked.jsonl"
        path.write_text('{"question": "Who keeps the keys?", "answer": "the porter"}\n', encoding="utf-8")
        return path

    def check_questions(self, ref: str) -> Report:
        self._known(ref)
        text = Text("handbook.pdf", "A new employee has 25 days of annual leave in a year.", "train")
        return check(OwnQuestions(self._feedback.questions(), []), [text])

    def questions_file(self, ref: str) -> Path | None:
        self._known(ref)
        return self._asked if ref == RACE else None

    def answers(self, ref: str) -> list[dict[str, Any]]:
        self._known(ref)
        if ref == RACE:
            return race_answers()
        return [attacked(row) for row in race_answers()[:3]] if ref == HOSTILE else []

    def report(self, ref: str, language: Language, form: str) -> bytes:
        self._known(ref)
        asked = race_answers()[:20]
        rows = answer_rows([row["question"] for row in asked], [one for row in asked for one in row["answers"]])
        return render(form, ref, race_report(), rows, language=language)

    def verdict(self, ref: str) -> Any:
        self._known(ref)
        if ref == RACE:
            return race_report()
        if ref == HOSTILE:
            return renamed(race_report().model_dump(mode="json"), ref)
        advice = [
            "Take SmolLM2-135M + legal, Q8_0: 0.062 bits per byte better than the unmodified model, at the same cost per answer.",
            "Rent example-mini below 2,900 answers, if its quality will do: it is not measured until you connect it.",
        ]
        return renamed({"routes": copy.deepcopy(ROUTES), "advice": advice}, ref)


def learning(done: float) -> dict[str, list[list[float]]]:
    """What a training reports: every metric as [[done, value]]."""
    xs = range(0, int(done), max(1, int(done) // 900))
    loss = [[x, 2.1 + 1.4 * math.exp(-x / 6000) + 0.08 * math.sin(x * x)] for x in xs]
    speed = [[x, 14_000 + 900 * math.sin(x * x + 1) - (6000 if 9000 < x < 9200 else 0)] for x in xs]
    return {
        "loss": loss, "tokens_per_s": speed, "bpb": [[x, y / math.log(2) * 0.27] for x, y in loss],
        "flop_per_s": [[x, 9.2e6 * y] for x, y in speed], "mfu": [[x, y * 2.4e-5] for x, y in speed],
    }  # fmt: skip


def renamed(answer: dict[str, Any], ref: str) -> dict[str, Any]:
    """Under the hostile recipe every text is an attack."""
    if ref != HOSTILE:
        return answer

    def attack(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: attack(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [attack(inner, key) for inner in value]
        if isinstance(value, str) and key not in ("state", "currency", "route", "arm"):
            return f"{IMAGE}{value}{HOSTILE}"
        return value

    attacked: dict[str, Any] = attack(answer)
    return attacked


def attacked(row: dict[str, Any]) -> dict[str, Any]:
    """A question of the race whose every text is an attack."""

    def attack(text: str) -> str:
        return f"{IMAGE}{text}{HOSTILE}"

    question = row["question"].model_copy(
        update={"prompt": attack("q"), "file": attack("f"), "origin": attack("o"), "answers": (attack("a"),)}
    )
    answers = [
        answer.model_copy(update={
            "text": attack("t"), "trouble": answer.trouble and attack("x"),
            "passages": tuple(one.model_copy(update={name: attack(name) for name in ("file", "heading", "text")}) for one in answer.passages),
        })
        for answer in row["answers"]
    ]  # fmt: skip
    return {"question": question, "answers": answers}
