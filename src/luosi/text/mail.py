"""E-mail: messages of .eml and .mbox files, their text with its head, and their attachments as files of their own.

Plain text is preferred to HTML where a message has both. Encrypted messages are refused. Knows nothing of what attachments
hold. The standard library's parser is trusted with any bytes; what it cannot decode is decoded by what the bytes look like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import default as POLICY
from typing import IO

from luosi.text.decoding import decoded
from luosi.text.markup import declared_encoding, page_text
from luosi.text.streams import Unreadable, reader_damage

MESSAGE_LIMIT = 64 << 20
"""Bytes of one message, attachments included; parsing takes some four times as much memory."""

_HEAD = ("Subject", "From", "To", "Cc", "Date")
_GBK_WORD = re.compile(rb"=\?(?:gb2312|gbk)\?", re.IGNORECASE)
_NAME = re.compile(r'[\x00-\x1f/\\:*?"<>|]+')


@dataclass(frozen=True, slots=True)
class Mail:
    """One message.

    Attributes:
        text: Subject, sender, receivers and date as lines, an empty line, the body.
        attachments: (name, bytes) in order, names unique.
    """

    text: str
    attachments: list[tuple[str, bytes]]


def mbox_messages(stream: IO[bytes]) -> Iterator[bytes | Unreadable]:
    """The messages of a mailbox file, each or why it is refused; memory is bounded by one message."""
    lines: list[bytes] = []
    size, blank = 0, True
    while line := stream.readline(1 << 20):
        if blank and line.startswith(b"From "):
            if size:
                yield _message(lines, size)
            lines, size = [], 0
        else:
            size += len(line)
            if size <= MESSAGE_LIMIT:
                lines.append(line[1:] if re.match(rb">+From ", line) else line)
        blank = not line.strip()
    if size:
        yield _message(lines, size)


def _message(lines: list[bytes], size: int) -> bytes | Unreadable:
    return Unreadable("message too large", f"{size:,} bytes") if size > MESSAGE_LIMIT else b"".join(lines)


def read_mail(data: bytes) -> Mail:
    """A message's text and attachments.

    Raises:
        Unreadable: It is encrypted, too large, or no message.
    """
    if len(data) > MESSAGE_LIMIT:
        raise Unreadable("message too large", f"{len(data):,} bytes")
    with reader_damage("e-mail"):
        # Many programs write GBK and call it GB2312, its subset.
        message = BytesParser(policy=POLICY).parsebytes(_GBK_WORD.sub(b"=?gb18030?", data))
        if not message.keys():
            raise Unreadable("damaged e-mail", "it has no head")
        if message.get_content_type() in ("multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"):
            raise Unreadable("encrypted e-mail")
        body = message.get_body(("plain", "html"))
        charset = str((message if body is None else body).get_content_charset() or "")
        head = [f"{name}: {value}" for name in _HEAD if (value := _header(message, name, charset))]
        text = "" if body is None else _text(body)
        names: set[str] = set()
        attachments = [(_unique(_file_name(part), names), _content(part)) for part in _attached(message, body)]
        return Mail("\n".join(head) + "\n\n" + text, attachments)


def _header(message: EmailMessage, name: str, charset: str) -> str:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")
    if not raw.isascii():  # bytes put there without their encoding; the body's is likely theirs
        raw = decoded(raw.encode("utf-8", "surrogateescape"), charset)
    return " ".join(str(POLICY.header_factory(name, raw)).split())


def _text(part: MIMEPart) -> str:
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    charset = str(part.get_content_charset() or "")
    if part.get_content_type() == "text/html":
        return page_text(decoded(data, charset or declared_encoding(data)))
    return decoded(data, charset).replace("\r\n", "\n")


def _attached(message: EmailMessage, body: MIMEPart | None) -> Iterator[EmailMessage]:
    """Parts that have a file name, and forwarded messages, which are not looked into."""
    waiting: list[EmailMessage] = [message]
    while waiting:
        part = waiting.pop()
        if part.get_content_type() == "message/rfc822" or (part is not body and part.get_filename()):
            yield part
        elif part.is_multipart():
            waiting.extend(reversed([child for child in part.iter_parts() if isinstance(child, EmailMessage)]))


def _file_name(part: EmailMessage) -> str:
    if part.get_content_type() == "message/rfc822":
        return "forwarded.eml"
    return _NAME.sub("_", str(part.get_filename())).strip("._ ") or "attachment"


def _unique(name: str, names: set[str]) -> str:
    stem, dot, suffix = name.rpartition(".") if "." in name else (name, "", "")
    free, number = name, 1
    while free in names:
        number += 1
        free = f"{stem}~{number}{dot}{suffix}"
    names.add(free)
    return free


def _content(part: EmailMessage) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        return inner[0].as_bytes() if isinstance(inner, list) and inner else b""  # type: ignore[union-attr]
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
