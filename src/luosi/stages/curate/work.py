"""Curates: sources to `train.jsonl`, `heldout.jsonl`, `dropped.jsonl` and `report.json`. Needs no store and no recipe.

read and clean -> draw by max_bytes -> near-duplicates -> families -> held-out draw -> leakage -> write. Every document read
is either kept or in `dropped.jsonl` with the reason. The bytes written depend on the texts and the config only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

from luosi.artifacts import Document, Facts
from luosi.artifacts.base import write_json, write_jsonl
from luosi.errors import InputError
from luosi.stages.curate.collect import Dropped, collect, source_spec
from luosi.stages.curate.config import Config
from luosi.stages.curate.heldout import Split, choose
from luosi.stages.curate.journal import TextStore
from luosi.stages.curate.near import ShingleStore, later_copies, similar_pairs
from luosi.stages.curate.report import CorpusReport, Tally, corpus_report, facts, sentences
from luosi.stages.curate.split import Member, families
from luosi.text import sources
from luosi.text.hashing import digest
from luosi.text.words import shingles

SHINGLE_WORDS = 5
PHASES = {"read": (0.0, 0.65), "compare": (0.65, 0.82), "split": (0.82, 0.98), "write": (0.98, 1.0)}
"""Where each phase begins and ends on the bar, by CPU time measured."""


class Progress(Protocol):
    """`Context.progress`, or nothing."""

    def __call__(self, done: float, total: float, unit: str) -> None:
        """`done` of `total` units are done."""


def curate(
    config: Config,
    out: Path,
    scratch: Path,
    *,
    progress: Progress = lambda done, total, unit: None,
    say: Callable[[str], None] = lambda message: None,
) -> Facts:
    """Fill the folder `out` with a corpus (see luosi.artifacts.Corpus), using `scratch` for texts in between.

    What a killed run has read into `scratch` is not read again; `out` comes out the same.

    Raises:
        InputError: A source is missing, has changed, or has no usable text.
        MissingDependency: A file's format needs a library that is not installed.
    """
    tallies = {source.name: Tally() for source in config.sources}
    texts, dropped = TextStore(scratch / "texts.bin"), Dropped(out / "dropped.jsonl", tallies)
    try:
        curation = _Curation(config, scratch, tallies, texts, dropped, progress)
        kept, split = curation.decide()
        report = curation.write(out, kept, split)
    finally:
        texts.close()
        dropped.close()
    for source in config.sources:
        if passed := sources.skipped(source_spec(source, config.document_chars)):
            say(f"{source.name}: gave no text: " + "; ".join(f"{count:,} {what}" for what, count in passed.items()))
    for sentence in sentences(report, config.leak):
        say(sentence)
    return facts(report)


class _Curation:
    """What the phases share. Documents are numbered in the order of sources and names; texts stay on disk."""

    def __init__(
        self,
        config: Config,
        scratch: Path,
        tallies: dict[str, Tally],
        texts: TextStore,
        dropped: Dropped,
        progress: Progress,
    ) -> None:
        self.config, self.scratch, self.tallies = config, scratch, tallies
        self.texts, self.dropped, self._progress = texts, dropped, progress
        self.members: list[Member] = []

    def report(self, phase: str, share: float) -> None:
        start, end = PHASES[phase]
        self._progress(round(100 * (start + (end - start) * share), 1), 100, "%")

    def drop(self, number: int, reason: str, detail: str = "") -> None:
        member = self.members[number]
        self.dropped.add(member.id, member.source, reason, self.texts[number], detail)

    def decide(self) -> tuple[list[int], Split]:
        """The numbers of the documents kept, and their split (in positions of that list)."""
        self.members = collect(
            self.config, self.scratch, self.texts, self.dropped, self.tallies, lambda share: self.report("read", share)
        )
        numbers = self._within_max_bytes()
        numbers, joined = self._without_near_duplicates(numbers)
        self._refuse_empty(numbers)
        members = [self.members[number] for number in numbers]
        split = choose(
            members,
            joined,
            lambda place: self.texts[numbers[place]],
            self.config,
            lambda share: self.report("split", share),
        )
        return numbers, split

    def _within_max_bytes(self) -> list[int]:
        """All documents, or as many whole ones in seeded order as fit into each source's max_bytes."""
        limits = {source.name: source.max_bytes for source in self.config.sources if source.max_bytes}
        taken = Counter[str]()
        beyond = set()
        order = range(len(self.members))
        for number in sorted(order, key=lambda n: digest(self.config.seed, "take", self.members[n].id)):
            member = self.members[number]
            if member.source in limits and taken[member.source] + member.bytes > limits[member.source]:
                beyond.add(number)
            else:
                taken[member.source] += member.bytes
        for number in sorted(beyond):
            self.drop(number, "beyond max_bytes")
        return [number for number in order if number not in beyond]

    def _without_near_duplicates(self, numbers: list[int]) -> tuple[list[int], list[tuple[int, int]]]:
        """The numbers left, and pairs of their positions that are of one family; dropped ones still join their likes."""
        with closing(ShingleStore(self.scratch)) as store:
            for place, number in enumerate(numbers):
                store.add(shingles(self.texts[number], SHINGLE_WORDS))
                self.report("compare", 0.7 * place / len(numbers))
        pairs = similar_pairs(
            store, self.config.family, lambda done, total: self.report("compare", 0.7 + 0.3 * done / total)
        )
        copies = later_copies(pairs, self.config.near_duplicate)
        for place, (first, index) in sorted(copies.items()):
            self.drop(numbers[place], "near duplicate", f"{index:.3f} like {self.members[numbers[first]].id}")
        roots = families(len(numbers), [(first, second) for first, second, _ in pairs])
        kept = [place for place in range(len(numbers)) if place not in copies]
        leader: dict[int, int] = {}
        joined = [(leader.setdefault(roots[place], position), position) for position, place in enumerate(kept)]
        return [numbers[place] for place in kept], joined

    def _refuse_empty(self, numbers: list[int]) -> None:
        left = {self.members[number].source for number in numbers}
        for name, tally in self.tallies.items():
            if name not in left:
                reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(tally.dropped.items()))
                raise InputError(
                    f"source {name!r} has no usable text: {tally.read} documents read, dropped: {reasons or 'none'}",
                    hint="give other files, or lower min_chars",
                )

    def write(self, out: Path, numbers: list[int], split: Split) -> CorpusReport:
        """The corpus's files; returns what report.json says."""
        for place in sorted(split.leaking):
            self.drop(numbers[place], "leaks", f"{split.leaks[place]:.3f} of its runs are in training text")
        train = sorted(set(range(len(numbers))) - split.heldout)
        write_jsonl(out / "train.jsonl", self._rows(train, numbers, split.roots))
        write_jsonl(out / "heldout.jsonl", self._rows(sorted(split.heldout - split.leaking), numbers, split.roots))
        report = corpus_report(self.tallies, [self.members[number] for number in numbers], split)
        write_json(out / "report.json", report)
        self.report("write", 1.0)
        return report

    def _rows(self, places: list[int], numbers: list[int], roots: list[int]) -> Iterator[dict[str, object]]:
        for done, place in enumerate(places):
            member = self.members[numbers[place]]
            family = self.members[numbers[roots[place]]].id
            text = self.texts[numbers[place]]
            document = Document(
                id=member.id,
                source=member.source,
                text=text,
                family=family,
                file=member.file,
                page=member.page,
                pages=member.pages,
            )
            yield document.model_dump()
            self.report("write", done / len(places))
