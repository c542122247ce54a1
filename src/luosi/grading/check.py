"""What is to be known of one's questions before money is spent on them: usable or not, repeated, leaked, answered in the files.

Texts are streamed once; memory holds the questions, a few findings of each, and the names of the files. A text is training
text, held-out text or (files not yet curated) of either kind. Words as in luosi.text.words; 13 words are GPT-3's measure of a
leak (Brown et al. 2020, appendix C). Knows no models: that an answer is nowhere word for word does not say it cannot be given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from luosi.artifacts import Corpus, Question
from luosi.grading.citation import same_file
from luosi.grading.near import near_pairs
from luosi.grading.needles import Found, Needles, Places, Where
from luosi.grading.questions import OwnQuestions
from luosi.text import sources

QUESTION_FILE = "the question file itself"


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of a file's text, or (with `problem`) why there is none."""

    file: str
    text: str
    where: Where = "files"
    problem: str = ""


class Place(BaseModel):
    """Where something stands: in how many texts of a kind, and the files of the first few."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Where
    texts: int
    files: tuple[str, ...]


class Checked(BaseModel):
    """One usable question and what was found about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    origin: str
    prompt: str
    grader: str
    near: tuple[str, ...] = ()
    """Ids of earlier questions that ask nearly the same."""
    leaked: tuple[Place, ...] = ()
    """Texts in which the question stands, whole or by 13 words in a row."""
    verbatim: tuple[Place, ...] = ()
    """Texts in which an accepted answer (or half of the reference passage) stands word for word beside words of the question."""
    answer_somewhere: bool | None = None
    """Whether an accepted answer, or half of the reference passage, stands anywhere; None if no text was read."""
    file_missing: bool = False
    """Whether the file that it names is not among those read."""


class Report(BaseModel):
    """All that `luosi exam check` tells."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questions: tuple[Checked, ...]
    refused: tuple[tuple[int, str], ...]
    """(row, why)."""
    graders: dict[str, int]
    """Usable questions by grader."""
    texts: int
    files: int
    unread: dict[str, int]
    """Files that gave no text, counted by reason."""

    def count(self, kind: str) -> int:
        """How many usable questions have a finding: "near", "leaked", "verbatim", "nowhere", "file_missing"."""
        if kind == "nowhere":
            return sum(one.answer_somewhere is False for one in self.questions)
        return sum(bool(getattr(one, kind)) for one in self.questions)


def check(
    own: OwnQuestions, texts: Iterable[Text] = (), progress: Callable[[int, int], None] = lambda texts, files: None
) -> Report:
    """Look for every question and its answers in every text.

    Args:
        own: As `read_questions` gives them.
        texts: In any order; () where there are no files yet.
        progress: Told after each text how many texts and files were read.
    """
    needles = Needles(own.questions)
    files: set[str] = set()
    unread: Counter[str] = Counter()
    count = 0
    for text in texts:
        files.add(text.file)
        if text.problem:
            unread[text.problem] += 1
            continue
        count += 1
        needles.look(text.file, text.text, text.where)
        progress(count, len(files))
    near: dict[int, list[str]] = {}
    for earlier, later, _ in near_pairs([" ".join((q.prompt, *q.choices)) for q in own.questions]):
        near.setdefault(later, []).append(own.questions[earlier].id)
    return Report(
        questions=tuple(
            _checked(question, tuple(near.get(n, ())), needles.found[n], files if count else None)
            for n, question in enumerate(own.questions)
        ),
        refused=tuple((one.row, one.reason) for one in own.refused),
        graders=dict(sorted(Counter(question.grader for question in own.questions).items())),
        texts=count,
        files=len(files),
        unread=dict(sorted(unread.items())),
    )


def _checked(question: Question, near: tuple[str, ...], found: Found, files: set[str] | None) -> Checked:
    named = question.file and files is not None
    return Checked(
        id=question.id,
        origin=question.origin,
        prompt=question.prompt,
        grader=question.grader,
        near=near,
        leaked=_places(found.leaked),
        verbatim=_places(found.verbatim),
        answer_somewhere=None if files is None else found.somewhere,
        file_missing=bool(named) and not any(same_file(question.file, file) for file in files or ()),
    )


def _places(found: Places) -> tuple[Place, ...]:
    """By kind of text, training text first."""
    kinds: tuple[Where, ...] = ("train", "files", "heldout")
    return tuple(
        Place(where=kind, texts=found.texts[kind], files=tuple(found.files[kind]))
        for kind in kinds
        if kind in found.texts
    )


def file_texts(paths: Sequence[str], questions: Path) -> Iterator[Text]:
    """The texts of files and folders, in order; what cannot be read comes with its problem, and the question file is left out.

    Raises:
        InputError: A path does not exist, or nothing there can be read.
    """
    spec = sources.SourceSpec(paths=tuple(paths))
    for file in sources.files(spec):
        if file.path.samefile(questions):
            yield Text(file.name, "", problem=QUESTION_FILE)
            continue
        for raw in sources.read(spec, file):
            yield Text(raw.file or file.name, raw.text, problem=raw.problem or raw.note)


def corpus_texts(corpus: Corpus) -> Iterator[Text]:
    """The training and held-out texts of a corpus."""
    splits: tuple[Literal["train", "heldout"], ...] = ("train", "heldout")
    for split in splits:
        for document in corpus.documents(split):
            yield Text(document.file or document.id, document.text, split)
