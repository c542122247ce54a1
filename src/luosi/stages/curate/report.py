"""What became of every document, as `report.json` has it, as Facts, and as lines for the person watching."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from luosi.artifacts import Facts
from luosi.stages.curate.heldout import Split
from luosi.stages.curate.split import Member

SHOWN = 10
"""Files named to the person watching; the report names them all."""


class Noted(TypedDict):
    """A file read in part only, or not at all: `what` can be counted, `detail` is the sentence for people."""

    file: str
    what: str
    detail: str


@dataclass
class Tally:
    """What became of one source's documents on the way."""

    read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    noted: list[Noted] = field(default_factory=list)


class SourceReport(TypedDict):
    """One source: read = kept + all dropped; kept = train + heldout. `repaired` counts characters, `noted` names the files
    that were read in part only, or not at all."""

    read: int
    kept: int
    train_documents: int
    train_bytes: int
    heldout_documents: int
    heldout_bytes: int
    dropped: dict[str, int]
    repaired: dict[str, int]
    noted: list[Noted]


class CorpusReport(TypedDict):
    """`report.json`; leakage: by source, the mean and largest share of a held-out document's 13-word runs in training, how
    many candidates were passed over for it, and how many documents dropped."""

    order: list[str]
    sources: dict[str, SourceReport]
    leakage: dict[str, dict[str, float | int]]


def corpus_report(tallies: Mapping[str, Tally], members: Sequence[Member], split: Split) -> CorpusReport:
    """The report on `members`, the documents that reached the split."""
    heldout = split.heldout - split.leaking
    train = set(range(len(members))) - split.heldout
    return {
        "order": list(tallies),
        "sources": {name: _source_report(name, tally, members, train, heldout) for name, tally in tallies.items()},
        "leakage": {name: _leakage(name, members, split) for name in tallies},
    }


def _source_report(
    name: str, tally: Tally, members: Sequence[Member], train: set[int], heldout: set[int]
) -> SourceReport:
    train_sizes = [members[place].bytes for place in train if members[place].source == name]
    heldout_sizes = [members[place].bytes for place in heldout if members[place].source == name]
    return {
        "read": tally.read,
        "kept": len(train_sizes) + len(heldout_sizes),
        "train_documents": len(train_sizes),
        "train_bytes": sum(train_sizes),
        "heldout_documents": len(heldout_sizes),
        "heldout_bytes": sum(heldout_sizes),
        "dropped": dict(tally.dropped),
        "repaired": dict(tally.repaired),
        "noted": tally.noted,
    }


def _leakage(name: str, members: Sequence[Member], split: Split) -> dict[str, float | int]:
    shares = [split.leaks[place] for place in split.heldout - split.leaking if members[place].source == name]
    return {
        "mean_share": round(sum(sorted(shares)) / len(shares), 4) if shares else 0.0,
        "largest_share": round(max(shares, default=0.0), 4),
        "passed_over": split.passed_over[name],
        "dropped": sum(members[place].source == name for place in split.leaking),
    }


def facts(report: CorpusReport) -> Facts:
    """The report's totals."""
    sources = report["sources"]
    dropped, noted = Counter[str](), Counter[str]()
    for source in sources.values():
        dropped.update(source["dropped"])
        noted.update(note["what"] for note in source["noted"] if note["what"] not in source["dropped"])
    return Facts(
        documents=sum(source["train_documents"] for source in sources.values()),
        text_bytes=sum(source["train_bytes"] for source in sources.values()),
        source_bytes={name: source["train_bytes"] for name, source in sources.items()},
        heldout_bytes=sum(source["heldout_bytes"] for source in sources.values()),
        heldout_documents=sum(source["heldout_documents"] for source in sources.values()),
        figures={
            "read": sum(source["read"] for source in sources.values()),
            **{f"dropped: {reason}": count for reason, count in sorted(dropped.items())},
            **{f"files with {what}": count for what, count in sorted(noted.items())},
        },
    )


def sentences(report: CorpusReport, leak_limit: float) -> Iterator[str]:
    """One line for each source, and a warning where nothing, or only text known from training, is held out."""
    for name, source in report["sources"].items():
        dropped = ", ".join(f"{count:,} {reason}" for reason, count in sorted(source["dropped"].items()))
        yield (
            f"{name}: {source['read']:,} documents read, {source['train_documents']:,} for training "
            f"({source['train_bytes'] / 1e6:.2f} MB), {source['heldout_documents']:,} held out "
            f"({source['heldout_bytes'] / 1e3:.1f} kB){'; dropped: ' + dropped if dropped else ''}"
        )
        yield from _noted_sentences(name, source["noted"])
        if not source["heldout_documents"]:
            yield f"{name}: nothing could be held out; give at least two documents that differ"
        if (share := report["leakage"][name]["largest_share"]) > leak_limit:
            yield f"{name}: {share:.0%} of the held-out text is in training word for word; its scores flatter"


def _noted_sentences(name: str, noted: Sequence[Noted]) -> Iterator[str]:
    for note in noted[:SHOWN]:
        yield f"{name}: {note['file']}: {note['detail']}"
    if rest := Counter(note["what"] for note in noted[SHOWN:]):
        kinds = ", ".join(f"{count:,} {what}" for what, count in sorted(rest.items()))
        yield f"{name}: {rest.total():,} more files not read in full, named in report.json: {kinds}"
