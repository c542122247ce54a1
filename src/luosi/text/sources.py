"""A source of text: the user's files, files of installed packages, or docstrings of installed packages.

Packages are found through importlib.metadata at an exact version and are never imported; licence files are left out of
them, because they would put the legal held-out text into training. The digest of a source is the SHA-256 over its sorted
(name, content digest) pairs, so it does not depend on where the files lie or in what order a disk lists them.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from luosi.errors import InputError
from luosi.text.docstrings import docstrings
from luosi.text.reading import DOCUMENT_CHARS, TEXT_FIELD, Raw, cut, format_of, read_file, refusal
from luosi.text.streams import Unreadable

Kind = Literal["files", "package", "docstrings"]

_LICENCE = re.compile(r"(licen[cs]es?|notice|copying|copyright)([._-].*)?", re.IGNORECASE)
_FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n.*?^---[ \t]*(\r?\n|\Z)", re.DOTALL | re.MULTILINE)
PLAIN = frozenset({".txt", ".md", ".jsonl", ".csv"})
"""Suffixes of files that are about as large as the text in them."""
SAMPLE_FILES = 12
SAMPLE_BYTES = 16 << 20
"""What `text_bytes` reads of each suffix; a PDF takes a second for some 1 to 20 MB."""

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.+!_-]*)")


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """Where text comes from.

    Attributes:
        paths: Files and folders ("files"); folders are walked, hidden names and unknown suffixes passed over.
        exclude: Files among them that are left out: the user's questions, say.
        distributions: Pins such as "licensedcode-data==32.1.0" ("package" and "docstrings").
        include: Globs over the distributions' file names; () takes every known format ("package") or all of "*.py".
        front_matter: Cut a leading "---" block off each text.
        text_field: Field of JSONL, CSV and Parquet rows that holds the text.
        document_chars: Longer texts are cut into documents of at most so many characters.
    """

    kind: Kind = "files"
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    front_matter: bool = False
    text_field: str = TEXT_FIELD
    document_chars: int = DOCUMENT_CHARS


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, and the name it has whatever folder it lies in."""

    name: str
    path: Path


def files(spec: SourceSpec) -> list[SourceFile]:
    """The files of a source, sorted by name.

    Raises:
        InputError: A path or distribution is not there, has another version, or nothing is left to read.
    """
    if spec.kind == "files":
        left_out = {Path(path).expanduser().absolute() for path in spec.exclude}
        found = [f for f in _given_files([Path(path).expanduser() for path in spec.paths]) if f.path not in left_out]
    else:
        found = [file for pin in spec.distributions for file in _distribution_files(pin, spec)]
    if not found:
        raise InputError(
            f"nothing to read in {', '.join(spec.paths or spec.distributions) or 'an empty list'}",
            hint="give text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, EPUB, e-mail (.eml, .mbox), JSONL, CSV or Parquet files, "
            ".gz, .zst or .zip of them included",
        )
    return sorted(found, key=lambda file: file.name)


def skipped(spec: SourceSpec) -> dict[str, int]:
    """Files below the given folders that give no text, counted by what they are.

    That is the suffix of an unknown format, or the name of a refused one and what to do about it:
    {".png": 3, "old Word format (.doc): save it as .docx": 1}. Refused files are among `files`, so curating counts them too.
    """
    folders = [Path(path).expanduser() for path in spec.paths if Path(path).expanduser().is_dir()]
    counts = Counter[str]()
    for path in (path for folder in folders for path in _walk(folder)):
        if refused := refusal(path.name):
            counts[": ".join(refused)] += 1
        elif not format_of(path.name):
            counts[path.suffix.lower() or path.name] += 1
    return dict(sorted(counts.items()))


def digest(spec: SourceSpec) -> str:
    """SHA-256 (hex) over the sorted (name, content digest) pairs of the source's files; see `files` for what it refuses."""
    return files_digest(files(spec))


def files_digest(found: Iterable[SourceFile]) -> str:
    """The digest of files that are known already, sorted by name as `files` gives them.

    Raises:
        InputError: A file cannot be read.
    """
    whole = hashlib.sha256()
    for file in found:
        try:
            with file.path.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{file.path} cannot be read: {error.strerror}", hint="check its permissions") from error
        whole.update(f"{file.name}\0{content}\n".encode("utf-8", errors="surrogateescape"))
    return whole.hexdigest()


def size(spec: SourceSpec) -> int:
    """Bytes of the source's files on disk."""
    return sum(file.path.stat().st_size for file in files(spec))


def text_bytes(spec: SourceSpec) -> int:
    """About how many UTF-8 bytes of text the source holds.

    Plain text counts as its files' size. Of every other suffix SAMPLE_FILES files from the smallest to the largest are read,
    as long as they are within SAMPLE_BYTES together, and what they hold for each byte on disk is taken for all of that suffix.
    So few files are counted exactly, many in seconds, and the same files always give the same number.
    """
    groups: dict[str, list[tuple[int, SourceFile]]] = defaultdict(list)
    for file in files(spec):
        groups[file.path.suffix.lower()].append((file.path.stat().st_size, file))
    return sum(
        sum(size for size, _ in group) if suffix in PLAIN else _estimated_bytes(spec, group)
        for suffix, group in groups.items()
    )


def _estimated_bytes(spec: SourceSpec, group: list[tuple[int, SourceFile]]) -> int:
    group = sorted(group, key=lambda pair: (pair[0], pair[1].name))
    step = max(1.0, (len(group) - 1) / (SAMPLE_FILES - 1))
    sample = [group[round(place * step)] for place in range(min(SAMPLE_FILES, len(group)))]
    sample.sort(key=lambda pair: abs(pair[0] - group[len(group) // 2][0]))  # the middling ones first
    on_disk = text = 0
    for size, file in sample:
        if not on_disk or on_disk + size <= SAMPLE_BYTES:
            on_disk += size
            text += sum(len(raw.text.encode("utf-8", "replace")) for raw in read(spec, file))
    return round(text * sum(size for size, _ in group) / max(1, on_disk))


def read(spec: SourceSpec, file: SourceFile) -> Iterator[Raw]:
    """The documents of one of the source's files, in order."""
    if spec.kind == "docstrings":
        yield from _docstring_documents(spec, file)
        return
    for raw in read_file(file.name, file.path, text_field=spec.text_field, document_chars=spec.document_chars):
        first = raw.name == raw.whole or raw.name == f"{raw.whole}#part1"
        if spec.front_matter and first:
            raw = replace(raw, text=_FRONT_MATTER.sub("", raw.text, count=1))
        yield raw


def _docstring_documents(spec: SourceSpec, file: SourceFile) -> Iterator[Raw]:
    try:
        text = docstrings(file.path.read_bytes())
    except Unreadable as error:
        yield Raw(file.name, problem=error.reason, detail=error.detail, file=file.name)
        return
    yield from cut(file.name, [text], spec.document_chars, file=file.name)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, names, leaves in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        yield from (Path(parent) / leaf for leaf in leaves if not leaf.startswith((".", "~$")))  # ~$: Word's lock files


def _is_taken(name: str) -> bool:
    return bool(format_of(name) or refusal(name))


def _given_files(paths: list[Path]) -> list[SourceFile]:
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist", hint="paths are taken from the folder the command runs in")
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(leaf.absolute() for leaf in _walk(path) if _is_taken(leaf.name) and leaf.is_file())
        else:
            found.add(path.absolute())
    folders = [str((path if path.is_dir() else path.parent).absolute()) for path in paths]
    root = Path(os.path.commonpath(folders)) if folders else Path()
    return [SourceFile(_printable(path.relative_to(root).as_posix()), path) for path in found]


def _printable(name: str) -> str:
    """A file's name as UTF-8: bytes that are none are shown as \\xNN."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def distribution(pin: str) -> metadata.Distribution:
    """The installed distribution of a pin such as "licensedcode-data==32.1.0".

    Raises:
        InputError: It is not installed, or at another version; the hint is the pip line.
    """
    parts = _PIN.fullmatch(pin)
    if parts is None:
        raise InputError(f"distribution {pin!r}, expected NAME==VERSION", hint="pin it as pip does")
    hint = f"pip install --no-deps '{pin}'"
    try:
        found = metadata.distribution(parts[1])
    except metadata.PackageNotFoundError:
        raise InputError(f"package {pin} is not installed", hint=hint) from None
    if found.version != parts[2]:
        raise InputError(f"package {parts[1]} is installed as {found.version}, the recipe has {parts[2]}", hint=hint)
    return found


def _distribution_files(pin: str, spec: SourceSpec) -> list[SourceFile]:
    found = distribution(pin)
    globs = spec.include or (("*.py",) if spec.kind == "docstrings" else ())
    result = []
    for name in map(str, found.files or ()):
        wanted = any(fnmatch.fnmatchcase(name, glob) for glob in globs) if globs else bool(format_of(name))
        outside = name.startswith("..") or ".dist-info/" in name
        if wanted and not outside and not _LICENCE.fullmatch(name.rpartition("/")[2]):
            result.append(SourceFile(name, Path(str(found.locate_file(name)))))
    return [file for file in result if file.path.is_file()]
