"""The contract between stages: an artifact is a folder `out/` beside a `manifest.json`, read through a typed reader.

A stage writes plain files into `out/`; the store adds the manifest (what made it, from what, digests, cost, facts) and
publishes both at once. A reader checks that its files are there and gives them as typed values. Imports no torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import orjson
from pydantic import BaseModel, ConfigDict

from luosi.artifacts.shape import ModelShape
from luosi.cost import Cost, Estimate, Money
from luosi.errors import DamagedArtifact

MANIFEST_FORMAT = 1


class ArmFacts(BaseModel):
    """What one arm of a race took: measured on this machine, so not part of the artifact's content."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    answers: int
    latency_p50_s: float | None = None
    """Seconds from question to whole answer, retrieval included, one question at a time; half took less."""
    latency_p90_s: float | None = None
    busy_s: float = 0.0
    """Seconds this machine worked for the arm's answers: 0 for a rented model but for its retrieval."""
    prompt_tokens: int = 0
    answer_tokens: int = 0
    fees: Money | None = None
    """Paid to others."""


class Facts(BaseModel):
    """What is known of an artifact without opening it: predicted before it exists, measured after. None is "does not apply"."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    documents: int | None = None
    text_bytes: int | None = None
    """UTF-8 bytes of training text."""
    source_bytes: dict[str, int] | None = None
    """Training bytes by source."""
    heldout_bytes: int | None = None
    heldout_documents: int | None = None
    questions: int | None = None
    tokens: int | None = None
    shape: ModelShape | None = None
    precision: str | None = None
    """Of a bundle: F32, F16, Q8_0, Q4_0."""
    file_bytes: int | None = None
    """Of a bundle: size of the file that ships."""
    prompt_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None
    """Of a bundle: measured in the engine on this machine, all cores."""
    load_s: float | None = None
    rss_bytes: int | None = None
    passages: int | None = None
    """Of an index."""
    pairs: int | None = None
    """Questions with answers to train on."""
    arms: dict[str, ArmFacts] | None = None
    """Of a race, by arm."""
    figures: dict[str, float | int | str | bool] = {}
    """What only this stage knows, for people to read (parity figures, final loss, ...)."""


class FileDigest(BaseModel):
    """One file of `out/`: relative POSIX path, size, content digest."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    path: str
    bytes: int
    sha256: str


class Manifest(BaseModel):
    """The identity card of a published artifact, written last; an artifact without one does not exist."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format: int = MANIFEST_FORMAT
    key: str
    stage: str
    stage_version: int
    kind: str
    """Class name of the artifact type, such as Corpus."""
    config: dict[str, object]
    """The canonical configuration that entered the key."""
    inputs: dict[str, list[str]]
    """role -> keys: walking these is the lineage."""
    files: list[FileDigest]
    facts: Facts
    cost: Cost
    """Of all attempts up to publication."""
    estimate: Estimate | None
    """What the plan said before the first attempt."""
    uncalibrated_s: float | None = None
    """The plan's median seconds before the ledger's correction: what the next correction is learned from."""
    source_digest: str
    """Of the stage's source files; differs from today's -> the plan warns of drift."""
    luosi_version: str
    machine: str
    created_at: str
    recipe: str
    step: str


class Artifact:
    """A typed reader of one artifact's `out/` folder.

    Args:
        path: The `out/` folder; may be any folder of that layout, the store is not needed.

    Raises:
        DamagedArtifact: A file of `required` is missing.
    """

    required: ClassVar[tuple[str, ...]] = ()

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        for name in self.required:
            if not (self.path / name).exists():
                raise DamagedArtifact(
                    f"{type(self).__name__} in {self.path} lacks {name}",
                    hint="`luosi verify` lists what is damaged; `luosi run --rebuild STEP` makes it again",
                )

    def json(self, name: str) -> dict[str, object]:
        """A JSON object stored in the file `name`."""
        try:
            value = orjson.loads((self.path / name).read_bytes())
        except orjson.JSONDecodeError as error:
            raise DamagedArtifact(f"{self.path / name} is not JSON: {error}") from error
        if not isinstance(value, dict):
            raise DamagedArtifact(f"{self.path / name} holds a {type(value).__name__}, expected an object")
        return value


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with sorted keys: the same value gives the same bytes."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS
    path.write_bytes(orjson.dumps(value, option=options))


def write_jsonl(path: Path, rows: Iterator[dict[str, object]] | list[dict[str, object]]) -> int:
    """Write one JSON object a line; returns the number of rows."""
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS))
            count += 1
    return count


def read_jsonl(path: Path) -> Iterator[dict[str, object]]:
    """The rows of a JSONL file that Luosi wrote.

    Raises:
        DamagedArtifact: A line is not a JSON object; names the file and line.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise DamagedArtifact(f"{path}, line {number} is not JSON: {error}") from error
            yield row


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digests(folder: Path) -> list[FileDigest]:
    """Digests of every regular file below `folder`, sorted by path."""
    files = sorted((p for p in folder.rglob("*") if p.is_file()), key=lambda p: p.relative_to(folder).as_posix())
    return [
        FileDigest(path=p.relative_to(folder).as_posix(), bytes=p.stat().st_size, sha256=file_sha256(p)) for p in files
    ]
