"""Bytes to text in bounded memory: the encoding is found, invalid bytes become U+FFFD, nothing is lost or raised.

Also cuts long text into pieces at paragraph, line, sentence or word ends. Knows nothing of files.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import IO

BLOCK_BYTES = 1 << 18
HEAD_BYTES = 1 << 14
PAGE_BREAK = "\n\f\n"
"""Between the pages of a text that has pages; within one, a form feed stands nowhere else."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAME = {
    **dict.fromkeys(("gb2312", "gbk", "cp936", "x-gbk", "gb_2312-80"), "gb18030"),
    **dict.fromkeys(("iso-8859-1", "latin-1", "latin1", "us-ascii", "ascii"), "cp1252"),
}
_HAN = re.compile(r"[\u3000-\u3002\u4e00-\u9fff\uff01-\uff1f]")
_CUTS = tuple(
    re.compile(f".*(?:{end})", re.DOTALL) for end in (r"\n\s*\n", r"\n", r"[.!?。！？；]\s+|[。！？；]", r"\s")
)
"""Paragraph, line, sentence, word: each matches up to its last end in a stretch of text."""


def sniff(head: bytes) -> str:
    """The encoding of a file that begins with `head`: by byte order mark, by UTF-16's zero bytes, else UTF-8 or GB18030.

    GB18030 is taken only where UTF-8 fails on more than one character in twenty and GB18030 reads mostly Chinese.
    """
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    even, odd, half = head[0::2].count(0), head[1::2].count(0), max(1, len(head) // 2)
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    text = head.decode("utf-8", errors="replace")
    if text.count("\ufffd") > 0.05 * len(text):
        try:
            chinese = codecs.getincrementaldecoder("gb18030")("strict").decode(head)
        except UnicodeDecodeError:
            return "utf-8"
        if len(_HAN.findall(chinese)) > 0.3 * len(chinese):
            return "gb18030"
    return "utf-8"


def decoded(data: bytes, declared: str = "") -> str:
    """The text of bytes that came with the name of an encoding, which may be missing, unknown or wrong.

    A byte order mark is believed first, then UTF-8 where that reads every byte, then `declared`, then `sniff`. GB2312 and GBK
    are read as GB18030, which holds both, and Latin-1 as Windows-1252, as browsers do.
    """
    encoding = sniff(data[:HEAD_BYTES])
    if encoding in ("utf-8", "gb18030"):
        declared = _SAME.get(declared.lower(), declared)
        if not (declared and data.isascii()):  # ISO-2022-JP and UTF-7 look like ASCII
            try:
                return data.decode("utf-8")
            except UnicodeDecodeError:
                pass
        try:
            return data.decode(declared or encoding, "replace")
        except (LookupError, ValueError):
            pass
    return data.decode(encoding, "replace")


def text_blocks(stream: IO[bytes]) -> Iterator[str]:
    """The text of a byte stream, some 256 kB at a time."""
    block = stream.read(BLOCK_BYTES)
    decoder = codecs.getincrementaldecoder(sniff(block[:HEAD_BYTES]))("replace")
    while block:
        yield decoder.decode(block)
        block = stream.read(BLOCK_BYTES)
    yield decoder.decode(b"", final=True)


def pieces(blocks: Iterable[str], limit: int) -> Iterator[str]:
    """The text of `blocks` in pieces of at most `limit` characters, cut at the best end in the second half of each.

    >>> list(pieces(["One two. Thr", "ee four."], 12))
    ['One two. ', 'Three four.']
    """
    held = ""
    for block in blocks:
        held += block
        start = 0
        while len(held) - start > limit:
            end = _cut(held, start, limit)
            yield held[start:end]
            start = end
        held = held[start:]
    if held:
        yield held


def _cut(text: str, start: int, limit: int) -> int:
    for pattern in _CUTS:
        if match := pattern.match(text, start + limit // 2, start + limit):
            return match.end()
    return start + limit


def lines(stream: IO[bytes], limit: int) -> Iterator[tuple[int, str | None]]:
    """(number from 1, line with its end) of a byte stream; None for a line of more than `limit` characters.

    Lines end at "\\n" only; memory stays within `limit` plus one block.
    """
    number, held, skipping = 1, "", False
    for block in text_blocks(stream):
        parts = (held + block).split("\n")
        held = parts.pop()
        for part in parts:
            yield number, None if skipping or len(part) > limit else part + "\n"
            number, skipping = number + 1, False
        if len(held) > limit:
            held, skipping = "", True
    if held or skipping:
        yield number, None if skipping or len(held) > limit else held
