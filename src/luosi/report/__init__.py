"""A verdict as a report that can be read without Luosi and printed: HTML or PDF, in English or Chinese.

    write_report(Path("report.pdf"), "my", verdict, rows, bill=bill, language="zh")

Made from what `luosi verdict` and `luosi bill` show. Knows no workspace.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from luosi.errors import UsageError
from luosi.ledger.report import Bill
from luosi.report.content import content
from luosi.report.words import Language
from luosi.stages.verdict.money import VerdictReport
from luosi.stages.verdict.rows import AnswerRow

FORMS = ("html", "pdf")


def render(
    form: str, recipe: str, verdict: VerdictReport, rows: Sequence[AnswerRow], *, bill: Bill | None = None,
    language: Language = "en", when: date | None = None,
) -> bytes:  # fmt: skip
    """The report as bytes.

    Args:
        form: "html" or "pdf".
        recipe: Its name.
        verdict: The routes with their money, and the advice.
        rows: Every question with its answers; empty for a report without them.
        bill: What it cost; None for a report without.
        language: "en" or "zh".
        when: The day it says it was printed; today if None.

    Raises:
        UsageError: There is no such form.
        MissingDependency: A PDF is asked for and reportlab is not installed.
    """
    said = content(recipe, verdict, rows, bill, language, when or date.today())
    if form == "html":
        from luosi.report.html import html

        return html(said)
    if form == "pdf":
        from luosi.report.pdf import pdf

        return pdf(said)
    raise UsageError(f"a report is HTML or PDF, not {form!r}", hint="name it FILE.html or FILE.pdf")


def write_report(
    path: Path, recipe: str, verdict: VerdictReport, rows: Sequence[AnswerRow], *, bill: Bill | None = None,
    language: Language = "en", when: date | None = None,
) -> None:  # fmt: skip
    """Write the report in the form that the end of `path` says, whole or not at all; arguments as `render`.

    Raises:
        UsageError: The name ends in neither .html nor .pdf, or the file cannot be written.
        MissingDependency: A PDF is asked for and reportlab is not installed.
    """
    form = {".htm": "html"}.get(path.suffix.lower(), path.suffix.lower().removeprefix("."))
    data = render(form, recipe, verdict, rows, bill=bill, language=language, when=when)
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r}", hint="make it first, or -o elsewhere")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UsageError(f"the report cannot be written to {path}: {error.strerror}", hint="-o another file") from None
