"""Rows of JSONL, CSV, Parquet and XLSX files, one at a time, each with its number; a row that cannot be used has the reason.

Numbers are what a person looks up: the line of a JSONL file, the row of a spreadsheet (the header is row 1), the row of a
Parquet file from 1. Knows nothing of what the fields mean.
"""

from __future__ import annotations

import csv
import datetime
import itertools
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

import orjson

from luosi.text.decoding import lines
from luosi.text.notes import Noted
from luosi.text.streams import Unreadable, missing, office_archive, reader_damage

LINE_CHARS = 16 << 20
"""Longer lines are dropped, for memory's sake."""

SHEET_ROWS = 1 << 20
"""Excel's own limit."""
TABLE_ROWS = 30

Row = dict[str, object] | Unreadable
Cells = Iterator[tuple[int, tuple[str, ...]]]
"""Rows of a sheet: (number from 1, text of each cell)."""


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
    """The rows of a CSV file with a header, empty ones left out; see `csv_cells` for its delimiter and for damage."""
    return named_cells(csv_cells(stream))


def named_cells(rows: Iterable[tuple[int, list[str] | Unreadable]]) -> Iterator[tuple[int, Row]]:
    """Rows by the names in the first of them."""
    names: list[str] = []
    for number, values in rows:
        if isinstance(values, Unreadable):
            yield number, values
        elif names:
            yield number, dict(zip(names, values, strict=False))
        else:
            names = [name.strip() for name in values]


def csv_cells(stream: IO[bytes]) -> Iterator[tuple[int, list[str] | Unreadable]]:
    """The rows of a CSV file that hold text; the delimiter is the commonest of comma, semicolon, tab and bar in the first.

    A damaged or over-long row ends the file, as number 0: where the next one begins is then unknown.
    """
    csv.field_size_limit(LINE_CHARS)
    source = _csv_lines(stream)
    try:
        header = next(source, "")
        delimiter = max(",;\t|", key=header.count)
        for number, values in enumerate(csv.reader(itertools.chain([header], source), delimiter=delimiter), 1):
            if any(value.strip() for value in values):
                yield number, values
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


def xlsx_rows(stream: IO[bytes]) -> Iterator[tuple[int, Row]]:
    """The rows of the first sheet of an XLSX or XLSM file that holds any; its first row with text is the header.

    Numbers are the sheet's own row numbers. Values are text as in `xlsx_sheets`, so a row looks as it would from a CSV file;
    empty rows are passed over, cells beyond the header and columns without a name are left out.

    Raises:
        Unreadable: The file is damaged, encrypted or a bomb.
    """
    for _, rows in xlsx_sheets(stream):
        names: tuple[str, ...] = ()
        for number, values in rows:
            if names:
                yield number, {name: value for name, value in zip(names, values, strict=False) if name}
            names = names or values
        if names:
            return


def xlsx_sheets(stream: IO[bytes], notes: list[Noted] | None = None) -> Iterator[tuple[str, Cells]]:
    """(name, rows) of each sheet of a workbook in order; a row is (its number, its cells as text), empty rows left out.

    Cells hold stored values, never formulas: 3.0 is "3", a date "2026-11-22", truth "TRUE", an empty cell "". Rows are read
    as they are asked for, and are gone when the next sheet is. Macros left out are noted.

    Raises:
        Unreadable: The file is damaged, encrypted or a bomb.
    """
    try:
        import openpyxl
    except ImportError:
        raise missing("openpyxl", "reading XLSX files") from None
    archive = office_archive(stream, "XLSX", notes, streamed="xl/worksheets/")
    with reader_damage("XLSX"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells of styles and validations it does not know
            book = openpyxl.load_workbook(archive, read_only=True, data_only=True)
        try:
            for sheet in book.worksheets:
                sheet.reset_dimensions()  # the stored ones may name a million empty cells
                yield sheet.title, _sheet_rows(sheet.iter_rows(values_only=True))
        finally:
            book.close()


def _sheet_rows(rows: Iterator[tuple[object, ...]]) -> Cells:
    """The rows of one sheet that hold text; refuses numbers no spreadsheet has, which would run for ever."""
    with reader_damage("XLSX"):
        number = 0
        while number <= SHEET_ROWS:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                block = list(itertools.islice(rows, 256))
            for values in block:
                number += 1
                cells = tuple(map(cell_text, values))
                if any(cells):
                    yield number, cells
            if not block:
                return
        raise Unreadable("damaged XLSX", f"a row beyond {SHEET_ROWS:,}")


def cell_text(value: object) -> str:
    """A stored value as a person reads it: 3.0 is "3", midnight of a day is the day, truth is "TRUE", nothing is "".

    >>> cell_text(3.0), cell_text(0.1 + 0.2), cell_text(True), cell_text(None)
    ('3', '0.3', 'TRUE', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return str(value).strip()


def table_text(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table as lines, cells between " | ", empty rows left out.

    The first row with two cells or more is taken for the header and stands again, after an empty line, above every TABLE_ROWS
    further rows: a passage out of the middle of a long table still says what its columns are.

    >>> print("".join(table_text([["Name", "Dose"], ["A  B", "5 mg"]])), end="")
    Name | Dose
    A B | 5 mg
    """
    header, below = "", 0
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        line = " | ".join(cells).rstrip(" |") + "\n"
        if below == TABLE_ROWS:
            yield f"\n{header}"
            below = 0
        yield line
        if header:
            below += 1
        elif len(list(filter(None, cells))) > 1:
            header = line
