"""Text out of workbooks (XLSX, XLSM): each sheet a heading, each row a line, the header said again in a long sheet.

Values as they were last saved; a formula that no spreadsheet program has computed yet is empty. Charts hold no text here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from luosi.text.notes import Noted
from luosi.text.tables import table_text, xlsx_sheets


def xlsx_text(stream: IO[bytes], notes: list[Noted]) -> Iterator[str]:
    """The sheets of a workbook that hold anything, row by row.

    Raises:
        Unreadable: It is damaged, encrypted or a zip bomb.
    """
    for name, rows in xlsx_sheets(stream, notes):
        heading = f"# {name}\n\n"
        for line in table_text(cells for _, cells in rows):
            yield heading + line
            heading = ""
        if not heading:
            yield "\n"
