"""Rows of JSONL, CSV and Parquet files, one at a time, each with its number; a row that cannot be used carries the reason.

Numbers are what a person looks up: the line of a JSONL file, the row of a spreadsheet (the header is row 1), the row of a
Parquet file from 1. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import IO

import orjson

from luosi.text.decoding import lines
from luosi.text.streams import Unreadable, missing

LINE_CHARS = 16 << 20
"""Longer lines are dropped, for memory's sake."""

Row = dict[str, object] | Unreadable


def jsonl_rows(stream: IO[bytes]) -> Iterator[tuple[int, Row]]:
    """The rows of a JSONL file; blank lines are passed over."""
    for number, line in lines(stream, LINE_CHARS):
        if line is None:
            yield number, Unreadable("line too long", f"more than {LINE_CHARS:,} characters")
        elif line.strip("\ufeff \t\r\n\0"):
            yield number, _json_row(line.strip("\ufeff \t\r\n\0"))


def _json_row(line: str) -> Row:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = json.loads(line)  # takes what orjson will not: "\ud800", NaN
        except (ValueError, RecursionError) as error:
            return Unreadable("not JSON", str(error)[:200])
    if not isinstance(value, dict):
        return Unreadable("not a JSON object", f"a {type(value).__name__}")
    return value


def csv_rows(stream: IO[bytes]) -> Iterator[tuple[int, Row]]:
    """The rows of a CSV file with a header; the delimiter is the commonest of comma, semicolon, tab and bar in the header.

    A damaged or over-long row ends the file: where the next one begins is then unknown.
    """
    csv.field_size_limit(LINE_CHARS)
    source = _csv_lines(stream)
    try:
        header = next(source, "")
        delimiter = max(",;\t|", key=header.count)
        names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
        for number, values in enumerate(csv.reader(source, delimiter=delimiter), 2):
            if any(value.strip() for value in values):
                yield number, dict(zip(names, values, strict=False))
    except (csv.Error, Unreadable) as error:
        reason = error if isinstance(error, Unreadable) else Unreadable("damaged CSV", f"{error}; the rest is unread")
        yield 0, reason


def _csv_lines(stream: IO[bytes]) -> Iterator[str]:
    for _, line in lines(stream, LINE_CHARS):
        if line is None:
            raise Unreadable("line too long", f"more than {LINE_CHARS:,} characters; the rest is unread")
        yield line.replace("\0", "")


def parquet_rows(stream: IO[bytes], field: str) -> Iterator[tuple[int, Row]]:
    """The rows of a Parquet file (a seekable stream), of one column.

    Raises:
        Unreadable: The file is damaged, or has no such column.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise missing("pyarrow", "reading Parquet files") from None
    try:
        file = pq.ParquetFile(stream)
        if field not in file.schema_arrow.names:
            raise Unreadable(f"no field {field!r}", f"has: {', '.join(file.schema_arrow.names)}")
        number = 0
        for batch in file.iter_batches(batch_size=256, columns=[field]):
            for value in batch.column(0):
                number += 1
                yield number, {field: value.as_py()}
    except (pa.ArrowException, OSError) as error:
        raise Unreadable("damaged Parquet file", str(error)[:200]) from error
