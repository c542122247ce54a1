"""Byte streams out of plain, gzip, zstandard and zip files, within limits: what is refused is an `Unreadable` with its reason.

Nothing is ever extracted to disk. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from luosi.errors import MissingDependency
from luosi.text.notes import Noted

RATIO_LIMIT = 200
"""Text compresses 3- to 30-fold, repetitive logs 100-fold, a bomb 1,000-fold."""
FREE_BYTES = 64 << 20
"""Expansion below this is never refused."""
MEMBER_LIMIT = 100_000
_UTF8_NAME = 0x800
WHOLE_LIMIT = 256 << 20
"""Bytes of a format that must be held whole: HTML, DOCX, PPTX, EPUB, or a PDF inside an archive."""
XML_LIMIT = 96 << 20
"""Bytes of XML that are held as a tree, which takes some ten times as much."""

_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_UNSAFE = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|\\|\x00")
_DAMAGED = (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError)


class Unreadable(Exception):
    """This file, archive member or row gives no text; `reason` is short and countable, `detail` is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def missing(package: str, needed_for: str) -> MissingDependency:
    """The error for an optional reader that is not installed."""
    return MissingDependency(package, needed_for=needed_for, install="pip install 'luosi[files]'")


def expansion_limit(compressed_bytes: int) -> int:
    """Bytes that so many compressed bytes may become before they are refused."""
    return max(FREE_BYTES, RATIO_LIMIT * compressed_bytes)


def refuse_bomb(expanded_bytes: int, compressed_bytes: int) -> None:
    """Raise Unreadable if the expansion is beyond the limit."""
    if expanded_bytes > expansion_limit(compressed_bytes):
        raise Unreadable("zip bomb refused", f"{compressed_bytes:,} bytes expand to {expanded_bytes:,} or more")


class _Guarded(io.RawIOBase):
    """A reader that refuses to give more than its limit."""

    def __init__(self, stream: IO[bytes], compressed_bytes: int) -> None:
        self._stream, self._compressed, self._given = stream, compressed_bytes, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._stream.read(len(buffer))
        self._given += len(block)
        refuse_bomb(self._given, self._compressed)
        buffer[: len(block)] = block
        return len(block)


class _Zstandard(io.RawIOBase):
    """A .zst file's bytes; unlike the library's own reader it notices that a file was cut off."""

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._file, self._held = file, memoryview(b"")
        # A window above 128 MiB would break the bound on memory.
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        self._frame = self._decompressor.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._held:
            chunk = self._file.read(1 << 12)  # at zstandard's greatest ratio still only 128 MiB
            if self._frame.eof:
                chunk = self._frame.unused_data + chunk
                if not chunk:
                    return 0
                self._frame = self._decompressor.decompressobj()
            elif not chunk:
                raise EOFError("the file ends in the middle of its data")
            self._held = memoryview(self._frame.decompress(chunk))
        given = min(len(buffer), len(self._held))
        buffer[:given], self._held = self._held[:given], self._held[given:]
        return given


def _declared_bytes(file: IO[bytes], suffix: str) -> int:
    """Expanded size as the file claims it; nonsense if it is damaged, 0 if it says nothing. Leaves the file at its start."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 4) if suffix == ".gz" else 0)
    edge = file.read(4 if suffix == ".gz" else 18)
    file.seek(0)
    if suffix == ".gz":
        return int.from_bytes(edge, "little")
    import zstandard

    return max(0, int(zstandard.frame_content_size(edge)))


def _expanding(file: IO[bytes], suffix: str, size: int) -> IO[bytes]:
    inner = cast(IO[bytes], gzip.GzipFile(fileobj=file) if suffix == ".gz" else _Zstandard(file))
    return io.BufferedReader(_Guarded(inner, size), 1 << 18)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The decompressed bytes of `path` (.gz, .zst or neither), damage and bombs reported as Unreadable."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        if suffix not in (".gz", ".zst"):
            yield file
            return
        if suffix == ".zst" and not find_spec("zstandard"):
            raise missing("zstandard", f"reading {path.name}")
        size = path.stat().st_size
        with damage_named(suffix):
            if _declared_bytes(file, suffix) > expansion_limit(size):
                trial = _expanding(file, suffix, size)  # nothing of a bomb is to be handed on: find out first
                while trial.read(1 << 20):
                    pass
                file.seek(0)
            yield _expanding(file, suffix, size)


@contextmanager
def damage_named(suffix: str) -> Iterator[None]:
    """Turn what the decompressors raise on damaged bytes into Unreadable("damaged .gz file")."""
    try:
        yield
    except _DAMAGED as error:
        raise Unreadable(f"damaged {suffix} file", str(error)) from error
    except Exception as error:
        if type(error).__name__ != "ZstdError":
            raise
        raise Unreadable("damaged .zst file", str(error)) from error


def zip_members(stream: IO[bytes]) -> Iterator[tuple[str, IO[bytes] | Unreadable]]:
    """Each file of a zip archive (a seekable stream), sorted by name: (name, its bytes or why it is refused).

    Of several members of one name, the later ones are called "name~2", "name~3".

    Raises:
        Unreadable: The archive as a whole is damaged, or is a bomb.
    """
    with damage_named(".zip"), zipfile.ZipFile(stream) as archive:
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
        if len(members) > MEMBER_LIMIT:
            raise Unreadable("zip bomb refused", f"{len(members):,} members, the limit is {MEMBER_LIMIT:,}")
        refuse_bomb(sum(m.file_size for m in members), stream.seek(0, io.SEEK_END))
        times = Counter[str]()
        for member in members:
            name = _member_name(member)
            times[name] += 1
            name += f"~{times[name]}" if times[name] > 1 else ""
            if _UNSAFE.search(name) or _UNSAFE.search(member.orig_filename):
                yield name, Unreadable("unsafe name in archive", name)
            elif member.flag_bits & 1:
                yield name, Unreadable("encrypted archive member")
            else:
                with archive.open(member) as content:
                    yield name, io.BufferedReader(_Guarded(content, max(member.compress_size, 1)), 1 << 18)


def _member_name(member: zipfile.ZipInfo) -> str:
    """A member's name; one not marked as UTF-8 may all the same be that, or Chinese of an older Windows."""
    if not member.flag_bits & _UTF8_NAME:
        data = member.filename.encode("cp437", "replace")
        for encoding in ("utf-8", "gb2312"):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                continue
    return member.filename


@contextmanager
def reader_damage(format: str) -> Iterator[None]:
    """Turn whatever a document library raises on damaged bytes, and they raise nearly all, into Unreadable("damaged DOCX")."""
    try:
        yield
    except (Unreadable, MissingDependency):
        raise
    except Exception as error:
        raise Unreadable(f"damaged {format}", f"{type(error).__name__}: {error}"[:200]) from error


def office_archive(
    stream: IO[bytes], format: str, notes: list[Noted] | None = None, *, streamed: str = "\0"
) -> IO[bytes]:
    """The seekable bytes of a zip of XML parts (DOCX, PPTX, XLSX, EPUB) that a library may open whole.

    Args:
        stream: Read as far as WHOLE_LIMIT if it is not seekable.
        format: Its name in what is raised.
        notes: Macros left out are noted here.
        streamed: Beginning of the names of parts that are never held in memory whole.

    Raises:
        Unreadable: It is damaged, encrypted, a bomb, or its parts would take more memory than Luosi promises.
    """
    if not stream.seekable():
        stream = whole(stream)
    head = stream.read(len(_OLE))
    stream.seek(0)
    if head == _OLE:  # Microsoft's container of old: encrypted new formats come in it too
        if "EncryptedPackage".encode("utf-16-le") in whole(stream).getvalue():
            raise Unreadable(f"encrypted {format}")
        raise Unreadable(f"not a {format} file", "it holds an old binary format; open it and save it anew")
    with reader_damage(format), zipfile.ZipFile(stream) as archive:
        parts = archive.infolist()
        refuse_bomb(sum(part.file_size for part in parts), sum(part.compress_size for part in parts))
        held = [part for part in parts if not part.filename.startswith(streamed)]
        xml = sum(part.file_size for part in held if part.filename.lower().endswith((".xml", ".rels")))
        if xml > XML_LIMIT or sum(part.file_size for part in held) > WHOLE_LIMIT:
            raise Unreadable("too large for its format", f"{xml:,} bytes of XML, the limit is {XML_LIMIT:,}")
        if notes is not None and any(part.filename.endswith("vbaProject.bin") for part in parts):
            notes.append(Noted("macros left out", "it holds macros; its text is read, they are not"))
    stream.seek(0)
    return stream


def whole(stream: IO[bytes]) -> io.BytesIO:
    """All bytes of a stream, at most WHOLE_LIMIT.

    Raises:
        Unreadable: There are more.
    """
    data = stream.read(WHOLE_LIMIT + 1)
    if len(data) > WHOLE_LIMIT:
        raise Unreadable("too large for its format", f"more than {WHOLE_LIMIT:,} bytes")
    return io.BytesIO(data)
