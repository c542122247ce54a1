"""A workspace as the pages see one, recorded once: a demo run in its middle, and a recipe whose every name is an attack."""

from __future__ import annotations

import copy
import math
from typing import Any

from luosi.errors import UsageError

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


class Example:
    """The recorded workspace; each look finds the running step a little further."""

    def __init__(self) -> None:
        self.looks = 0

    def recipes(self) -> list[str]:
        return ["demo", HOSTILE, "broken"]

    def _known(self, ref: str) -> None:
        if ref not in ("demo", HOSTILE):
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
                "metrics": {"loss": losses(done)} if name in ("adapt", "scratch") else {},
                "message": "killed by signal 9" if state == "killed" else "xz is not installed" if state == "failed" else "",
                "why": "finetune.rank 8 -> 16" if name == "adapt" else "", "attempts": 1,
                "planned_s": SECONDS.get(name, 4.2), "spent_s": 0.0,
            })  # fmt: skip
        return renamed({"recipe": ref, "steps": steps}, ref)

    def bill(self, ref: str) -> dict[str, Any]:
        self._known(ref)
        lines = [bill_line(name, stage, state) for name, stage, state, _ in CHAIN]
        total = bill_line("total", "", "")
        total |= {"planned": planned(452.0), "attempts": 13, "killed": 1, "error": 0.13}
        total["spent"] = {"seconds": 301.4, "cpu_seconds": 570.0, **quantities(301.4)}
        return renamed({"recipe": ref, "steps": lines, "total": total}, ref)

    def verdict(self, ref: str) -> dict[str, Any]:
        self._known(ref)
        advice = [
            "Take SmolLM2-135M + legal, Q8_0: 0.062 bits per byte better than the unmodified model, at the same cost per answer.",
            "Rent example-mini below 2,900 answers, if its quality will do: it is not measured until you connect it.",
        ]
        return renamed({"routes": copy.deepcopy(ROUTES), "advice": advice}, ref)


def losses(done: float) -> list[list[float]]:
    xs = range(0, int(done), max(1, int(done) // 60))
    return [[x, 2.1 + 1.4 * math.exp(-x / 6000) + 0.05 * math.sin(x / 300)] for x in xs]


def renamed(answer: dict[str, Any], ref: str) -> dict[str, Any]:
    """Under the hostile recipe every text is an attack."""
    if ref != HOSTILE:
        return answer

    def attack(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: attack(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [attack(inner, key) for inner in value]
        if isinstance(value, str) and key not in ("state", "currency"):
            return f"{IMAGE}{value}{HOSTILE}"
        return value

    attacked: dict[str, Any] = attack(answer)
    return attacked
