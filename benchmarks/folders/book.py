"""A book of headings, entries, a table and pictures, before it is written as any kind of file. Knows no domain."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

WHEN = datetime(2026, 1, 5, 9, 0)
Pages = dict[str, int]
"""Entry key -> page from 1."""


@dataclass(frozen=True)
class Entry:
    """Something with a name of its own: a term, an article; `heading` is what it stands under."""

    key: str
    heading: str
    name: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True)
class Book:
    """One file to be."""

    name: str
    """Its path in the folder, without an ending."""
    title: str
    chinese: bool
    facts: tuple[tuple[str, str], ...]
    """A table at the beginning."""
    entries: tuple[Entry, ...]
    pictures: tuple[int, ...] = ()
    """Seeds of its pictures."""

    def opened(self) -> Iterator[tuple[Entry, bool]]:
        """Every entry, and whether its heading is to be written before it."""
        last = ""
        for entry in self.entries:
            yield entry, bool(entry.heading) and entry.heading != last
            last = entry.heading


def picture(seed: int) -> bytes:
    """A JPEG of about 200 kB: blurred blots with the grain of a photograph."""
    random = np.random.default_rng(seed)
    blots = Image.fromarray(random.integers(40, 216, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(blots.resize((720, 540), Image.Resampling.BICUBIC), dtype=np.float32)
    grain = np.clip(smooth + random.normal(0, 14, (540, 720, 1)), 0, 255)
    out = io.BytesIO()
    Image.fromarray(grain.astype(np.uint8)).save(out, "JPEG", quality=85)
    return out.getvalue()


def steady(path: Path) -> None:
    """Write a zip again without the clock: entries and core properties dated `WHEN`."""
    with zipfile.ZipFile(path) as archive:
        parts = [(part.filename, archive.read(part), part.compress_type) for part in archive.infolist()]
    stamp = WHEN.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content, compression in parts:
            if name == "docProps/core.xml":
                content = re.sub(rb"(?<=>)\d{4}-\d\d-\d\dT[\d:.]+Z?(?=<)", stamp, content)
            archive.writestr(zipfile.ZipInfo(name, WHEN.timetuple()[:6]), content, compression)
