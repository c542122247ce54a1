"""Small real bundles, exams and rented arms for races; `python -m tests.race_kit FOLDER CONFIG` runs one, to be killed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from luosi.artifacts import Answers, Artifact, Bundle, Document, Exam, Facts, Index
from luosi.artifacts.base import write_json, write_jsonl
from luosi.pipeline.stage import Input, Inputs, StageRuntime
from luosi.stages.race.config import Config
from luosi.stages.race.stage import RaceStage
from tests.evidence_kit import MACHINE, Outside, outside

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Norway": "Oslo", "Japan": "Tokyo", "Egypt": "Cairo",
    "Peru": "Lima", "Cuba": "Havana", "Kenya": "Nairobi", "Ghana": "Accra", "Iran": "Tehran", "Iraq": "Baghdad",
    "Chile": "Santiago", "Nepal": "Kathmandu", "Latvia": "Riga", "Greece": "Athens",
}  # fmt: skip


def free_questions(count: int = len(CAPITALS), grader: str = "exact") -> list[dict[str, Any]]:
    return [
        {
            "id": f"own/{n}",
            "source": "own",
            "prompt": f"What is the capital of {land}?",
            "answers": [city],
            "grader": grader,
        }
        for n, (land, city) in enumerate(list(CAPITALS.items())[:count])
    ]


def choice_questions(count: int) -> list[dict[str, Any]]:
    cities = list(CAPITALS.values())
    return [
        {"id": f"own/choice {n}", "source": "own", "prompt": f"The capital of {land} is", "answer": n % 3,
         "choices": [cities[(n + k - n % 3) % len(cities)] for k in range(3)]}
        for n, land in enumerate(list(CAPITALS)[:count])
    ]  # fmt: skip


def knows(prompt: str) -> str:
    """The right answer to a question of `free_questions`."""
    return next(city for land, city in CAPITALS.items() if land in prompt)


def exam(folder: Path, questions: Sequence[dict[str, Any]]) -> Exam:
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "questions.jsonl", list(questions))
    write_json(folder / "report.json", {})
    return Exam(folder)


def bundle(folder: Path, name: str, *, seed: int, **shape: object) -> Bundle:
    """A small model with weights far from zero, in Q8_0; it babbles."""
    from luosi.models.gguf import write_gguf
    from tests.models_kit import noisy_model, small_shape, tokenizer_folder

    folder.mkdir()
    made = small_shape(**({"context": 600} | shape))  # type: ignore[arg-type]
    tokens = tokenizer_folder(folder / "tokenizer")
    state = noisy_model(made, seed).state_dict()
    write_gguf(folder / "model.gguf", shape=made, state=state, tokenizer_folder=tokens, precision="Q8_0", name=name)
    write_json(folder / "bundle.json", {"name": name, "precision": "Q8_0"})
    write_json(folder / "shape.json", made.model_dump())
    (folder / "tokenizer.json").write_bytes((tokens / "tokenizer.json").read_bytes())
    return Bundle(folder)


def inputs(exam: Exam, index: Index | None = None, judge: Bundle | None = None, **bundles: Bundle) -> Inputs:
    def given(step: str, artifact: Artifact) -> Input:
        return Input(f"k1-{step}", step, artifact, Facts())

    roles = {"bundles": [given(step, made) for step, made in bundles.items()], "exam": [given("exam", exam)]}
    roles |= {"index": [given("passages", index)]} if index else {}
    return Inputs(roles | ({"judge": [given("judge", judge)]} if judge else {}))


def index(folder: Path) -> Index:
    """An index of one document for each capital, in three files, found by words alone."""
    from luosi.retrieval.build import build

    for part in ("out", "scratch"):
        (folder / part).mkdir(parents=True)
    documents = (
        Document(
            id=str(n), source="atlas", file=f"atlas/{n % 3}.pdf", page=n + 1,
            text=f"# {land}\n\nThe capital of {land} is {city}. " + f"It rains in {land} now and then. " * 6,
        )
        for n, (land, city) in enumerate(CAPITALS.items())
    )  # fmt: skip
    build(documents, folder / "out", folder / "scratch", passage_chars=400)
    return Index(folder / "out")


def rented(url: str, shape: str = "openai", **changes: object) -> dict[str, Any]:
    """Settings of a rented model: a dollar for a million prompt tokens, ten for a million answer tokens."""
    fields = {
        "model": "m-1", "url": url, "shape": shape, "prompt_nano": 10**9, "completion_nano": 10**10,
        "currency": "USD", "source": "a list", "date": "2026-11-01",
    }  # fmt: skip
    return fields | changes


def arms(*names: str, files: bool = False) -> dict[str, Any]:
    """Rented arms, each of the rented model of its own name."""
    return {name: {"route": "rent", "rented": name, "files": files} for name in names}


def run(config: Config, given: Inputs, context: Outside) -> tuple[Answers, Facts]:
    context.machine = MACHINE.model_copy(update={"cores": 1})  # as many threads whatever else runs here
    facts = RaceStage().run(config, StageRuntime(), given, context)
    return Answers(context.out), facts


def main(folder: Path, config: str) -> None:
    given = inputs(Exam(folder / "exam"))
    run(Config.model_validate(json.loads(config)), given, outside(folder, "killed"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
