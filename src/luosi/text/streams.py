"""Byte streams out of plain, gzip, zstandard and zip files, within limits: what is refused is an `Unreadable` with its reason.

Nothing is ever extracted to disk. Knows nothing of what the bytes mean.
"""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from luosi.errors import MissingDependency

RATIO_LIMIT = 200
"""Text compresses 3- to 30-fold, repetitive logs 100-fold, a bomb 1,000-fold."""
FREE_BYTES = 64 << 20
"""Expansion below this is never refused."""
MEMBER_LIMIT = 100_000
WHOLE_LIMIT = 256 << 20
"""Bytes of a format that must be held whole (HTML, or a PDF inside an archive)."""

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


def _unzstd(path: Path) -> IO[bytes]:
    try:
        import zstandard
    except ImportError:
        raise missing("zstandard", f"reading {path.name}") from None
    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 27)  # a larger window would break the bound on memory
    stream: IO[bytes] = decompressor.stream_reader(path.open("rb"), read_across_frames=True, closefd=True)
    return stream


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The decompressed bytes of `path` (.gz, .zst or neither), damage and bombs reported as Unreadable."""
    suffix = path.suffix.lower()
    if suffix not in (".gz", ".zst"):
        with path.open("rb") as file:
            yield file
        return
    with damage_named(suffix), gzip.open(path, "rb") if suffix == ".gz" else _unzstd(path) as inner:
        yield io.BufferedReader(_Guarded(inner, path.stat().st_size), 1 << 18)


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


def zip_members(path: Path) -> Iterator[tuple[str, IO[bytes] | Unreadable]]:
    """Each file of a zip archive, sorted by name: (name, its bytes or why it is refused).

    Raises:
        Unreadable: The archive as a whole is damaged, or is a bomb.
    """
    with damage_named(".zip"), zipfile.ZipFile(path) as archive:
        members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
        if len(members) > MEMBER_LIMIT:
            raise Unreadable("zip bomb refused", f"{len(members):,} members, the limit is {MEMBER_LIMIT:,}")
        refuse_bomb(sum(m.file_size for m in members), path.stat().st_size)
        for member in members:
            if _UNSAFE.search(member.filename) or _UNSAFE.search(member.orig_filename):
                yield member.filename, Unreadable("unsafe name in archive", member.filename)
            elif member.flag_bits & 1:
                yield member.filename, Unreadable("encrypted archive member")
            else:
                with archive.open(member) as stream:
                    yield (
                        member.filename,
                        io.BufferedReader(_Guarded(stream, max(member.compress_size, 1)), 1 << 18),
                    )


def whole(stream: IO[bytes]) -> io.BytesIO:
    """All bytes of a stream, at most WHOLE_LIMIT.

    Raises:
        Unreadable: There are more.
    """
    data = stream.read(WHOLE_LIMIT + 1)
    if len(data) > WHOLE_LIMIT:
        raise Unreadable("too large for its format", f"more than {WHOLE_LIMIT:,} bytes")
    return io.BytesIO(data)
