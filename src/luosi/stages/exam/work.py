"""Makes an exam: `questions.jsonl` and `report.json` from a corpus's held-out text and the user's own questions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from luosi.artifacts import Corpus, Facts, Question
from luosi.artifacts.base import write_json, write_jsonl
from luosi.errors import InputError
from luosi.stages.exam.config import Config
from luosi.stages.exam.make import next_passage_questions
from luosi.stages.exam.own import Own, own_questions


def make_exam(
    config: Config,
    corpus: Corpus,
    out: Path,
    *,
    progress: Callable[[float, float, str], None] = lambda done, total, unit: None,
    say: Callable[[str], None] = lambda message: None,
) -> Facts:
    """Fill the folder `out` with an exam (see luosi.artifacts.Exam).

    report.json: {"sources": {name: {"asked", "made", "documents", "fewer_because": {reason: n}}}, "own": {"made",
    "graders": {grader: n}, "refused": [message], "warnings": [message]} or null}.

    Raises:
        InputError: A source does not exist, or not one question could be made.
    """
    names = _source_names(config, corpus)
    questions: list[Question] = []
    reports: dict[str, object] = {}
    for place, name in enumerate(names):
        documents = list(corpus.documents("heldout", name))

        def report(done: int, base: int = place * config.questions) -> None:
            progress(base + done, config.questions * len(names), "questions")

        made, failures = next_passage_questions(documents, config, report)
        questions += [question.model_copy(update={"source": name}) for question in made]
        fewer = len(made) < config.questions
        if fewer:
            say(f"{name}: {len(made)} questions instead of {config.questions}: the held-out text gives no more")
        counts = {"asked": config.questions, "made": len(made), "documents": len(documents)}
        reports[name] = {**counts, "fewer_because": dict(failures) if fewer else {}}
    own = _own(config, say)
    questions += own.questions if own else []
    if not questions:
        raise InputError(
            f"not one question can be made of the held-out text of {', '.join(names)}",
            hint=f"hold out more text: a question needs {config.prompt_chars // 2 + config.choice_chars} characters, "
            "and three other passages of the same source",
        )
    write_jsonl(out / "questions.jsonl", [question.model_dump() for question in questions])
    write_json(out / "report.json", {"sources": reports, "own": own.report() if own else None})
    return Facts(questions=len(questions), figures={"own": len(own.questions) if own else 0})


def _own(config: Config, say: Callable[[str], None]) -> Own | None:
    """The user's own questions, told of what is wrong with them; None if the recipe has none."""
    if not config.own:
        return None
    own = own_questions(config)
    for message in (*own.refused, *own.warnings):
        say(f"{Path(config.own).name}, {message}")
    return own


def _source_names(config: Config, corpus: Corpus) -> list[str]:
    known = corpus.sources()
    unknown = [name for name in config.sources if name not in known]
    if unknown:
        raise InputError(f"the corpus has no source {unknown[0]!r}; it has {', '.join(known)}", hint="change sources")
    return [name for name in known if config.questions and name in (config.sources or known)]
